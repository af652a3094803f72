"""Tar shards in the WebDataset layout (extra ``stream``): local or remote, read front to back, never unpacked.

The first ``held_out`` shards are val and test (the hash of the name says which) and the next ``sample`` ones stand for
the training split wherever all of it would have to be seen at once (statistics, banks, the mean color); both are
prepared like every other data set. All shards but the held-out ones are streamed for training.

A shard's pictures are its regular members with an image's extension. A member's name is only a label: absolute and
parent paths lose those parts, nothing is ever written by its name, links are not followed.
"""

import glob
import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from colorbench import atomic
from colorbench.data.decode import EXTENSIONS, render_bytes
from colorbench.data.folder import stamp
from colorbench.data.source import Dropped, Item, Lanes, Rendered, Source, Split, hashed_split
from colorbench.errors import UserError
from colorbench.ranges import Count, Several, Text
from colorbench.registry import register

SCHEMES = ("", "file", "http", "https", "gs", "hf", "sftp", "ftps", "scp")
"""What a shard's address may begin with; ``pipe:`` is left out, because a config must never run a command."""

_NEEDS = "data=stream needs the webdataset library; run: pip install 'colorbench[stream]'"


@register("source", "shards")
class Shards(Source):
    """WebDataset shards.

    shards: addresses or paths, separated by spaces; braces ({000..099}) are expanded everywhere and * in local paths.
    held_out, sample: see above. lanes: into how many independent streams the shards are dealt; ranks share them, so it
    must be a multiple of the number of processes (fewer shards than lanes: as many lanes as shards). shuffle: pictures
    of a lane's shuffle buffer. spool: where the prepared shards of a remote set are kept. stretch, max_pixels: as for a
    folder.
    """

    def __init__(
        self,
        *,
        shards: Text,
        held_out: Count,
        sample: Count,
        lanes: Several,
        shuffle: Count,
        spool: Text,
        stretch: bool,
        max_pixels: Count,
    ) -> None:
        self.pattern, self.held_out, self.sample = shards, held_out, sample
        self.num_lanes, self.shuffle, self.spool = lanes, shuffle, Path(spool).expanduser()
        self.stretch, self.max_pixels = stretch, max_pixels

    @cached_property
    def shards(self) -> list[str]:
        """All addresses, in the order given."""
        found = [address for word in self.pattern.split() for address in _expanded(word)]
        if len(found) < self.held_out + 1:
            raise UserError(
                f"data.shards: {self.pattern!r} is {len(found)} shards; {self.held_out} held out for val and test and "
                "at least one to train on are needed"
            )
        stems = [_stem(address) for address in found]
        twice = next((stem for stem in stems if stems.count(stem) > 1), None)
        if twice:
            raise UserError(f"data.shards: two shards are called {twice!r}; their names tell their pictures apart")
        return found

    def items(self) -> Iterable[Item]:
        """The members of the held-out and the sample shards."""
        for at, address in enumerate(self.shards[: self.held_out + self.sample]):
            path = self._local(address)
            seen = stamp(path)
            try:
                with tarfile.open(path) as tar:
                    for label, member in labeled(_stem(address), tar):
                        split = "train" if at >= self.held_out else _held_out_split(label)
                        yield Item(label, split, f"{seen}|{member.offset_data}|{member.size}")
            except (OSError, tarfile.TarError) as error:
                raise _damaged(address, error) from error

    def render(self, items: Sequence[Item], size: int) -> Iterator[Rendered | Dropped]:
        paths = {_stem(a): self._local(a) for a in self.shards[: self.held_out + self.sample]}
        for item in items:
            seen, offset, length = item.stamp.split("|")
            path = paths[item.name.split("/", 1)[0]]
            try:
                with open(path, "rb") as file:
                    file.seek(int(offset))
                    data = file.read(int(length))
            except OSError as error:
                yield Dropped(f"unreadable: {error.strerror}")
                continue
            yield self.picture(data, size) if stamp(path) == seen else Dropped("changed while the cache was built")

    def picture(self, data: bytes, size: int) -> Rendered | Dropped:
        """One member's content."""
        return render_bytes(data, size, max_pixels=self.max_pixels, stretch=self.stretch)

    def describe(self) -> Mapping[str, Any]:
        """What decides how the pictures look (those of the prepared shards are in the items)."""
        return {"stretch": self.stretch, "max_pixels": self.max_pixels}

    def where(self) -> str:
        """The folder or address of the first shard."""
        return os.path.dirname(self.shards[0])

    def lanes(self) -> Lanes:
        """The shards to train on, dealt into lanes."""
        return Lanes(self.shards[self.held_out :], self.num_lanes, self.shuffle, _members, self.picture)

    def _local(self, address: str) -> Path:
        """The shard's path, fetched first when it is remote."""
        if urlparse(address).scheme in ("", "file"):
            return Path(urlparse(address).path)
        path = self.spool / f"{hashlib.sha256(address.encode()).hexdigest()[:12]}-{_stem(address)}.tar"
        if not path.is_file():
            self.spool.mkdir(parents=True, exist_ok=True)
            try:
                with atomic.replacing(path) as draft:
                    with _opened(address) as remote, open(draft, "wb") as file:
                        shutil.copyfileobj(remote, file)
                    tarfile.open(draft).close()  # an address that gives nothing gives no tar
            except (OSError, tarfile.TarError) as error:
                raise _damaged(address, error) from error
        return path


def labeled(stem: str, tar: tarfile.TarFile) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """(label, member) of every picture; labels are unique in the shard and never lead out of it."""
    seen: dict[str, int] = {}
    for member in tar:
        if member.isreg() and os.path.splitext(member.name)[1].lower() in EXTENSIONS:
            parts = [part for part in member.name.split("/") if part not in ("", ".", "..")]
            label = "/".join([stem, *parts])
            seen[label] = seen.get(label, 0) + 1
            yield label if seen[label] == 1 else f"{label}~{seen[label]}", member


def _members(address: str) -> Iterator[tuple[str, bytes]]:
    """(label, content) of every picture of a shard, front to back."""
    try:
        with _opened(address) as file, tarfile.open(fileobj=file, mode="r|*") as tar:
            for label, member in labeled(_stem(address), tar):
                content = tar.extractfile(member)
                assert content is not None  # a regular member
                yield label, content.read()
    except (OSError, EOFError, tarfile.TarError) as error:
        raise _damaged(address, error) from error


def _opened(address: str) -> Any:
    try:
        import webdataset
    except ImportError as error:
        raise UserError(_NEEDS) from error
    return webdataset.gopen(address)


def _expanded(word: str) -> list[str]:
    try:
        from braceexpand import braceexpand
    except ImportError as error:
        raise UserError(_NEEDS) from error
    scheme = urlparse(word).scheme
    if scheme not in SCHEMES:
        raise UserError(f"data.shards: {scheme}: addresses are not read; use a path or one of {', '.join(SCHEMES[1:])}")
    found = []
    for address in braceexpand(word):
        matches = [address]
        if scheme == "":  # absolute: the name of a file, pipe:rm, is no address
            matches = sorted(map(os.path.abspath, glob.glob(os.path.expanduser(address))))
        if not matches:
            raise UserError(f"data.shards: {address} does not exist; give shards as data.shards=PATH/name-*.tar")
        found += matches
    return found


def _stem(address: str) -> str:
    return os.path.basename(urlparse(address).path).split(".")[0]


def _held_out_split(label: str) -> Split:
    return "test" if hashed_split(label, 0.4999) == "test" else "val"


def _damaged(address: str, error: Exception) -> UserError:
    return UserError(
        f"data.shards: cannot read {address} ({' '.join(str(error).split())[:160]}); fetch or make it again"
    )
