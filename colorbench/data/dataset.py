"""A data set: three prepared splits and the training sequence; and how a config becomes one."""

import hashlib
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch

from colorbench import registry
from colorbench.batch import Batch
from colorbench.data.augment import Standard
from colorbench.data.cache import Recipe, census, find_or_build, read_meta
from colorbench.data.feed import CachedFeed, Feed
from colorbench.data.pictures import Pictures
from colorbench.data.source import SPLITS, Source
from colorbench.data.streamed import StreamedFeed
from colorbench.errors import UserError
from colorbench.ranges import Count, CountOrNone, NotNegative, SeveralOrNone, Share, Side, Text


@dataclass(frozen=True)
class DataSet:
    """Three splits and the training sequence.

    name: of the source. train: the pictures trained on (of a streamed set, a sample of them). fingerprint: a hash of
    what the pictures ARE. source: what they came from (a source that knows more about its pictures, such as the scenes'
    color law, is asked there). folder: the cache.
    """

    name: str
    train: Pictures
    val: Pictures
    test: Pictures
    feed: Feed
    source: Source
    folder: Path

    @cached_property
    def fingerprint(self) -> str:
        """A hash of what all the pictures are."""
        prints = [pictures.fingerprint for pictures in (self.train, self.val, self.test)] + [self.feed.fingerprint]
        return hashlib.sha256(" ".join(prints).encode()).hexdigest()[:16]

    @property
    def epoch(self) -> int | None:
        """Pictures of one pass over the training split; None: they are streamed."""
        return len(self.train) if isinstance(self.feed, CachedFeed) else None

    @property
    def returns(self) -> bool:
        """Do the same training pictures come again and again, changed by nothing but mirroring?"""
        return isinstance(self.feed, CachedFeed) and self.feed.augment.flips_only

    def train_batches(
        self, *, batch_size: int, seed: int, start: int, device: torch.device, rank: int = 0, world: int = 1
    ) -> Iterator[Batch]:
        """The endless training sequence from image ``start`` on; ``batch_size`` counts all ranks' images."""
        return self.feed.batches(batch_size=batch_size, seed=seed, start=start, device=device, rank=rank, world=world)


def open_data(config: Mapping[str, Any], tell: Callable[[str], None] | None = None) -> DataSet:
    """The data that a resolved ``data`` node describes; its cache is built on first use.

    tell: where progress lines go (standard error).
    """
    arguments = registry.checked(prepared, "data", "data", _own(config))
    name = str(config["source"]["source"])
    return prepared(**arguments, name=name, tell=tell or _to_stderr)


def check_data(config: Mapping[str, Any]) -> None:
    """Raise UserError for a ``data`` node with a wrong key, type or range; no picture is looked at."""
    registry.check_options(prepared, "data", "data", _own(config))


def _own(config: Mapping[str, Any]) -> dict[str, Any]:
    """Without the keys that only hand a value on to the source, such as data.root for data.source.root."""
    source: Any = config.get("source")
    registry.check("source", source, "data.source")
    own = inspect.signature(prepared).parameters
    aliases = [key for key in config if key not in own and key in source]
    for key in aliases:
        if config[key] != source[key]:
            raise UserError(f"data.source.{key} is {source[key]!r} and data.{key} is {config[key]!r}; give one of them")
    return {key: value for key, value in config.items() if key not in aliases}


def prepared(
    *,
    source: Source,
    size: Side,
    limit: Count | None,
    val_limit: Count | None,
    test_limit: Count | None,
    min_chroma: NotNegative,
    min_contrast: NotNegative,
    min_side: CountOrNone,
    duplicates: bool,
    augment: Standard,
    cache: Text,
    workers: SeveralOrNone | None,
    threads: SeveralOrNone | None,
    resident_share: Share,
    filtered: Literal["all", "train"],
    name: str = "data",
    tell: Callable[[str], None] = print,
) -> DataSet:
    """See conf/data/base/prepared.yaml for what each key means."""
    limits = {"train": limit, "val": val_limit, "test": test_limit}
    recipe = Recipe(size, limits, min_chroma, min_contrast, min_side, duplicates, filtered)
    workers = _cores() if workers is None else workers
    folder = find_or_build(source, name, recipe, Path(cache).expanduser(), workers, tell)
    meta = read_meta(folder)
    for split in SPLITS:
        if not meta["kept"][split]:
            why = ", ".join(f"{n} {reason}" for reason, n in meta["dropped"].items()) or "none dropped"
            kind = "color image" if meta["dropped"] else "image"
            raise UserError(
                f"data: no {kind} is left for {split} of {meta['listed']} listed ({why}; reasons in "
                f"{folder}/manifest.csv); give more pictures or lower data.min_chroma"
            )
    train, val, test = (Pictures.of_cache(folder, split, meta["kept"][split], size) for split in SPLITS)
    lanes = source.lanes()
    feed = (
        CachedFeed(train, augment, resident_share, threads)
        if lanes is None
        else StreamedFeed(lanes, recipe, augment, census(folder, source, recipe))
    )
    return DataSet(name, train, val, test, feed, source, folder)


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _cores() -> int:
    """That this process may use, where the system tells (Linux); else that there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
