"""Statistics: from rows to intervals, paired differences and verdicts.

Scores form a table x[s, i] for training seed s and image i: every seed is judged on the same images, and images are
what is resampled, all of a row's seeds and all rows together:

    x*_r = sum_i w_ri mean_s x[s, i] / n,   w_r ~ multinomial(n)

The interval is the 2.5 % and 97.5 % quantiles of x*. It speaks of these trained models; what a further training would
move is measured over all rows of several seeds and carried into it by :mod:`colorbench.report.retraining`. Coverage of
both is tested by simulation.

Differences between two systems are paired: both are averaged over the same resampled images. A difference whose
interval contains 0 is a tie, and ties share a rank.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float64]
"""[seeds, images]."""


@dataclass(frozen=True)
class Interval:
    """A mean and where it would fall in 95 of 100 repetitions of the experiment."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Is the sign certain?"""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Estimate:
    """A statistic and what it was in each resample. Estimates over the same resampled images are paired."""

    center: float
    replicates: NDArray[np.float64]
    level: float = 0.95

    @cached_property
    def interval(self) -> Interval:
        """Percentiles of the replicates."""
        tail = (1 - self.level) / 2
        low, high = np.quantile(self.replicates, [tail, 1 - tail])
        return Interval(self.center, float(low), float(high))

    @property
    def finite(self) -> bool:
        """Is it a number in every resample?"""
        return bool(np.isfinite(self.center) and np.isfinite(self.replicates).all())

    def within(self, low: float, high: float) -> "Estimate":
        """No resample beyond what the statistic can be: a normal deviation between trainings knows no such ends."""
        return Estimate(self.center, self.replicates.clip(low, high), self.level)

    def __sub__(self, other: "Estimate") -> "Estimate":
        return Estimate(self.center - other.center, self.replicates - other.replicates, self.level)


def combine(function: Callable[..., Any], *estimates: Estimate) -> Estimate:
    """The estimate of a function of means: |mean M3_hat - mean M3|, say."""
    center = float(function(*(e.center for e in estimates)))
    return Estimate(center, np.asarray(function(*(e.replicates for e in estimates))), estimates[0].level)


class Bootstrap:
    """Resampled weights of n images, made once and shared by everything that is to be compared.

    level: of the intervals. The numbers are a function of (n, resamples, seed) alone.
    """

    def __init__(self, images: int, *, resamples: int = 2000, seed: int = 0, level: float = 0.95) -> None:
        self.images, self.resamples, self.seed, self.level = images, resamples, seed, level
        rng = np.random.default_rng([seed, images])
        self.weights = np.empty((resamples, images), dtype=np.float32)
        for start in range(0, resamples, 100):  # in pieces: a large set does not take gigabytes
            part = rng.multinomial(images, np.full(images, 1 / images), size=min(100, resamples - start))
            self.weights[start : start + len(part)] = part / images

    def mean(self, table: Table) -> Estimate:
        """Of a table's mean over seeds and images."""
        return self.of(lambda mean: mean, table)

    def of(self, function: Callable[..., Any], *tables: Table) -> Estimate:
        """Of a function of one system's means over seeds and images: a ratio, say. tables: [seeds, images] each, or
        [images]."""
        by_image = [np.atleast_2d(np.asarray(table, dtype=np.float64)).mean(0) for table in tables]
        images = len(by_image[0])
        if images != self.images:
            raise ValueError(f"scores of {images} images, weights of {self.images}")
        centers = [float(scores.mean()) for scores in by_image]
        # around the center: single precision then costs a mean nothing
        around = [(scores - c).astype(np.float32) for scores, c in zip(by_image, centers, strict=True)]
        means = [c + (self.weights @ scores).astype(np.float64) for c, scores in zip(centers, around, strict=True)]
        return Estimate(float(function(*centers)), np.asarray(function(*means)), self.level)


def ranks(estimates: Mapping[str, Estimate], better: str) -> dict[str, int]:
    """Rank of each system, 1 is best.

    The best of those not yet ranked shares its rank with every one that it does not beat (a tie); the next rank counts
    all above it, so that after two firsts comes a third.
    """
    sign = 1.0 if better == "lower" else -1.0
    order = sorted(estimates, key=lambda name: (sign * estimates[name].center, name))
    place: dict[str, int] = {}
    while len(place) < len(order):
        left = [name for name in order if name not in place]
        rank = len(place) + 1
        for name in left:
            if name == left[0] or not (estimates[left[0]] - estimates[name]).interval.excludes_zero:
                place[name] = rank
    return place
