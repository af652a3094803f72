"""A folder of image files: any tree, or one with train, val and test folders.

Files are known by their extension and trusted for nothing else. Links are followed, each real folder is visited once,
hidden files are skipped, names may hold any bytes. Where the root holds ``train`` (or ``training``), its folders say
the split; a split that has no folder is carved from train by the hash of the name. Every other tree is split by the
hash.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from colorbench.data.decode import EXTENSIONS, render_bytes
from colorbench.data.source import Dropped, Item, Rendered, Source, Split, hashed_split
from colorbench.errors import UserError
from colorbench.registry import register

_SPLIT_FOLDERS: dict[str, Split] = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


@register("source", "folder")
class Folder(Source):
    """All images under ``root``.

    root: the folder. stretch: squash the whole picture to a square instead of cutting the center square.
    max_pixels: larger pictures are dropped, by their header, before any memory is spent on them.
    """

    def __init__(self, *, root: str, stretch: bool, max_pixels: int) -> None:
        self.root = Path(root).expanduser()
        self.stretch = stretch
        self.max_pixels = max_pixels

    def items(self) -> Iterable[Item]:
        """Every image file under the root."""
        if not self.root.is_dir():
            what = "is a file" if self.root.exists() else "does not exist"
            raise UserError(f"data.root: {printable(str(self.root))} {what}; give a folder of images: data.root=PATH")
        folders = split_folders(self.root)
        found = False
        for path, name in walk(self.root, sorted(folders) if folders else None):
            found = True
            yield Item(name, self._split(name, folders), stamp(path))
        if not found:
            kinds = " ".join(sorted(EXTENSIONS))
            raise UserError(
                f"data.root: no image ({kinds}) under {printable(str(self.root))}; give another data.root=PATH"
            )

    def render(self, items: Sequence[Item], size: int) -> Iterator[Rendered | Dropped]:
        """The pictures, resized."""
        for item in items:
            yield render_file(self.root / item.name, item, size, max_pixels=self.max_pixels, stretch=self.stretch)

    def describe(self) -> Mapping[str, Any]:
        """What decides how the pictures look."""
        return {"stretch": self.stretch, "max_pixels": self.max_pixels}

    def where(self) -> str:
        """The folder, resolved."""
        return str(self.root.resolve())

    @staticmethod
    def _split(name: str, folders: Mapping[str, Split]) -> Split | None:
        if not folders:
            return None
        split = folders[name.split("/", 1)[0]]
        hashed = hashed_split(name)
        return hashed if split == "train" and hashed not in folders.values() else split


def split_folders(root: Path) -> dict[str, Split]:
    """The folders of ``root`` that say a split; empty unless one of them says train."""
    folders = {name: split for name, split in _SPLIT_FOLDERS.items() if (root / name).is_dir()}
    return folders if "train" in folders.values() else {}


def walk(root: Path, within: Sequence[str] | None = None) -> Iterator[tuple[str, str]]:
    """(path, name) of every image file, sorted by folder; each real folder once, whatever the links do."""
    seen: set[tuple[int, int]] = set()
    pending = (
        [(os.path.join(root, folder), f"{folder}/") for folder in reversed(within)] if within else [(str(root), "")]
    )
    while pending:
        folder, prefix = pending.pop()
        try:
            info = os.stat(folder)
            if (info.st_dev, info.st_ino) in seen:
                continue
            seen.add((info.st_dev, info.st_ino))
            with os.scandir(folder) as entries:
                listing = sorted(entries, key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            raise UserError(
                f"data.root: cannot list {printable(folder)} ({error.strerror}); mend or remove it"
            ) from error
        below = []
        for entry in listing:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                below.append((entry.path, f"{prefix}{entry.name}/"))
            elif os.path.splitext(entry.name)[1].lower() in EXTENSIONS:
                yield entry.path, prefix + entry.name
        pending.extend(reversed(below))


def stamp(path: str | Path) -> str:
    """Size and modification time: what tells, without reading it, that a file has changed."""
    try:
        info = os.stat(path)
    except OSError:
        return "missing"
    return f"{info.st_size}:{info.st_mtime_ns}"


def render_file(path: Path, item: Item, size: int, *, max_pixels: int, stretch: bool) -> Rendered | Dropped:
    """The picture in a file, if the file still is what was listed."""
    try:
        data = path.read_bytes()
    except OSError as error:
        return Dropped(f"unreadable: {error.strerror}")
    if item.stamp and stamp(path) != item.stamp:
        return Dropped("changed while the cache was built")
    return render_bytes(data, size, max_pixels=max_pixels, stretch=stretch)


def printable(name: str) -> str:
    """A file name that fits in one line of any terminal: odd bytes and control characters escaped."""
    clean = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return clean if clean.isprintable() else clean.encode("unicode_escape").decode("ascii")
