"""Budget: how much training a run may spend, and where it stands. The clock is images seen, not steps, not epochs."""

import math
import re
from dataclasses import dataclass
from typing import Annotated

from colorbench.errors import UserError
from colorbench.ranges import MOST, CountOrNone, Positive, within


@dataclass(frozen=True)
class Clock:
    """images: seen by the optimizers, over all ranks. seconds: of training steps, over all sessions of the run."""

    images: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The run ends at whichever limit comes first; None is no limit."""

    images: int | None
    seconds: float | None

    def progress(self, clock: Clock) -> float:
        """The share of the budget that is spent, in [0, 1]."""
        if self.images == 0:  # judge what it begins with
            return 1.0
        of_images = clock.images / self.images if self.images else 0.0
        of_seconds = clock.seconds / self.seconds if self.seconds else 0.0
        return min(1.0, max(of_images, of_seconds))

    def spent(self, clock: Clock) -> bool:
        """Is it over?"""
        return self.progress(clock) >= 1.0


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The ``budget`` node of the config. epochs: passes over the training pictures, whole or not."""

    images: CountOrNone | None
    seconds: Positive | None
    epochs: Positive | None

    @property
    def none(self) -> bool:
        """Would the run never end?"""
        return self.images is None and self.seconds is None and self.epochs is None

    def over(self, pictures: int | None) -> Budget:
        """The budget where an epoch is so many pictures; None: they are streamed, so that nothing is ever passed."""
        if self.epochs is None:
            return Budget(images=self.images, seconds=self.seconds)
        if pictures is None:
            raise UserError("budget.epochs: streamed pictures come without an end; give budget.images in its place")
        images = math.ceil(self.epochs * pictures)
        return Budget(images=images if self.images is None else min(images, self.images), seconds=self.seconds)


def _is_interval(value: str | int) -> bool:
    """Something that ``Point.parse`` reads and that comes, once or again and again."""
    if isinstance(value, int):
        return 1 <= value <= MOST
    share = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)%", value)
    return share is not None and 0 < float(share[1]) <= 100


Interval = Annotated[
    int | str, within("images (20000) or a share of the budget (25%), more than 0", lambda value: _is_interval(value))
]
"""A length of training."""


@dataclass(frozen=True)
class Point:
    """A moment of a run: ``25%`` of the budget, or a number of images seen."""

    share: float | None
    images: int | None

    @classmethod
    def parse(cls, text: Interval | None) -> "Point | None":
        """From ``25%``, ``20000`` or None."""
        if text is None:
            return None
        return cls(float(text[:-1]) / 100, None) if isinstance(text, str) else cls(None, text)

    def passed(self, clock: Clock, budget: Budget) -> bool:
        """Is this moment over?"""
        if self.images is not None:
            return clock.images >= self.images
        return budget.progress(clock) >= self.share  # type: ignore[operator]

    def count(self, clock: Clock, budget: Budget) -> int:
        """How often this interval has passed, when it is read as 'every'."""
        if self.images is not None:
            return clock.images // self.images
        return int(budget.progress(clock) / self.share + 1e-9)  # type: ignore[operator]
