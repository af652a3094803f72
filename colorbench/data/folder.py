"""A folder of image files: any tree, or one whose folders say the split (also ImageNet's and COCO's layouts).

Files are known by their extension and trusted for nothing else. Links are followed, each real folder is visited once,
hidden files are skipped, names may hold any bytes. Where one of the folders that mean ``train`` exists, right under the
root or in the one folder that is all there is under it (as archives are unpacked), folders say the split, and a split
that has no folder is carved from train by the hash of the name. Every other tree is split by the hash.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from colorbench.data.decode import EXTENSIONS, render_bytes
from colorbench.data.source import Dropped, Item, Rendered, Source, Split, carved
from colorbench.errors import UserError
from colorbench.ranges import Count, Text, within
from colorbench.registry import register

Held = Annotated[float, within("a number above 0, below 0.5", lambda x: 0 < x < 0.5)]


@register("source", "folder")
class Folder(Source):
    """All images under ``root``.

    root: the folder. splits: what a folder right under it means, such as {train2017: train, val2017: test}.
    share: of the pictures that the hash gives to test, and as many to val, where no folder says so. first: of a folder,
    only this many files, in the order of their own names ({val: 5000} is ImageNet's usual test). stretch: squash the
    whole picture to a square instead of cutting the center square. max_pixels: larger pictures are dropped, by their
    header, before any memory is spent on them. layout: ``named`` where the set is one that everybody has: a root
    without a folder that means train is then another tree, and an error.
    """

    def __init__(
        self,
        *,
        root: Text,
        splits: dict[str, Split],
        share: Held,
        first: dict[str, Count],
        stretch: bool,
        max_pixels: Count,
        layout: Literal["any", "named"] = "any",
    ) -> None:
        self.root, self.layout = Path(root).expanduser(), layout
        self.splits, self.share, self.first = splits, share, first
        self.stretch, self.max_pixels = stretch, max_pixels

    def items(self) -> Iterable[Item]:
        """Every image file under the root."""
        if not self.root.is_dir():
            what = "is a file" if self.root.exists() else "does not exist"
            raise UserError(f"data.root: {printable(str(self.root))} {what}; give a folder of images: data.root=PATH")
        within = self._wrapping()
        folders = {name: split for name, split in self.splits.items() if (self.root / within / name).is_dir()}
        if "train" not in folders.values():
            folders = {}
            if self.layout == "named":
                wanted = " and ".join(f"{printable(str(self.root))}/{name}" for name in self.splits)
                raise UserError(
                    f"data.root: this set is {wanted}, and the first is not there; for any other tree: data=folder"
                )
        count = 0
        for path, name in self._files(sorted(folders), within):
            count += 1
            said = folders.get(name.removeprefix(within).split("/", 1)[0])
            yield Item(name, said and carved(name, said, folders.values(), self.share), stamp(path))
        if not count:
            kinds = " ".join(sorted(EXTENSIONS))
            raise UserError(f"data.root: no image ({kinds}) under {printable(str(self.root))}; give another data.root")

    def _wrapping(self) -> str:
        """``data/`` where that folder is all there is under the root, and holds one that means train; else empty."""
        there = [entry.name for entry in os.scandir(self.root) if not entry.name.startswith(".")]
        if len(there) != 1 or there[0] in self.splits:
            return ""
        trains = [name for name, split in self.splits.items() if split == "train"]
        return f"{there[0]}/" if any((self.root / there[0] / name).is_dir() for name in trains) else ""

    def _files(self, folders: Sequence[str], within: str) -> Iterator[tuple[str, str]]:
        if not folders:
            yield from walk(self.root)
        for folder in folders:
            files = walk(self.root / within / folder, f"{within}{folder}/")
            if folder in self.first:
                yield from sorted(files, key=lambda file: os.path.basename(file[1]))[: self.first[folder]]
            else:
                yield from files

    def render(self, items: Sequence[Item], size: int) -> Iterator[Rendered | Dropped]:
        for item in items:
            yield render_file(self.root / item.name, item, size, max_pixels=self.max_pixels, stretch=self.stretch)

    def describe(self) -> Mapping[str, Any]:
        """What decides how the pictures look (the splits are in the items)."""
        return {"stretch": self.stretch, "max_pixels": self.max_pixels}

    def where(self) -> str:
        """The folder, resolved."""
        return str(self.root.resolve())


def walk(root: Path, prefix: str = "") -> Iterator[tuple[str, str]]:
    """(path, prefix + relative name) of every image file, sorted by folder; each real folder once despite links."""
    seen: set[tuple[int, int]] = set()
    pending = [(str(root), prefix)]
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
            if _is_folder(entry):
                below.append((entry.path, f"{prefix}{entry.name}/"))
            elif os.path.splitext(entry.name)[1].lower() in EXTENSIONS:
                yield entry.path, prefix + entry.name
        pending.extend(reversed(below))


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


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
        descriptor = os.open(
            path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
        )  # a pipe would wait for its other end
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return Dropped("unreadable: not a regular file")
            data = file.read()
    except OSError as error:
        return Dropped(f"unreadable: {error.strerror}")
    if item.stamp and stamp(path) != item.stamp:
        return Dropped("changed while the cache was built")
    return render_bytes(data, size, max_pixels=max_pixels, stretch=stretch)


def printable(name: str) -> str:
    """A file name that fits in one line of any terminal: odd bytes and control characters escaped."""
    clean = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return clean if clean.isprintable() else clean.encode("unicode_escape").decode("ascii")
