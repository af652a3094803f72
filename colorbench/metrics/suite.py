"""The suite: all metrics of a config, computed together on a batch.

The views of a :class:`Pair` (floats, CIELAB) are made once and shared, everything runs on the pictures' own device (on
a processor in a piece for each thread), and what cannot be computed says why.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from colorbench import registry
from colorbench.arrays import PerImage
from colorbench.data.ahead import ahead
from colorbench.errors import UserError
from colorbench.metrics.frechet import SetMetric
from colorbench.metrics.literature import DDCOLOR
from colorbench.metrics.metric import Metric, Pair

_CACHED_PIXELS = 2**18
COMPAT: Mapping[str, Mapping[str, Any]] = {"none": {}, "ddcolor": DDCOLOR}
"""Conventions of the literature that can be added."""


@dataclass(frozen=True)
class Suite:
    """The metrics of one protocol: of each picture (``metrics``) and of the set (``set_metrics``: FID, KID)."""

    metrics: tuple[Metric, ...]
    set_metrics: tuple[SetMetric, ...] = ()

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Suite":
        """From the ``metrics`` node of a config: {key: {metric: NAME, ...}}; a null entry is skipped. ``compat:
        ddcolor`` adds the literature's columns."""
        built: dict[str, list[Any]] = {"metric": [], "set_metric": []}
        compat = config.get("compat", "none")
        if compat not in COMPAT:
            raise UserError(f"metrics.compat: expected one of {', '.join(COMPAT)}, got {compat!r}")
        for key, node in {**config, **COMPAT[compat]}.items():
            if key == "compat" or node is None:
                continue
            kind = next((k for k in built if isinstance(node, Mapping) and k in node), None)
            if kind is None:
                raise UserError(f"metrics.{key}: expected {{metric: NAME}} or {{set_metric: NAME}}, got {node!r}")
            built[kind].append(registry.build(kind, node, f"metrics.{key}"))
        if not built["metric"]:
            raise UserError("metrics: nothing is measured of a picture; keep one at least, such as psnr")
        names = [m.name for m in (*built["metric"], *built["set_metric"])]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise UserError(f"metrics: two entries give the column {sorted(twice)[0]!r}; drop one with ~metrics.KEY")
        return cls(tuple(built["metric"]), tuple(built["set_metric"]))

    @property
    def all(self) -> tuple[Metric | SetMetric, ...]:
        """Of pictures, then of the set."""
        return (*self.metrics, *self.set_metrics)

    def unavailable(self, size: int) -> dict[str, str]:
        """{column: reason} of what cannot be computed for pictures of this size."""
        reasons = {metric.name: metric.unavailable(size) for metric in self.all}
        return {name: reason for name, reason in reasons.items() if reason}

    def identity(self, size: int) -> list[Mapping[str, Any]]:
        """What defines the numbers, in order: for the protocol's id. What is not computed defines none."""
        missing = self.unavailable(size)
        return [m.identity() for m in self.all if m.name not in missing]

    def score(self, pair: Pair) -> dict[str, PerImage]:
        """{column: [b]} of every metric that can be computed."""
        return self.score_all([pair])[0]

    def score_all(self, pairs: Sequence[Pair]) -> list[dict[str, PerImage]]:
        """:meth:`score` of several colorings of the same pictures; what is known of the truth is computed once."""
        pair = pairs[0]
        missing = self.unavailable(pair.hat.shape[-1])
        able = [m for m in self.metrics if m.name not in missing and not (m.needs_raw and pair.raw is None)]

        def scores(parts: list[Pair]) -> list[dict[str, PerImage]]:
            return [{metric.name: metric(part) for metric in able} for part in parts]

        pieces = Pair.colorings(pairs, piece(pair.hat))
        threads = torch.get_num_threads() if pair.hat.device.type == "cpu" and len(pieces) > 1 else 1
        with _exact_products():
            found = list(ahead((partial(scores, parts) for parts in pieces), threads if threads > 1 else 0))
        return [{m.name: torch.cat([part[k][m.name] for part in found]) for m in able} for k in range(len(pairs))]


@contextmanager
def _exact_products() -> Iterator[None]:
    """Products of matrices in full float32, whatever the networks are allowed."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def piece(pixels: Tensor) -> int:
    """How many pictures to work on at once: on a GPU, all; on a processor, a thread's share, or what its cache holds.

    Small pieces cost more than they save: threads that only compute for a moment wait for the interpreter's lock.
    """
    if pixels.device.type != "cpu":
        return len(pixels)
    share = -(-len(pixels) // torch.get_num_threads())
    return max(1, min(share, _CACHED_PIXELS // pixels[0, 0].numel()))
