"""What is kept below the cache folder: prepared pictures, a trunk's maps of them, downloads. All can be made again.

An entry is a folder with a lock beside it while somebody builds it; what is locked is left alone.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from colorbench.errors import UserError
from colorbench.lock import is_held
from colorbench.registry import suggest


@dataclass(frozen=True)
class Kept:
    """path: a folder. what: in words. size: bytes. touched: seconds since 1970, of its newest file."""

    path: Path
    what: str
    size: int
    touched: float


def kept(root: Path) -> list[Kept]:
    """The entries below ``root``, the largest first; [] where there are none."""
    folders = [path for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
    return sorted(map(_entry, folders), key=lambda entry: -entry.size)


def empty(root: Path, names: Sequence[str] = ()) -> tuple[list[Kept], list[Kept]]:
    """Delete the entries of these names, or all; (those deleted, those that a process is building). UserError: no such
    entry, or a file that cannot be deleted."""
    found = {entry.path.name: entry for entry in kept(root)}
    for name in names:
        if name not in found:
            raise UserError(f"{name}: nothing of that name in {root}{suggest(name, list(found))}")
    gone, busy = [], []
    for entry in (found[name] for name in names or found):
        lock = entry.path.with_name(f"{entry.path.name}.lock")
        if is_held(lock):
            busy.append(entry)
            continue
        try:
            shutil.rmtree(entry.path)
            for left in (lock, lock.with_name(f"{lock.name}.owner")):
                left.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(f"{error.filename or entry.path}: cannot be deleted ({error.strerror})") from error
        gone.append(entry)
    return gone, busy


def _entry(path: Path) -> Kept:
    files = [file.stat() for file in path.rglob("*") if file.is_file()]
    kinds = {"cache.json": "prepared pictures", "maps.json": "a trunk's maps of pictures"}
    what = next((words for name, words in kinds.items() if (path / name).is_file()), "downloads, or half-built")
    return Kept(path, what, sum(s.st_size for s in files), max((s.st_mtime for s in files), default=0.0))
