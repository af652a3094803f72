"""The scenes as a source of pictures: ``data=scenes data.level=standard``."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from colorbench.data.scenes.law import LevelName
from colorbench.data.scenes.painters import Painters
from colorbench.data.scenes.world import VERSION, World
from colorbench.data.source import SPLITS, Item, Rendered, Source, Split
from colorbench.ranges import Count
from colorbench.registry import register

WORTH_HELP = 1000
"""Scenes from which on other cores paint, too."""


@register("source", "scenes")
class Scenes(Source):
    """Procedural scenes whose color law is known (see :mod:`colorbench.data.scenes.law`).

    level: simple, standard or hard. train, val, test: how many scenes each split has.
    """

    parallel = False  # small numpy calls: two threads wait for the interpreter, not for the processor: see painters.py

    def __init__(self, *, level: LevelName, train: Count, val: Count, test: Count) -> None:
        self.counts: dict[Split, int] = {"train": train, "val": val, "test": test}
        self.world = World(level)
        self.painters = Painters(self.world, helpers=0)

    @contextmanager
    def building(self, cores: int) -> Iterator[None]:
        """A painter on every core but this one's, which start in the time of some hundred scenes."""
        many = sum(self.counts.values()) >= WORTH_HELP
        alone = self.painters
        with Painters(self.world, helpers=cores - 1 if many else 0) as self.painters:
            try:
                yield
            finally:
                self.painters = alone

    def items(self) -> Iterable[Item]:
        """The scenes of every split, by their names."""
        for split in SPLITS:
            for index in range(self.counts[split]):
                yield Item(self.world.name(split, index), split)

    def render(self, items: Sequence[Item], size: int) -> Iterator[Rendered]:
        """The scenes in their true colors; the recipe of a picture is its name."""
        for item, pixels in zip(items, self.painters.paint([item.name for item in items], size), strict=True):
            yield Rendered(pixels, hashlib.sha256(item.name.encode()).hexdigest(), size, size)

    def describe(self) -> Mapping[str, Any]:
        """The world's version and level, and a digest of what this program draws (an edited brush is another cache)."""
        seen = [self.world.picture(self.world.name("train", index), 32) for index in range(4)]
        look = hashlib.sha256(b"".join(pixels.tobytes() for pixels in seen)).hexdigest()[:16]
        return {"version": VERSION, "level": self.world.level, "look": look}
