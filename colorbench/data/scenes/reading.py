r"""Scores that only a world with a known color law allows: is a coloring's DISTRIBUTION right?

Reading. In a coloring x of a scene, object o has the color that fits its pure pixels best (those not on an
anti-aliased border), for each mode m of its class:

    e_m = sum_p K_p (x_p - K_p mu_m - G_p delta_m) / sum_p K_p^2
    r_m^2 = mean_p |x_p - K_p (mu_m + e_m) - G_p delta_m|^2

It shows the mode with the smallest |e_m|^2 + r_m^2, if |e_m| is less than half the distance between any two modes of
the class (for a class with a gradient, sqrt(|e_m|^2 + r_m^2)); otherwise it shows none (gray, sepia, a mixture).
Objects with too few colorable pixels are left out, by a rule that looks at the gray picture only.

Scores of n scenes with K colorings each, q_o(m) being the law's probability given the gray picture:

    tv            total variation of the frequencies of modes from the mean of q_o, per class; mean over classes with
                  more than one mode, weighted by objects ("none" counts as a mode of probability 0)
    tv_joint      the same for pairs of modes of two objects of one scene, over the pairs of classes that the law ties
    clash         share of colorings whose modes cannot occur together, though each one can: a violet sky on a blue sea
    calibration   mean |share of draws that show m - q_o(m)| over bins of q_o (the calibration curve's distance)
    rare          how often rare modes (q <= RARE) come, over how often they should: 1 is right, 0 is blind
    undecided     share of objects that show no mode
    incoherence   root mean square of r over pixels, CIELAB units: does an object have one color?
    off_law       share of pure pixels whose color no mode allows: farther than K_p R sigma + ROUNDING from all of them

tv, tv_joint and calibration of a finite sample are positive even for the law itself: their floor is what draws of the
law score at the same n and K (:func:`floor`).
"""

import functools
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from colorbench.data.scenes.law import CUT, NAMES, WIDTH, Law, Seen
from colorbench.data.scenes.oracles import choose_all
from colorbench.data.scenes.world import Scene

NONE = -1
ROUNDING = 2.0  # CIELAB units: what 8 bits and the gamut's edge may do to a pixel
FAINT = 0.3  # K below which a pixel's color says nothing
SMALL = 8.0  # sum of K^2 over an object's pure pixels below which it is left out
RARE = 0.08
TIED = 0.02  # total variation from independence above which a pair of objects counts for tv_joint
BINS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 1.0)


@dataclass(frozen=True)
class Reading:
    """What K colorings of one scene show.

    seen: the scene's objects. measured: int [n], those large enough. modes: int [K n] (NONE: no mode). residual: r
    [K n], CIELAB units. weight: pixels of each [n]. off: [K] share of pure pixels off the law.
    """

    law: Law
    seen: Seen
    measured: np.ndarray
    modes: np.ndarray
    residual: np.ndarray
    weight: np.ndarray
    off: np.ndarray


def read(scene: Scene, colorings: np.ndarray) -> Reading:
    """Read colorings [K 2 size size] (CIELAB units, best after rounding to 8 bits) of a scene."""
    law, classes = scene.law, scene.classes
    K, G = scene.maps
    flat = scene.pure.ravel()
    colored = (flat > 0) & (K.ravel() >= FAINT)  # object 0 has no color
    owner, k, g = flat[colored], K.ravel()[colored].astype(float), G.ravel()[colored].astype(float)
    x = np.moveaxis(colorings.reshape(len(colorings), 2, -1)[:, :, colored], 1, 2).astype(float)  # [K p 2]
    n = len(classes)
    power = np.bincount(owner, k * k, n)
    count = np.bincount(owner, minlength=n)
    measured = np.flatnonzero(power >= SMALL)
    base, slope = law.base[classes].astype(float), law.slope[classes].astype(float)
    usual = x[:, :, None] - k[:, None, None] * base[owner] - g[:, None, None] * slope[owner]  # [K p m 2]
    draws, modes = len(x), base.shape[1]
    shift = np.zeros((draws, n, modes, 2))
    np.add.at(shift, (slice(None), owner), k[:, None, None] * usual)  # type: ignore[arg-type]
    shift /= np.maximum(power, 1e-9)[:, None, None]
    rest = ((usual - k[:, None, None] * shift[:, owner]) ** 2).sum(-1)  # [K p m]
    spill = np.zeros((draws, n, modes))
    np.add.at(spill, (slice(None), owner), rest)  # type: ignore[arg-type]
    spill /= np.maximum(count, 1)[:, None]
    far = (shift**2).sum(-1) + spill * np.abs(slope).any((1, 2))[:, None]
    loss = far + spill + np.where(np.arange(modes) < law.sizes[classes][:, None], 0.0, np.inf)
    best = loss.argmin(-1)
    distance = np.sqrt(np.take_along_axis(far, best[..., None], -1)[..., 0])
    residual = np.sqrt(np.take_along_axis(spill, best[..., None], -1)[..., 0])
    known = np.where(distance <= reach(law)[classes], best, NONE)
    possible = law.marginal(scene.seen) > 0
    allowed = (np.sqrt((usual**2).sum(-1)) <= (k * CUT * law.spread[classes][owner] + ROUNDING)[:, None]) & possible[
        owner
    ]
    off = 1.0 - allowed.any(-1).mean(1) if len(owner) else np.zeros(draws)
    return Reading(
        law, scene.seen, measured, known[:, measured], residual[:, measured], count[measured].astype(float), off
    )


def reach(law: Law) -> np.ndarray:
    """How far from a mode an object's color may lie and still show it [k]: half the way to the nearest other mode."""
    radius = np.maximum(law.spread * (CUT + 1.0), 6.0).astype(float)
    for k, size in enumerate(law.sizes):
        if size > 1:
            ends = np.concatenate([law.base[k, :size], law.slope[k, :size]], -1)
            gaps = np.sqrt(((ends[:, None, :2] - ends[None, :, :2]) ** 2).sum(-1)) + 1e9 * np.eye(size)
            radius[k] = gaps.min() / 2
    return radius


@dataclass(frozen=True)
class LawScores:
    """See the module. rare_expected: how many draws of rare modes there should be. tv_of: per class. curve: (mean
    stated, actual, weight) of each bin of the calibration curve."""

    tv: float
    tv_joint: float
    clash: float
    calibration: float
    rare: float
    undecided: float
    incoherence: float
    off_law: float
    rare_expected: float = 0.0
    tv_of: dict[str, float] = field(default_factory=dict)
    curve: tuple[tuple[float, float, float], ...] = ()


NUMBERS = ("tv", "tv_joint", "clash", "calibration", "rare", "undecided", "incoherence", "off_law")
IDEAL = {"rare": 1.0}
"""Of a perfect sampler with endless draws; 0 for all others."""
Floor = dict[str, tuple[float, float, float]]
"""(mean, 2.5 %, 97.5 %) of each number."""


def score(readings: Sequence[Reading]) -> LawScores:
    """All scores of a set of scenes. Raises ValueError when nothing could be measured."""
    return _scores(readings[0].law, np.sum([_sums(reading) for reading in readings], axis=0))


def deviations(readings: Sequence[Reading], resamples: int = 200, seed: int = 0) -> dict[str, float]:
    """Standard error of each number, by a bootstrap over scenes."""
    sums = np.stack([_sums(reading) for reading in readings])
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=resamples)
    found = [_scores(readings[0].law, row) for row in weights @ sums]
    return {name: float(np.nanstd([getattr(f, name) for f in found], ddof=1)) for name in NUMBERS}


def simulate(
    seens: Sequence[tuple[Law, Seen, np.ndarray]], oracle: str, draws: int, rng: np.random.Generator
) -> list[Reading]:
    """Readings of an oracle that draws modes, without any picture. seens: (law, what is seen, measured objects)."""
    readings = []
    for law, seen, measured in seens:
        modes = choose_all(oracle, law, seen, rng.random((draws, 1 + len(seen))))[:, measured]
        zeros = np.zeros(modes.shape)
        readings.append(Reading(law, seen, measured, modes, zeros, np.ones(len(measured)), np.zeros(draws)))
    return readings


def floor(readings: Sequence[Reading], draws: int, repeats: int = 20, seed: int = 0) -> Floor:
    """What the law itself scores on these scenes with this many draws: (mean, 2.5 %, 97.5 %) of each number."""
    rng = np.random.default_rng(seed)
    seens = [(r.law, r.seen, r.measured) for r in readings]
    runs = [score(simulate(seens, "sample", draws, rng)) for _ in range(repeats)]
    table = {name: np.array([getattr(run, name) for run in runs]) for name in NUMBERS}
    return {
        name: (float(v.mean()), float(np.quantile(v, 0.025)), float(np.quantile(v, 0.975))) for name, v in table.items()
    }


def power(
    seens: Sequence[tuple[Law, Seen, np.ndarray]],
    oracles: Sequence[str],
    draws: int,
    repeats: int = 50,
    level: float = 0.01,
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    """How often each score tells each oracle from the law: {oracle: {score: share of repeats}}.

    A score says no when it lies outside the law's own central 1 - level quantiles, which 2 / level draws of the law
    set. "sample" among the oracles gives the false alarms.
    """
    names = ("tv", "tv_joint", "clash", "calibration", "rare")
    rng = np.random.default_rng(seed)
    null = [score(simulate(seens, "sample", draws, rng)) for _ in range(round(2 / level))]
    found: dict[str, dict[str, float]] = {}
    for oracle in oracles:
        runs = [score(simulate(seens, oracle, draws, rng)) for _ in range(repeats)]
        found[oracle] = {}
        for name in names:
            low, high = np.quantile([getattr(s, name) for s in null], [level / 2, 1 - level / 2])
            values = np.array([getattr(s, name) for s in runs])
            found[oracle][name] = float(((values < low - 1e-12) | (values > high + 1e-12)).mean())
    return found


@functools.cache
def _tied(law: Law) -> dict[tuple[int, int], int]:
    """Pairs of classes that depend on each other through z, numbered."""
    prior = law.prior(frozenset())
    found = [
        (k, j)
        for k in range(len(NAMES))
        for j in range(k, len(NAMES))
        if np.abs(_joint(prior, law.rates[:, k, 0], law.rates[:, j, 0])[1]).sum() / 2 >= TIED
    ]
    return {pair: i for i, pair in enumerate(found)}


def _joint(prior: np.ndarray, one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """p(m, m') of two objects, from their rates [z m], and how far it is from independence."""
    joint = np.einsum("z,zi,zj->ij", prior, one, other)
    return joint, joint - np.outer(prior @ one, prior @ other)


def _shapes(law: Law) -> dict[str, tuple[int, ...]]:
    pairs, kinds = len(_tied(law)), len(NAMES)
    return {
        "actual": (kinds, WIDTH + 1),
        "stated": (kinds, WIDTH),
        "bins": (len(BINS) - 1, 3),
        "rare": (2,),
        "clash": (2,),
        "square": (2,),
        "none": (2,),
        "off": (2,),
        "pair": (pairs, WIDTH + 1, WIDTH + 1),
        "law": (pairs, WIDTH, WIDTH),
    }


def _views(law: Law, flat: np.ndarray) -> dict[str, np.ndarray]:
    views, at = {}, 0
    for name, shape in _shapes(law).items():
        n = math.prod(shape)
        views[name] = flat[at : at + n].reshape(shape)
        at += n
    return views


def _sums(r: Reading) -> np.ndarray:
    """Everything that one scene adds to the scores, as one vector."""
    law = r.law
    flat = np.zeros(sum(math.prod(shape) for shape in _shapes(law).values()))
    to = _views(law, flat)
    to["off"] += [r.off.mean(), 1.0]
    if not len(r.measured):
        return flat
    seen = Seen(r.seen.classes[r.measured], r.seen.cues[r.measured], r.seen.context)
    prior, rates = law.given(seen)
    q = np.einsum("z,znm->nm", prior, rates)
    draws = len(r.modes)
    shown = (r.modes[..., None] == np.arange(WIDTH)).mean(0)  # [n m]
    to["square"] += [(r.residual**2 * r.weight).sum(), r.weight.sum() * draws]
    to["none"] += [(r.modes == NONE).sum(), r.modes.size]
    several = law.sizes[seen.classes] > 1
    np.add.at(to["actual"], seen.classes[several], np.c_[shown, 1 - shown.sum(1)][several])
    np.add.at(to["stated"], seen.classes[several], q[several])
    choice = several[:, None] & (np.arange(WIDTH) < law.sizes[seen.classes][:, None])
    which = np.clip(np.digitize(q[choice], BINS) - 1, 0, len(BINS) - 2)
    np.add.at(to["bins"], which, np.stack([q[choice], shown[choice], np.ones(choice.sum())], -1))
    rare = choice & (q > 0) & (q <= RARE)
    to["rare"] += [shown[rare].sum() * draws, q[rare].sum() * draws]
    for row in r.modes:
        o = np.flatnonzero(row >= 0)
        o = o[q[o, row[o]] > 1e-12]
        if len(o) > 1:
            to["clash"] += [(prior * rates[:, o, row[o]].prod(1)).sum() <= 0.0, 1.0]
    chosen: dict[int, list[int]] = defaultdict(list)
    for o in np.argsort(-r.weight, kind="stable"):
        if several[o] and len(chosen[seen.classes[o]]) < 2:
            chosen[seen.classes[o]].append(int(o))
    for (k, j), i in _tied(law).items():
        pair = chosen[k][:2] if k == j else chosen[k][:1] + chosen[j][:1]
        if len(pair) < 2:
            continue
        first, second = pair
        joint, tie = _joint(prior, rates[:, first], rates[:, second])
        if np.abs(tie).sum() / 2 >= TIED:
            np.add.at(to["pair"][i], (r.modes[:, first], r.modes[:, second]), 1.0 / draws)  # -1: the last row
            to["law"][i] += joint
    return flat


def _scores(law: Law, flat: np.ndarray) -> LawScores:
    s = _views(law, flat)
    if not s["none"][1]:
        raise ValueError("no object of these scenes is large enough to be read; use a larger data.size")
    objects = s["stated"].sum(1)
    distance = np.abs(s["actual"] - np.pad(s["stated"], ((0, 0), (0, 1)))).sum(1) / 2
    pairs = s["law"].sum((1, 2))
    apart = np.abs(s["pair"] - np.pad(s["law"], ((0, 0), (0, 1), (0, 1)))).sum((1, 2)) / 2
    bins = s["bins"][s["bins"][:, 2] > 0]
    stated, actual, weight = bins[:, 0] / bins[:, 2], bins[:, 1] / bins[:, 2], bins[:, 2] / max(bins[:, 2].sum(), 1e-9)
    return LawScores(
        tv=float(distance.sum() / objects.sum()) if objects.any() else 0.0,
        tv_joint=float(apart.sum() / pairs.sum()) if pairs.any() else 0.0,
        clash=float(s["clash"][0] / max(s["clash"][1], 1.0)),
        calibration=float((weight * np.abs(stated - actual)).sum()),
        rare=float(s["rare"][0] / s["rare"][1]) if s["rare"][1] else float("nan"),
        undecided=float(s["none"][0] / s["none"][1]),
        incoherence=float(np.sqrt(s["square"][0] / max(s["square"][1], 1e-9))),
        off_law=float(s["off"][0] / s["off"][1]),
        rare_expected=float(s["rare"][1]),
        tv_of={NAMES[k]: float(distance[k] / objects[k]) for k in np.flatnonzero(objects)},
        curve=tuple(zip(stated.tolist(), actual.tolist(), weight.tolist(), strict=True)),
    )
