"""What people prefer: strengths of systems from choices between two of them (Bradley & Terry 1952).

    P(i is chosen over j) = 1 / (1 + exp(s_j - s_i)),    sum_i s_i = 0

fitted by maximum likelihood with the minorization of Hunter 2004, eq. 3, each system having tied once with an imagined
one of strength 0, so that one that never lost has a finite strength. Intervals are of a bootstrap over photographs:
choices on one photograph belong together. Given ``VOTERS`` voters or more they are resampled too (a
crossed design, as of seeds and images in :mod:`colorbench.report.statistics`); with fewer the intervals speak of these
voters only.

A voter whose truth-against-gray checks are wrong more often than ``WRONG`` is left out, and said to be.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colorbench.report.statistics import Estimate, Interval, ranks
from colorbench.report.vote.ballot import TRUTH, Answer

VOTERS = 5
WRONG = 0.25
_ROUNDS = 500


@dataclass(frozen=True)
class Voter:
    """checks: (right, asked) truth-against-gray pairs. again: (same, asked) repeated questions."""

    name: str
    votes: int
    checks: tuple[int, int]
    again: tuple[int, int]

    @property
    def attentive(self) -> bool:
        """Do his votes count?"""
        right, asked = self.checks
        return asked - right <= WRONG * asked


@dataclass(frozen=True)
class People:
    """systems: by falling strength. strengths: log odds around a mean of 0. wins: [systems, systems], i over j.

    places: ties share one. voters: all of them, those too whose votes do not count.
    """

    systems: tuple[str, ...]
    strengths: Mapping[str, Estimate]
    places: Mapping[str, int]
    wins: NDArray[np.float64]
    voters: tuple[Voter, ...]

    def tied(self, one: str, other: str) -> bool:
        """Does the interval of their difference contain 0?"""
        return not (self.strengths[one] - self.strengths[other]).interval.excludes_zero

    @property
    def like_truth(self) -> list[str]:
        """Systems that tie with the truth."""
        return [s for s in self.systems if s != TRUTH and TRUTH in self.strengths and self.tied(s, TRUTH)]

    def share(self, one: str, other: str) -> float:
        """How often ``one`` would be chosen over ``other``."""
        return float(1 / (1 + np.exp(self.strengths[other].center - self.strengths[one].center)))


def people(answers: Sequence[Answer], *, resamples: int = 1000, seed: int = 0) -> People:
    """Strengths of all systems that were voted on. Raises ValueError without a vote that counts."""
    voters = tuple(_voter(name, answers) for name in dict.fromkeys(a.voter for a in answers))
    counted = {v.name for v in voters if v.attentive}
    votes = [a for a in answers if a.question.kind == "pair" and a.voter in counted]
    if not votes:
        raise ValueError("no vote that counts")
    systems = sorted({name for a in votes for name in (a.chosen, a.other)})
    cells = _cells(votes, systems)  # [voters, pictures, systems, systems]
    rng = np.random.default_rng([seed, len(votes)])
    persons, pictures = cells.shape[:2]
    weights = rng.multinomial(pictures, np.full(pictures, 1 / pictures), size=resamples).astype(float)
    by_person = np.ones((resamples, persons))
    if persons >= VOTERS:
        by_person = rng.multinomial(persons, np.full(persons, 1 / persons), size=resamples).astype(float)
    wins = np.einsum("rv,rp,vpij->rij", by_person, weights, cells, optimize=True)
    total = cells.sum((0, 1))
    replicates, center = strengths(wins), strengths(total[None])[0]
    found = {name: Estimate(float(center[i]), replicates[:, i]) for i, name in enumerate(systems)}
    order = np.argsort(-center, kind="stable")
    return People(tuple(systems[i] for i in order), found, ranks(found, "higher"), total[np.ix_(order, order)], voters)


def strengths(wins: NDArray[np.float64]) -> NDArray[np.float64]:
    """wins: [r, m, m], how often i was chosen over j. Log strengths [r, m], of mean 0."""
    games = wins + wins.transpose(0, 2, 1)
    won = wins.sum(2) + 0.5
    power = np.ones(wins.shape[:2])
    for _ in range(_ROUNDS):
        shared = games / (power[:, :, None] + power[:, None, :])
        new = won / (shared.sum(2) + 1 / (power + 1))
        settled = bool(np.abs(np.log(new / power)).max() < 1e-5)
        power = new
        if settled:
            break
    logs = np.log(power)
    return logs - logs.mean(1, keepdims=True)


def pairs_needed(share: float, *, level: float = 0.95, power: float = 0.8) -> int:
    """Votes on one pair until a choice of ``share`` : 1 - ``share`` is told from chance, with that power (two-sided
    test of a proportion, normal approximation)."""
    from scipy.special import ndtri

    gap = abs(share - 0.5)
    if gap < 1e-6:
        return 10**9
    spread = 0.5 * ndtri(0.5 + level / 2) + np.sqrt(share * (1 - share)) * ndtri(power)
    return int(np.ceil((spread / gap) ** 2))


def agreement(found: People, scores: Mapping[str, Estimate], better: str) -> Estimate | None:
    """Spearman's rank correlation of a metric's order with the people's, over the systems that have both; 1 is the same
    order. Its interval joins the resamples of both. The truth takes no part: a distance to it knows its place. None for
    fewer than three systems."""
    systems = [name for name in found.systems if name in scores and name != TRUTH]
    if len(systems) < 3 or better == "neither":
        return None
    sign = -1.0 if better == "lower" else 1.0
    r = min(min(len(found.strengths[n].replicates), len(scores[n].replicates)) for n in systems)
    theirs = np.stack([found.strengths[n].replicates[:r] for n in systems], 1)
    metric = sign * np.stack([scores[n].replicates[:r] for n in systems], 1)
    center = _spearman(
        np.array([[found.strengths[n].center for n in systems]]), sign * np.array([[scores[n].center for n in systems]])
    )
    return Estimate(float(center[0]), _spearman(theirs, metric))


def _spearman(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """[r, m] each -> [r]; 0 where one of them orders nothing."""
    from scipy.stats import rankdata

    a, b = (rankdata(x, axis=1) - (x.shape[1] + 1) / 2 for x in (one, other))
    scale = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    return np.divide((a * b).sum(1), scale, out=np.zeros(len(a)), where=scale > 0)


def _cells(votes: Sequence[Answer], systems: Sequence[str]) -> NDArray[np.float64]:
    voters = {name: i for i, name in enumerate(dict.fromkeys(a.voter for a in votes))}
    pictures = {p: i for i, p in enumerate(sorted({a.question.picture for a in votes}))}
    place = {name: i for i, name in enumerate(systems)}
    cells = np.zeros((len(voters), len(pictures), len(systems), len(systems)))
    for a in votes:
        cells[voters[a.voter], pictures[a.question.picture], place[a.chosen], place[a.other]] += 1
    return cells


def _voter(name: str, answers: Sequence[Answer]) -> Voter:
    mine = [a for a in answers if a.voter == name]
    checks = [a.chosen == TRUTH for a in mine if a.question.kind == "check"]
    said = {
        (frozenset((a.question.left, a.question.right)), a.question.picture): a.chosen
        for a in mine
        if a.question.kind == "pair"
    }
    again = [
        a.chosen == said[frozenset((a.question.left, a.question.right)), a.question.picture]
        for a in mine
        if a.question.kind == "again"
    ]
    return Voter(name, len(mine) - len(checks) - len(again), (sum(checks), len(checks)), (sum(again), len(again)))


def odds(interval: Interval) -> str:
    """``+0.42 [+0.11, +0.73]``."""
    return f"{interval.mean:+.2f} [{interval.low:+.2f}, {interval.high:+.2f}]"
