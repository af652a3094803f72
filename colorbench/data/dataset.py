"""Prepared pictures: three splits of a cache, and the endless sequence of training batches.

The training sequence is one fixed list: epoch 0's permutation, then epoch 1's, and so on, where the permutation of an
epoch sorts the pictures by a hash of (seed, picture, epoch). Batch k of size B is entries kB .. (k+1)B - 1 of that
list, and rank r of w takes the r-th of w equal parts of it. So a batch is a pure function of (seed, images seen): a run
resumes anywhere with no state, whatever the number of workers, and another number of ranks goes on with the same list.
"""

import hashlib
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorbench import color, registry
from colorbench.arrays import Bytes, Ids
from colorbench.batch import Batch
from colorbench.data.ahead import ahead
from colorbench.data.augment import Standard
from colorbench.data.cache import Recipe, find_or_build, read_meta
from colorbench.data.source import SPLITS, Source, Split
from colorbench.errors import UserError
from colorbench.noise import Noise


class Names(Sequence[str]):
    """The names of a cache's pictures, read from disk one at a time: a million of them cost no memory."""

    def __init__(self, folder: Path, split: Split, n: int) -> None:
        self._bytes = _mapped(folder / f"{split}.names", np.uint8)
        self._offsets = _mapped(folder / f"{split}.offsets", np.int64)
        self._n = n

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._n))]
        i = range(self._n)[index]
        return self._bytes[self._offsets[i] : self._offsets[i + 1]].tobytes().decode("utf-8", "surrogateescape")


class Pictures:
    """One split, prepared: random access to uint8.

    names: stable names (relative paths, scene ids). ids: int64 [n] = noise.stable_id(name). size: side in pixels.
    pixels: uint8 [n, 3, size, size], memory-mapped. sha256: uint8 [n, 32], the digest of each original.
    The order is that of a hash of the name.
    """

    def __init__(self, names: Sequence[str], ids: Tensor, pixels: Tensor, sha256: NDArray[np.uint8]) -> None:
        self.names, self.ids, self.pixels, self.sha256 = names, ids, pixels, sha256
        self.size = int(pixels.shape[-1])

    @classmethod
    def of_cache(cls, folder: Path, split: Split, n: int, size: int) -> "Pictures":
        """The n pictures of one split of a complete cache."""
        ids = torch.from_numpy(_mapped(folder / f"{split}.ids", np.int64).copy())
        pixels = torch.empty(0, 3, size, size, dtype=torch.uint8)
        if n:
            path, count = str(folder / f"{split}.pixels"), n * 3 * size * size
            pixels = torch.from_file(path, shared=False, size=count, dtype=torch.uint8).reshape(n, 3, size, size)
        return cls(Names(folder, split, n), ids, pixels, _mapped(folder / f"{split}.sha256", np.uint8).reshape(n, 32))

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, n: int) -> "Pictures":
        """The first n in the order of a hash of the name; all of them when there are fewer."""
        n = min(n, len(self))
        return Pictures(self.names[:n], self.ids[:n], self.pixels[:n], self.sha256[:n])

    def batches(self, batch_size: int, device: torch.device) -> Iterator[Batch]:
        """All pictures in order, unaugmented; the last batch may be smaller."""
        for ids, pixels in zip(self.ids.split(batch_size), self.pixels.split(batch_size), strict=True):
            yield Batch.of_bytes(pixels.to(device), ids.to(device))

    @cached_property
    def fingerprint(self) -> str:
        """A hash of what these pictures are: size, names, digests of the originals; no path, no date."""
        digest = hashlib.sha256(f"{self.size} {len(self)}".encode())
        for name, sha256 in zip(self.names, self.sha256, strict=True):
            digest.update(name.encode("utf-8", "surrogateescape") + b"\0" + sha256.tobytes())
        return digest.hexdigest()[:16]


@runtime_checkable
class Feed(Protocol):
    """What gives the training sequence."""

    def batches(
        self, *, batch_size: int, seed: int, start: int, device: torch.device, rank: int, world: int
    ) -> Iterator[Batch]:
        """See DataSet.train_batches."""
        ...


class CachedFeed:
    """The training sequence of prepared pictures.

    They move to an accelerator once, when they take at most ``resident_share`` of its free memory. ``threads`` make
    batches ahead (None: two beside an accelerator that does not hold the pictures, else none); never a process.
    """

    def __init__(self, pictures: Pictures, augment: Standard, resident_share: float, threads: int | None) -> None:
        self.pictures, self.augment = pictures, augment
        self.resident_share, self.threads = resident_share, threads
        self._resident: dict[torch.device, Tensor] = {}

    def batches(
        self, *, batch_size: int, seed: int, start: int, device: torch.device, rank: int, world: int
    ) -> Iterator[Batch]:
        """See DataSet.train_batches."""
        share = part_of(batch_size, world)
        pixels = self._pixels(device)
        elsewhere = device.type != "cpu" and pixels.device.type == "cpu"
        threads = self.threads if self.threads is not None else 2 * elsewhere
        plan = self._plan(start + rank * share, share, batch_size, seed)
        return ahead((partial(self._batch, pixels, rows, visits, seed, device) for rows, visits in plan), threads)

    def _plan(self, position: int, share: int, step: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """(rows, epochs) of entries position .. position + share - 1 of the sequence, then ``step`` further, always."""
        n, epoch, order = len(self.pictures), -1, torch.empty(0, dtype=torch.int64)
        while True:
            rows, visits = [], []
            at = position
            while at < position + share:
                if at // n != epoch:
                    epoch = at // n
                    order = Noise.of(seed, self.pictures.ids, epoch).keys.argsort(stable=True)
                rows.append(order[at % n :][: position + share - at])
                visits.append(torch.full_like(rows[-1], epoch))
                at += len(rows[-1])
            yield torch.cat(rows), torch.cat(visits)
            position += step

    def _batch(self, pixels: Tensor, rows: Tensor, visits: Tensor, seed: int, device: torch.device) -> Batch:
        ids = self.pictures.ids[rows]
        if pixels.device == device:
            chosen = pixels[rows.to(device)]
        else:
            chosen = torch.empty(len(rows), *pixels.shape[1:], dtype=torch.uint8, pin_memory=device.type == "cuda")
            chosen = torch.index_select(pixels, 0, rows, out=chosen).to(device, non_blocking=True)
        return augmented(chosen, ids.to(device), visits.to(device), seed, self.augment)

    def _pixels(self, device: torch.device) -> Tensor:
        pixels = self.pictures.pixels
        if device.type != "cuda":
            return pixels
        if device not in self._resident:
            free, _ = torch.cuda.mem_get_info(device)
            fits = pixels.numel() <= self.resident_share * free
            self._resident[device] = pixels.to(device) if fits else pixels
        return self._resident[device]


def part_of(batch_size: int, world: int) -> int:
    """One rank's share of a global batch."""
    if batch_size % world:
        raise UserError(f"batch_size: {batch_size} must be a multiple of the number of processes, {world}")
    return batch_size // world


def augmented(pixels: Bytes, ids: Ids, visits: Ids, seed: int, augment: Standard) -> Batch:
    """A training batch of 8-bit pictures on their device."""
    noise = Noise.of(seed, ids, visits)
    if augment.leaves_bytes:
        return Batch.of_bytes(augment.flipped(pixels, noise), ids, visits)
    step = len(ids) if pixels.device.type != "cpu" else max(2**17 // pixels[0, 0].numel(), 1)  # fits the CPU's cache
    rgb = [augment(few, stream) for few, stream in zip(pixels.split(step), noise.split(step), strict=True)]
    L, ab = zip(*map(color.encode, rgb), strict=True)
    return Batch(torch.cat(L), torch.cat(ab), ids, visits)


@dataclass(frozen=True)
class DataSet:
    """Three splits and the training sequence.

    name: of the source. fingerprint: a hash of what the pictures ARE. source: what they came from (a source that knows
    more about its pictures, such as the scenes' color law, is asked there).
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
        prints = [pictures.fingerprint for pictures in (self.train, self.val, self.test)]
        return hashlib.sha256(" ".join(prints).encode()).hexdigest()[:16]

    def train_batches(
        self, *, batch_size: int, seed: int, start: int, device: torch.device, rank: int = 0, world: int = 1
    ) -> Iterator[Batch]:
        """The endless training sequence from image ``start`` on; ``batch_size`` counts all ranks' images."""
        return self.feed.batches(batch_size=batch_size, seed=seed, start=start, device=device, rank=rank, world=world)


def open_data(config: Mapping[str, Any], tell: Callable[[str], None] | None = None) -> DataSet:
    """The data that a resolved ``data`` node describes; its cache is built on first use.

    tell: where progress lines go (standard error).
    """
    registry.lookup("source", str(config["source"].get("source")), "data.source")
    arguments = registry.checked(prepared, "data", "data", _without_aliases(config))
    name = str(config["source"]["source"])
    return prepared(**arguments, name=name, tell=tell or _to_stderr)


def _without_aliases(config: Mapping[str, Any]) -> dict[str, Any]:
    """Without the keys that only hand a value on to the source, such as data.root for data.source.root."""
    source = config["source"]
    own = inspect.signature(prepared).parameters
    aliases = [key for key in config if key not in own and key in source]
    for key in aliases:
        if config[key] != source[key]:
            raise UserError(f"data.source.{key} is {source[key]!r} and data.{key} is {config[key]!r}; give one of them")
    return {key: value for key, value in config.items() if key not in aliases}


def prepared(
    *,
    source: Source,
    size: int,
    limit: int | None,
    val_limit: int | None,
    test_limit: int | None,
    min_chroma: float,
    min_contrast: float,
    min_side: int,
    duplicates: bool,
    augment: Standard,
    cache: str,
    workers: int | None,
    threads: int | None,
    resident_share: float,
    name: str = "data",
    tell: Callable[[str], None] = print,
) -> DataSet:
    """See conf/data/base/prepared.yaml for what each key means."""
    if size < 1:
        raise UserError(f"data.size: must be at least 1, got {size}")
    limits = {"train": limit, "val": val_limit, "test": test_limit}
    for split, most in limits.items():
        if most is not None and most < 1:
            raise UserError(
                f"data.{'' if split == 'train' else split + '_'}limit: must be null or at least 1, got {most}"
            )
    recipe = Recipe(size, limits, min_chroma, min_contrast, min_side, duplicates)
    workers = len(os.sched_getaffinity(0)) if workers is None else workers
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
    return DataSet(name, train, val, test, CachedFeed(train, augment, resident_share, threads), source, folder)


def _mapped(path: Path, dtype: type) -> NDArray[Any]:
    return np.memmap(path, dtype=dtype, mode="r") if path.stat().st_size else np.empty(0, dtype=dtype)


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
