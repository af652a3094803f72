"""Verdicts: is a system better than everything that learned nothing, by enough to matter?

The advantage of a system over each trivial row is paired over pictures; delta is the smallest difference that matters
(per column, in the protocol). From the bootstrap's mean a_j and deviation s_j of the advantage over row j, by normal
tails:

    better        a_j > delta against EACH row j: p = max_j P(-(a_j - delta) / s_j)     intersection-union (Berger 1982)
    worse         a_j < -delta against some row: p = n min_j P((a_j + delta) / s_j)     Bonferroni over the n rows
    equivalent    a_j > -delta against each, and a_j < delta against some
    inconclusive  none of these is certain

Nothing is selected for "better", so there is nothing to correct; the row that is closest (least advantage) is named.
The smallest p of a column stands for it, and Holm's procedure over the columns of one verdict says which are certain:
the chance of any wrong word in a row of the table is at most 5 % (2.5 % at either end).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from colorbench.report.statistics import Estimate

BETTER, EQUIVALENT, INCONCLUSIVE, WORSE = "better", "equivalent", "inconclusive", "worse"
_TAIL = 0.025


@dataclass(frozen=True)
class Claim:
    """word: what is most nearly certain; p: how uncertain it is; closest: the row with the least disadvantage."""

    word: str
    p: float
    closest: str


def claim(one: Estimate, others: Mapping[str, Estimate], better: str, delta: float) -> Claim:
    """Of one column. better: higher or lower. others: the trivial rows, at least one."""
    sign = 1.0 if better == "higher" else -1.0
    gaps = {name: one - other for name, other in others.items()}
    means = np.array([sign * gap.center for gap in gaps.values()])
    spread = np.array([float(gap.replicates.std()) for gap in gaps.values()])
    above, below = _tail(delta - means, spread), _tail(means + delta, spread)  # of not above delta, of not below -delta
    not_below, not_above = _tail(-delta - means, spread), _tail(means - delta, spread)
    n = len(means)
    found = {
        BETTER: float(above.max()),
        WORSE: min(1.0, n * float(below.min())),
        EQUIVALENT: max(float(not_below.max()), min(1.0, n * float(not_above.min()))),
    }
    word = min(found, key=lambda name: found[name])
    return Claim(word, found[word], list(gaps)[int(means.argmin())])


def holm(claims: Mapping[str, Claim], level: float = _TAIL) -> dict[str, str]:
    """{column: word}: Holm's step-down over the columns; from the first that is not certain on, inconclusive."""
    words = dict.fromkeys(claims, INCONCLUSIVE)
    for rank, name in enumerate(sorted(claims, key=lambda name: claims[name].p)):
        if claims[name].p > level / (len(claims) - rank):
            break
        words[name] = claims[name].word
    return words


def _tail(distance: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """P(z < distance / spread) of a standard normal z; 0 or 1 where nothing spreads."""
    from scipy.special import ndtr

    certain = np.where(distance < 0, 0.0, 1.0)
    return np.where(spread > 0, ndtr(distance / np.where(spread > 0, spread, 1.0)), certain)
