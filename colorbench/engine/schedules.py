"""Learning-rate schedules: a factor in [0, 1] of the group's rate, as a function of the run's progress in [0, 1].

Progress is the share of the budget that is spent (of images seen, or of seconds), so that a schedule means the same at
every budget. Over its ``free`` share a schedule is 1 whatever the budget: what was trained there is the beginning of
every longer training too (training/prolong.py).
"""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from colorbench.ranges import Share, SomeShare
from colorbench.registry import register


@runtime_checkable
class Decay(Protocol):
    """progress in [0, 1] -> factor of the learning rate."""

    def free(self) -> float:
        """The share of the budget over which the factor is 1, in [0, 1]."""
        ...

    def __call__(self, progress: float) -> float: ...


@register("decay", "constant")
@dataclass(frozen=True, kw_only=True)
class Constant:
    """factor 1, after a linear warm-up over the first ``warmup`` share of the budget."""

    warmup: Share

    def free(self) -> float:
        return 0.0 if self.warmup else 1.0

    def __call__(self, progress: float) -> float:
        return _ramp(progress, self.warmup)


@register("decay", "cosine")
@dataclass(frozen=True, kw_only=True)
class Cosine:
    """Half a cosine from 1 to ``floor`` (Loshchilov & Hutter 2017, eq. 5, no restarts), after a linear warm-up."""

    warmup: Share
    floor: Share

    def free(self) -> float:
        return 0.0

    def __call__(self, progress: float) -> float:
        done = min(max((progress - self.warmup) / max(1.0 - self.warmup, 1e-9), 0.0), 1.0)
        return _ramp(progress, self.warmup) * (self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * done)))


@register("decay", "step")
@dataclass(frozen=True, kw_only=True)
class Step:
    """Multiply by ``gamma`` after every ``every`` share of the budget (StepLR; 30 of 120 epochs is 0.25)."""

    every: SomeShare
    gamma: Share

    def free(self) -> float:
        return self.every

    def __call__(self, progress: float) -> float:
        return self.gamma ** int(min(progress, 1.0 - 1e-9) / self.every)


@register("decay", "linear")
@dataclass(frozen=True, kw_only=True)
class Linear:
    """1 until ``start`` (a share of the budget), then in a straight line to 0 at its end (Isola et al. 2017, code)."""

    start: Share

    def free(self) -> float:
        return self.start

    def __call__(self, progress: float) -> float:
        return min(1.0, (1.0 - min(progress, 1.0)) / max(1.0 - self.start, 1e-9))


@register("decay", "trapezoid")
@dataclass(frozen=True, kw_only=True)
class Trapezoid:
    """A linear warm-up, then 1, then over the last ``cooldown`` share of the budget in a straight line to 0.

    Up to the cool-down the factor does not know when training ends, so a run may be looked at, cut or prolonged there
    (Hägele et al. 2024, "Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations", section 3).
    """

    warmup: Share
    cooldown: SomeShare

    def free(self) -> float:
        return 0.0 if self.warmup else 1.0 - self.cooldown

    def __call__(self, progress: float) -> float:
        return _ramp(progress, self.warmup) * min(1.0, (1.0 - min(progress, 1.0)) / self.cooldown)


def _ramp(progress: float, warmup: float) -> float:
    return min(1.0, (progress + 1e-3) / (warmup + 1e-3)) if warmup else 1.0
