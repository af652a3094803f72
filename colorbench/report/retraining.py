"""What a further training would move, carried into every interval.

The means of one recipe's trainings deviate by more than pictures explain, and a few seeds of one row say little of how
far. So the deviation is pooled over all rows r of several seeds s, as an analysis of variance does, over one set of
pictures:

    deviation^2 = sum_r sum_s (m_rs - m_r)^2 / freedom,   freedom = sum_r (S_r - 1)

and each mean over S trainings, one as well, is moved in every resample by

    deviation t / z * mean_s e_s,   e_s ~ N(0, 1)

where t / z (the 97.5 % quantiles of Student's t with that freedom and of the normal law) is what a deviation known from
few trainings lacks. e_s belongs to the training: two rows drawn from one checkpoint, in 20 steps and in 100, move
together, so that retraining does not part them; a run that started from another is a training of its own. Pooling
assumes that trainings of all rows deviate alike.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colorbench.report.statistics import Estimate


@dataclass(frozen=True)
class Retraining:
    """The standard deviation of a mean between training seeds, and the degrees of freedom that it was found with."""

    deviation: float
    freedom: int

    @classmethod
    def pooled(cls, means: Sequence[Sequence[float]]) -> "Retraining":
        """means: for each row those of its seeds, two or more in one row at least."""
        freedom = sum(len(row) - 1 for row in means)
        squares = sum(float(np.var(row) * len(row)) for row in means)
        return cls((squares / freedom) ** 0.5, freedom)

    def carry(self, estimate: Estimate, trainings: Sequence[str]) -> Estimate:
        """Into the estimate of a mean over these trainings. Equal names move together."""
        from scipy.special import ndtri, stdtrit

        quantile = 0.5 + estimate.level / 2
        reach = self.deviation * float(stdtrit(self.freedom, quantile) / ndtri(quantile))
        moved = np.mean([_normal(name, len(estimate.replicates)) for name in trainings], axis=0)
        return Estimate(estimate.center, estimate.replicates + reach * moved, estimate.level)


def _normal(name: str, count: int) -> NDArray[np.float64]:
    """``count`` quantiles of N(0, 1) in an order of the name's own: for one name the same in every table."""
    from scipy.special import ndtri

    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return np.asarray(np.random.default_rng(seed).permutation(ndtri((np.arange(count) + 0.5) / count)))
