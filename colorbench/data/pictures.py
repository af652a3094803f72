"""Prepared pictures: one split of a cache, memory-mapped, in the order of a hash of their names."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorbench.batch import Batch
from colorbench.data.source import Split


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
        ids = torch.empty(0, dtype=torch.int64)
        pixels = torch.empty(0, 3, size, size, dtype=torch.uint8)
        if n:
            ids = torch.from_file(str(folder / f"{split}.ids"), shared=False, size=n, dtype=torch.int64)
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


def _mapped(path: Path, dtype: type) -> NDArray[Any]:
    return np.memmap(path, dtype=dtype, mode="r") if path.stat().st_size else np.empty(0, dtype=dtype)
