"""Kept maps: what a frozen trunk says of a picture is computed once, and read ever after.

Nothing changes a frozen trunk, and where augmentation is at most a mirror image the same two pictures come again in
every epoch, in every family and seed. So their maps are kept, fp16, beside the data's cache, and a later epoch costs
the decoder alone. A picture is known by its content (128 bits of its L), so nobody has to say which picture it is:
mirrored, of another split or another data set, it is found if it was seen and computed if not.

    CACHE/maps-HASH/maps.json    which trunk, weights and size these are of; HASH is a hash of it
                    maps         fp16 [n, numbers], a picture a row: every map as [h w c], fine to coarse
                    keys         int64 [n, 2]; a row counts when its key is there, which is written after it
                    lock         held by a writer while it appends

Several processes read and write at once; one that is killed leaves at most a row without a key, which the next writer
overwrites. Numbers are rounded to fp16 also when they were computed just now: an answer does not depend on who asked
first.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from colorbench import atomic, lock
from colorbench.arrays import Luma
from colorbench.trunks.trunk import Maps, Trunk

VERSION = 1
"""Raise it when the maps of an unchanged trunk would change."""
Key = tuple[int, int]
_CURE = "run again, give another folder with data.cache=FOLDER, or compute them each time with trunk.keep=false"


def keep(module: nn.Module, cache: Path) -> int:
    """Let the frozen trunks in ``module`` that a name fixes keep their maps under ``cache``; how many there are."""
    found = [m for m in module.modules() if isinstance(m, Trunk) and m.keeps]
    kept = Kept(cache)
    for trunk in found:
        trunk.kept = kept
    return len(found)


class Last:
    """The maps of the one picture that was asked for last: all draws of a photograph look at the same ones. For one
    frozen trunk; asked as (trunk, L)."""

    def __init__(self) -> None:
        self._last: tuple[Luma, Maps] | None = None

    def __call__(self, trunk: Trunk, L: Luma) -> Maps:
        """The maps of L [b 1 h w], whose sides the trunk's stride divides."""
        last = self._last
        if last is None or not torch.equal(last[0], L):
            self._last = last = (L.detach().clone(), trunk.compute(L))
        return last[1]


class Kept:
    """The maps of all trunks and sizes below one folder. It is asked as (trunk, L)."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self._stores: dict[str, Store] = {}

    def __call__(self, trunk: Trunk, L: Luma) -> Maps:
        """The maps of L [b 1 h w], whose sides the trunk's stride divides; read where known, else computed and kept."""
        flat = self._rows(trunk, L, read=True)
        maps, start = {}, 0
        h, w = L.shape[-2:]
        for stride, channels in trunk.strides.items():
            shape = (len(L), h // stride, w // stride, channels)
            numbers = shape[1] * shape[2] * channels
            maps[stride] = flat[:, start : start + numbers].reshape(shape).permute(0, 3, 1, 2).float().to(L.device)
            start += numbers
        return maps

    def fill(self, trunk: Trunk, L: Luma) -> None:
        """Compute and keep what is not there yet."""
        self._rows(trunk, L, read=False)

    def _rows(self, trunk: Trunk, L: Luma, *, read: bool) -> Tensor:
        store = self._store(trunk, *L.shape[-2:])
        keys = contents(L)
        rows = store.find(keys)
        known = [i for i, row in enumerate(rows) if row is not None]
        new = [i for i, row in enumerate(rows) if row is None]
        flat = torch.empty(len(L) if read else 0, store.numbers, dtype=torch.float16)
        if known and read:
            flat[known] = store.read([row for row in rows if row is not None])
        if new:
            with torch.no_grad(), torch.autocast(L.device.type, enabled=False):
                maps = trunk.compute(L[new].float())
            computed = torch.cat([m.permute(0, 2, 3, 1).flatten(1) for m in maps.values()], dim=1)
            computed = computed.clamp(-65504.0, 65504.0).half().cpu()
            store.add([keys[i] for i in new], computed)
            if read:
                flat[new] = computed
        return flat

    def _store(self, trunk: Trunk, height: int, width: int) -> "Store":
        said = {
            "version": VERSION,
            "trunk": bytes(trunk.fingerprint.tolist()).hex(),
            "height": height,
            "width": width,
            "mean": trunk.mean.flatten().tolist(),
            "std": trunk.std.flatten().tolist(),
            "strides": {str(stride): channels for stride, channels in trunk.strides.items()},
        }
        name = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]
        if name not in self._stores:
            numbers = sum(c * (height // s) * (width // s) for s, c in trunk.strides.items())
            folder = self.cache / f"maps-{name}"
            with atomic.told(folder, _CURE):
                folder.mkdir(parents=True, exist_ok=True)
                if not (folder / "maps.json").is_file():
                    atomic.write_json(folder / "maps.json", said)
            self._stores[name] = Store(folder, numbers)
        return self._stores[name]


class Store:
    """Rows of ``numbers`` fp16 values under keys, in a folder that others write too."""

    def __init__(self, folder: Path, numbers: int) -> None:
        self.folder, self.numbers = folder, numbers
        self._rows: dict[Key, int] = {}
        self._mapped = np.empty((0, numbers), dtype=np.float16)
        self._read_keys = 0

    def __len__(self) -> int:
        """Rows that count, as of the last look."""
        return self._read_keys

    def find(self, keys: Sequence[Key]) -> list[int | None]:
        """The row of each key; what others have added since is looked for when one is missing."""
        if any(key not in self._rows for key in keys):
            self._refresh()
        return [self._rows.get(key) for key in keys]

    def read(self, rows: Sequence[int]) -> Tensor:
        """fp16 [len(rows), numbers]."""
        if max(rows) >= len(self._mapped):
            shape = (self._read_keys, self.numbers)
            self._mapped = np.memmap(self.folder / "maps", dtype=np.float16, mode="r", shape=shape)
        return torch.from_numpy(np.stack([self._mapped[row] for row in rows]))

    def add(self, keys: Sequence[Key], values: Tensor) -> None:
        """Append what nobody has added meanwhile."""
        with atomic.told(self.folder, _CURE), lock.held(self.folder / "lock"):
            self._refresh()
            new = {key: i for i, key in enumerate(keys) if key not in self._rows}
            if new:
                self._append("maps", self.numbers * 2, values[list(new.values())].numpy().tobytes())
                self._append("keys", 16, np.array(list(new), dtype=np.int64).tobytes())
                self._refresh()

    def _append(self, name: str, row: int, data: bytes) -> None:
        """After the rows that count; what a killed writer left there is overwritten."""
        descriptor = os.open(self.folder / name, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            os.ftruncate(descriptor, self._read_keys * row)
            os.lseek(descriptor, 0, os.SEEK_END)
            while data:
                data = data[os.write(descriptor, data) :]
        finally:
            os.close(descriptor)

    def _refresh(self) -> None:
        """Keys that were added since the last look, as far as their rows are whole."""
        keys, maps = (self._size(name) for name in ("keys", "maps"))
        count = min(keys // 16, maps // (2 * self.numbers))
        if count > self._read_keys:
            with (self.folder / "keys").open("rb") as file:
                file.seek(16 * self._read_keys)
                data = file.read(16 * (count - self._read_keys))
            for row, (a, b) in enumerate(np.frombuffer(data, dtype=np.int64).reshape(-1, 2).tolist(), self._read_keys):
                self._rows.setdefault((a, b), row)
            self._read_keys = count

    def _size(self, name: str) -> int:
        file = self.folder / name
        return file.stat().st_size if file.exists() else 0


def contents(L: Luma) -> list[Key]:
    """128 bits of each picture's numbers: two sums, modulo 2^64, of its words times fixed odd numbers."""
    words = L.detach().float().cpu().contiguous().flatten(1).view(torch.int32).long()
    at = torch.arange(1, words.shape[1] + 1)
    sums = [(words * (_mixed(at + purpose) | 1)).sum(dim=1).tolist() for purpose in (2**40, 2**50)]
    return list(zip(*sums, strict=True))


def _mixed(z: Tensor) -> Tensor:
    """SplitMix64's finalizer (Steele, Lea & Flood 2014)."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9 - 2**64), (27, 0x94D049BB133111EB - 2**64)):
        z = (z ^ ((z >> shift) & ((1 << (64 - shift)) - 1))) * factor
    return z ^ ((z >> 31) & ((1 << 33) - 1))
