"""A source of pictures: a list of items and a way to see each of them. Nothing else.

A source knows no cache, no split rule, no filter and no tensor library: it says which pictures there are
(:meth:`Source.items`) and renders some of them at a size (:meth:`Source.render`). What is built from it, the cache, is
named by a hash of the source's own description and of every item's name and stamp, so a changed file or a changed
option makes another cache. Where a source does not prescribe a split, the name decides: u = first 8 hex digits of
sha1(last part of the name) / 2^32; u < 0.1 is test, u < 0.2 is val, the rest is train.

Rendering may run in several threads at once (``parallel``): decoders and numpy give up the interpreter's lock.
A source that computes its pictures renders a whole chunk at once, vectorized.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from colorbench.errors import UserError

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Item:
    """One picture that exists.

    name: stable and unique in the source, the same wherever the pictures lie: a relative path with '/', or a scene's
    id. split: prescribed by the source, or None: the hash of the name decides. stamp: changes when the content may have
    changed (file size and mtime; nothing for computed pictures).
    """

    name: str
    split: Split | None = None
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A picture as it goes into the cache.

    pixels: uint8 [3, size, size], sRGB, square-cropped and resized (antialiased) before any color conversion.
    sha256: hex digest of what the picture IS (the file's bytes; for computed pictures, of their recipe or pixels).
    width, height: of the original, in pixels.
    """

    pixels: NDArray[np.uint8]
    sha256: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Dropped:
    """A picture that cannot be used, and why (one line for the manifest)."""

    reason: str
    sha256: str = ""
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class Lanes:
    """Training pictures too many to prepare: parts (shards) to be read front to back, dealt into independent lanes.

    parts: their addresses. count: of the lanes. shuffle: pictures of each lane's shuffle buffer. members: (name,
    content) of every picture of a part, always in the same order. picture: content and size to a picture, as
    Source.render.
    """

    parts: Sequence[str]
    count: int
    shuffle: int
    members: Callable[[str], Iterator[tuple[str, bytes]]]
    picture: Callable[[bytes, int], Rendered | Dropped]


class Source(ABC):
    """Where pictures come from. Concrete sources are registered: ``@register("source", "folder")``."""

    parallel: ClassVar[bool] = True
    """Render in several threads at once? False when that gains nothing."""
    chunk: ClassVar[int] = 32
    """How many items one call of :meth:`render` is given at most."""
    share: float = 0.1
    """Of the pictures without a prescribed split: this share is test, and as many val."""

    @abstractmethod
    def items(self) -> Iterable[Item]:
        """All pictures, in any order. Raises UserError, naming the key, when there is nothing to list."""

    @abstractmethod
    def render(self, items: Sequence[Item], size: int) -> Iterator[Rendered | Dropped]:
        """One answer for each item, in order, at [3, size, size]. Never raises because of one bad picture."""

    @abstractmethod
    def describe(self) -> Mapping[str, Any]:
        """JSON-able options that decide what the items look like (a version, a seed): part of the cache's name.
        No path, no date."""

    def lanes(self) -> Lanes | None:
        """Where the training pictures are streamed from; None: they are prepared, as val and test always are."""
        return None

    def building(self, cores: int) -> AbstractContextManager[None]:
        """Around many calls of :meth:`render` by one caller, which may use so many cores."""
        return nullcontext()

    def where(self) -> str:
        """Where the pictures lie, for messages and for the cache's name; never part of a fingerprint."""
        return ""


def hashed_split(name: str, share: float = 0.1) -> Split:
    """The split of a picture whose source prescribes none; ``share`` of all are test, and as many val."""
    last = name.rsplit("/", 1)[-1]
    u = int(hashlib.sha1(last.encode("utf-8", "surrogateescape")).hexdigest()[:8], 16) / 2**32
    return "test" if u < share else "val" if u < 2 * share else "train"


def carved(name: str, split: Split, prescribed: Collection[Split], share: float) -> Split:
    """``split``, unless it is train and the hash of the name gives the picture to a split that has none."""
    hashed = hashed_split(name, share)
    return hashed if split == "train" and hashed not in prescribed else split


def known_split(word: str, where: str) -> Split:
    """train, val or test; UserError for any other word."""
    if word not in SPLITS:
        raise UserError(f"{where}: expected train, val or test, got {word!r}")
    return word
