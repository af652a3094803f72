"""A protocol: everything that defines a number, and a short id of it.

Two numbers may stand in one table only if the same pictures were colored at the same size, judged by the same
metrics with the same weights, over the same number of draws from the same noise. All of that, and nothing else (no
device, no path, no date), is hashed into the id. The pictures enter by their names and their 8-bit values, so it
does not matter where they lie or what else the data set holds.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from colorbench.errors import UserError
from colorbench.metrics.suite import Suite
from colorbench.ranges import NotNegative
from colorbench.registry import checked

VERSION = 2
"""Changes when the same settings would give other numbers."""


@dataclass(frozen=True)
class Protocol:
    """How pictures are judged.

    split, images: which pictures (the count is what was found). size: side in px. draws: colorings of each picture by a
    stochastic family. seed: of the noise they are colored with. pictures: sha256 of names and bytes. metrics:
    identities. unavailable: {column: reason}, for the cells of what could not be computed. matters: {column or its
    beginning: the smallest difference that matters}, for verdicts.
    """

    name: str
    split: str
    images: int
    size: int
    draws: int
    seed: int
    pictures: str
    metrics: tuple[Mapping[str, Any], ...]
    unavailable: Mapping[str, str] = field(default_factory=dict)
    gallery: int = 0
    matters: Mapping[str, float] = field(default_factory=dict)
    version: int = VERSION

    @cached_property
    def id(self) -> str:
        """8 hexadecimal digits. What changes no number does not count: name, gallery, reasons, what matters."""
        defines = {
            k: v for k, v in asdict(self).items() if k not in ("name", "unavailable", "gallery", "split", "matters")
        }
        return hashlib.sha256(json.dumps(defines, sort_keys=True).encode()).hexdigest()[:8]

    def smallest(self, column: str) -> float:
        """The smallest difference of a column that matters: of its longest known beginning, 0 if none is stated."""
        known = max((name for name in self.matters if column.startswith(name)), key=len, default=None)
        return self.matters[known] if known is not None else 0.0

    @property
    def lossless(self) -> dict[str, Any]:
        """For protocol.json."""
        return {"id": self.id, **asdict(self)}

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> "Protocol":
        """From protocol.json; ValueError when the id is not the hash of the rest."""
        fields = {k: v for k, v in record.items() if k != "id"}
        protocol = cls(**{**fields, "metrics": tuple(fields["metrics"])})
        if protocol.id != record["id"]:
            raise ValueError(f"protocol {record['id']} was edited: its content hashes to {protocol.id}")
        return protocol


@dataclass(frozen=True)
class Plan:
    """A protocol about to be carried out: with its pictures (names, ids, pixels) and its metrics."""

    protocol: Protocol
    pictures: Any
    suite: Suite
    expect: Mapping[str, float]


def plan(config: Mapping[str, Any], data: Any, suite: Suite) -> Plan:
    """Choose the pictures of the ``protocol`` node of a config from a data set, and name the result.

    Raises UserError for an unknown split or key, an empty split, or pictures that are not the ones the protocol
    expects.
    """
    _settings(**checked(_settings, "the protocol", "protocol", config))
    split = config["split"]
    pictures = getattr(data, split)
    if config["limit"] is not None:
        pictures = pictures.take(int(config["limit"]))
    if len(pictures) == 0:
        raise UserError(f"protocol.split: the {split} split of this data has no pictures; use another split")
    size = int(pictures.size)
    protocol = Protocol(
        name=str(config["name"]),
        split=split,
        images=len(pictures),
        size=size,
        draws=int(config["draws"]),
        seed=int(config["seed"]),
        pictures=_digest(pictures),
        metrics=tuple(dict(identity) for identity in suite.identity(size)),
        unavailable=suite.unavailable(size),
        gallery=min(int(config["gallery"]), len(pictures)),
        matters={str(name): float(least) for name, least in config["matters"].items()},
    )
    expect = dict(config["expect"])
    for key, actual in (("images", protocol.images), ("size", protocol.size)):
        if expect.get(key) not in (None, actual):
            raise UserError(f"protocol {protocol.name!r} expects {key} = {expect[key]}, this data has {actual}")
    return Plan(protocol, pictures, suite, expect)


def _settings(
    *,
    name: str,
    split: str,
    limit: int | None,
    draws: int,
    seed: int,
    expect: dict[str, float | None],
    gallery: int,
    matters: dict[str, NotNegative],
) -> None:
    """The types of the keys (the signature is the schema); raises UserError for values out of range."""
    if split not in ("train", "val", "test"):
        raise UserError(f"protocol.split: expected train, val or test, got {split!r}")
    if draws < 1:
        raise UserError(f"protocol.draws: expected 1 or more, got {draws}")
    if limit is not None and limit < 1:
        raise UserError(f"protocol.limit: expected null, or 1 or more, got {limit}")
    if gallery < 0:
        raise UserError(f"protocol.gallery: expected 0 or more, got {gallery}")
    if abs(seed) >= 2**63:
        raise UserError(f"protocol.seed: expected a number of at most 18 digits, got {seed}")
    for key in expect:
        if key not in ("size", "images", "colorfulness_abs"):
            raise UserError(f"protocol.expect.{key}: expected size, images or colorfulness_abs")


def _digest(pictures: Any) -> str:
    digest = hashlib.sha256()
    for name, pixels in zip(pictures.names, pictures.pixels, strict=True):
        digest.update(name.encode("utf-8", "surrogateescape") + b"\0")
        digest.update(np.ascontiguousarray(np.asarray(pixels)).tobytes())
    return digest.hexdigest()[:32]
