"""Statistics: from rows to intervals, paired differences and verdicts.

Scores form a table x[s, i] for training seed s and image i: every seed is judged on the same images, so the design is
crossed and both are resampled, independently (Owen, "The pigeonhole bootstrap", 2007):

    x*_r = sum_s sum_i v_rs w_ri x[s, i] / (S n),   v_r ~ multinomial(S), w_r ~ multinomial(n)

and the interval is the 2.5 % and 97.5 % quantiles of x*. A bootstrap over a handful of seeds is too narrow, because S
values vary by a factor sqrt((S-1)/S) too little and their spread is itself uncertain: the seeds' deviations are
expanded by sqrt(S/(S-1)) t_{S-1}/z (Hesterberg 2015, section 5.3), which is 9.2 for two seeds and 1.2 for ten. With one seed
the interval speaks of this trained model only. Coverage is tested by simulation.

Differences between two systems are paired: both are averaged over the same resampled images. A difference whose
interval contains 0 is a tie, and ties share a rank.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

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
        return self.low > 0 or self.high < 0


class Bootstrap:
    """Resampled weights of n images, made once and shared by everything that is to be compared.

    level: of the intervals. The numbers are a function of (n, resamples, seed) alone.
    """

    def __init__(self, images: int, *, resamples: int = 2000, seed: int = 0, level: float = 0.95) -> None:
        self.images, self.resamples, self.seed, self.level = images, resamples, seed, level
        rng = np.random.default_rng([seed, images])
        weights = np.empty((resamples, images), dtype=np.float32)
        for start in range(0, resamples, 100):  # in pieces: a large set does not take gigabytes
            part = rng.multinomial(images, np.full(images, 1 / images), size=min(100, resamples - start))
            weights[start : start + len(part)] = part
        self.weights = weights / images

    def means(self, table: Table, stream: int = 0) -> NDArray[np.float64]:
        """[resamples] of the table's mean. stream: systems with unlike numbers resample their seeds independently."""
        table = np.atleast_2d(np.asarray(table, dtype=np.float64))
        seeds, images = table.shape
        if images != self.images:
            raise ValueError(f"scores of {images} images, weights of {self.images}")
        center = table.mean()
        by_seed = (table - center) @ self.weights.T.astype(np.float64)  # [seeds, resamples]
        if seeds == 1:
            return center + by_seed[0]
        rng = np.random.default_rng([self.seed, stream, seeds])
        chosen = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=self.resamples) / seeds  # [resamples, seeds]
        effect = table.mean(1) - center
        common = by_seed + (expansion(seeds, self.level) - 1) * effect[:, None]
        return center + (chosen.T * common).sum(0)

    def interval(self, table: Table, stream: int = 0) -> Interval:
        """Of the mean over seeds and images."""
        return self._of(float(np.mean(table)), self.means(table, stream))

    def difference(self, one: Table, other: Table, streams: tuple[int, int] = (0, 1)) -> Interval:
        """Of mean(one) - mean(other), paired by image."""
        center = float(np.mean(one) - np.mean(other))
        return self._of(center, self.means(one, streams[0]) - self.means(other, streams[1]))

    def _of(self, center: float, means: NDArray[np.float64]) -> Interval:
        tail = (1 - self.level) / 2
        low, high = np.quantile(means, [tail, 1 - tail])
        return Interval(center, float(low), float(high))


def expansion(seeds: int, level: float = 0.95) -> float:
    """sqrt(S/(S-1)) t_{S-1}/z: what a bootstrap over few seeds lacks."""
    if seeds < 2:
        return 1.0
    z = NormalDist().inv_cdf(0.5 + level / 2)
    return float(np.sqrt(seeds / (seeds - 1)) * student(seeds - 1, level) / z)


def student(freedom: int, level: float) -> float:
    """Two-sided quantile of Student's t: 12.706 for one degree of freedom at 95 %. By bisection of its integral."""
    import math

    log_norm = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - 0.5 * math.log(freedom * math.pi)
    nodes, weights = np.polynomial.legendre.leggauss(200)

    def inside(t: float) -> float:  # x = sqrt(nu) tan(u): a smooth integrand on a finite interval
        end = math.atan(t / math.sqrt(freedom))
        u = (nodes + 1) * end / 2
        return float(2 * math.exp(log_norm) * math.sqrt(freedom) * end / 2 * (weights * np.cos(u) ** (freedom - 1)).sum())

    low, high = 0.0, 1e4
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if inside(middle) < level else (low, middle)
    return (low + high) / 2


def ranks(tables: Mapping[str, Table], better: str, bootstrap: Bootstrap) -> dict[str, int]:
    """Rank of each system, 1 is best. The best of those not yet ranked shares its rank with every one that it does not beat
    (a tie); the next rank counts all above it, so that after two firsts comes a third."""
    sign = -1.0 if better == "lower" else 1.0
    order = sorted(tables, key=lambda name: (-sign * float(np.mean(tables[name])), name))
    place: dict[str, int] = {}
    while len(place) < len(order):
        left = [name for name in order if name not in place]
        leader, rank = left[0], len(place) + 1
        for i, name in enumerate(left):
            if i == 0 or not bootstrap.difference(tables[leader], tables[name], _streams(order, leader, name)).excludes_zero:
                place[name] = rank
    return place


def verdict(one: Table, other: Table, better: str, bootstrap: Bootstrap) -> str:
    """``better``, ``worse`` or ``tied``, of the first against the second."""
    difference = bootstrap.difference(one, other)
    if not difference.excludes_zero:
        return "tied"
    return "better" if (difference.mean < 0) == (better == "lower") else "worse"


def _streams(order: Sequence[str], one: str, other: str) -> tuple[int, int]:
    return order.index(one), order.index(other)
