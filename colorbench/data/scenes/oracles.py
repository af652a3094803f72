"""Oracles: what is best, and what is broken in a known way, on a world whose law is known.

Each oracle answers a scene with one coloring. Best in their sense:

    sample        a draw of the law: right in everything that a distribution has
    mean          E[ab | L], the ideal of the L2 loss            median  of each channel, the ideal of L1
    mode          the most probable mode of each object, the ideal classifier

Draws that are wrong in one way each:

    pixels        each pixel draws a mode of its object by itself: right frequencies, no object has one color
    patchwork     each cell of PATCH x PATCH px shows a draw of its own: right within every cell, wrong between them
    incoherent    each object draws by itself: right frequencies of each object, but scenes clash (violet sky, blue sea)
    uniform       every mode that is possible given z is equally likely
    collapsed     given z, always the most likely mode
    miscalibrated P(m | z)^(1/2), normalized: common modes too rare, rare ones too common
    rare_blind    modes with P(m | z) below RARE never come
"""

import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from colorbench.data.scenes.law import CUT, Law, Seen, pick
from colorbench.data.scenes.world import Scene

RARE = 0.08
DRAWN = ("sample", "incoherent", "uniform", "collapsed", "miscalibrated", "rare_blind")
FIXED = ("mean", "median", "mode")
ORACLES = ("sample", *FIXED, "pixels", "patchwork", *DRAWN[1:])
STOCHASTIC = (*DRAWN, "pixels", "patchwork")
PATCH = 8


def choose(oracle: str, law: Law, seen: Seen, u: np.ndarray) -> np.ndarray:
    """The modes [n] that an oracle of DRAWN draws. u: 1 + n uniforms."""
    return choose_all(oracle, law, seen, u[None])[0]


def choose_all(oracle: str, law: Law, seen: Seen, u: np.ndarray) -> np.ndarray:
    """Many draws at once: modes [K n] from uniforms [K, 1 + n or more]."""
    prior, rates = law.given(seen)
    k, n = len(u), len(seen)
    if oracle == "incoherent":
        chosen = np.broadcast_to(np.einsum("z,znm->nm", prior, rates), (k, *rates.shape[1:]))
    else:
        chosen = BENT[oracle](rates)[pick(np.broadcast_to(prior, (k, len(prior))), u[:, 0])]
    return pick(chosen.reshape(k * n, -1), u[:, 1 : 1 + n].reshape(-1)).reshape(k, n)


def answer(oracle: str, scene: Scene, u: np.ndarray) -> np.ndarray:
    """ab [2 size size] in CIELAB units. u: ``uniforms(oracle, scene)`` numbers in [0, 1)."""
    law, seen, n = scene.law, scene.seen, len(scene.classes)
    base, slope = law.base[seen.classes], law.slope[seen.classes]
    if oracle == "mean":
        mean, tilt, _, _ = law.moments(seen)
        return scene.paint(mean, tilt)
    if oracle == "median":
        return scene.paint_pixels(_medians(scene), np.zeros((2, 1, 1), np.float32))
    if oracle == "mode":
        return scene.color(law.marginal(seen).argmax(-1), np.zeros((n, 2), np.float32))
    if oracle == "patchwork":
        return _patchwork(scene, u.reshape(-1, 1 + 3 * n))
    shades = law.shades(seen, u[1 + n : 1 + 3 * n])
    if oracle == "pixels":
        fine = np.repeat(np.repeat(u[1 + 3 * n :].reshape(scene.size, scene.size), 2, 0), 2, 1)
        edges = np.cumsum(law.marginal(seen), axis=-1)
        edges[:, -1] = np.inf
        modes = (fine[..., None] >= edges[scene.objects]).sum(-1)
        color = base[scene.objects, modes] + shades[scene.objects]
        return scene.paint_pixels(np.moveaxis(color, -1, 0), np.moveaxis(slope[scene.objects, modes], -1, 0))
    return scene.color(choose(oracle, law, seen, u), shades)


def uniforms(oracle: str, objects: int, size: int) -> int:
    """How many uniform numbers :func:`answer` needs."""
    if oracle == "patchwork":
        return (1 + 3 * objects) * (-(-size // PATCH)) ** 2
    return 1 + 3 * objects + (size * size if oracle == "pixels" else 0)


def _patchwork(scene: Scene, u: np.ndarray) -> np.ndarray:
    """ab [2 size size]. u: 1 + 3 n uniforms for each cell, row by row."""
    law, seen, n = scene.law, scene.seen, len(scene.classes)
    modes = choose_all("sample", law, seen, u)  # [cells n]
    shades = np.stack([law.shades(seen, row[1 + n :]) for row in u])
    side, fine = len(scene.objects), PATCH * len(scene.objects) // scene.size
    index = np.arange(side) // fine
    cell = index[:, None] * (index[-1] + 1) + index
    mode, shade = modes[cell, scene.objects], shades[cell, scene.objects]
    classes = seen.classes[scene.objects]
    base, slope = law.base[classes, mode] + shade, law.slope[classes, mode]
    return scene.paint_pixels(np.moveaxis(base, -1, 0), np.moveaxis(slope, -1, 0))


def _flat(rates: np.ndarray) -> np.ndarray:
    return (rates > 0).astype(float)


def _peaked(rates: np.ndarray) -> np.ndarray:
    return (np.arange(rates.shape[-1]) == rates.argmax(-1, keepdims=True)).astype(float)


BENT: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "sample": lambda rates: rates,
    "uniform": _flat,
    "collapsed": _peaked,
    "miscalibrated": np.sqrt,
    "rare_blind": lambda rates: np.where(rates < RARE, 0.0, rates),
}


def _medians(scene: Scene) -> np.ndarray:
    """The median of each channel of c + g delta, per subpixel [2 side side].

    By bisection on the distribution function of the mixture; for classes that vary with g at 17 knots, linear between.
    """
    law, seen = scene.law, scene.seen
    q = law.marginal(seen)
    knots = np.linspace(0, 1, 17)
    at = law.base[seen.classes][:, None] + knots[None, :, None, None] * law.slope[seen.classes][:, None]  # n g m 2
    sigma = law.spread[seen.classes][:, None, None, None]
    low, high = at.min(2) - 3 * sigma[..., 0], at.max(2) + 3 * sigma[..., 0]
    for _ in range(24):
        middle = (low + high) / 2
        below = (q[:, None, :, None] * _cdf((middle[:, :, None] - at) / sigma)).sum(2) < 0.5
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    table = ((low + high) / 2).astype(np.float32)  # n g 2
    place = scene.blend * 16
    left = np.minimum(place.astype(np.int32), 15)
    share = (place - left)[..., None]
    values = table[scene.objects, left] * (1 - share) + table[scene.objects, left + 1] * share
    return np.moveaxis(values, -1, 0)


def _cdf(x: np.ndarray) -> np.ndarray:
    """Of one channel of a standard normal pair that is cut at radius CUT."""
    grid, values = _cdf_table()
    return np.interp(x, grid, values)


@functools.cache
def _cdf_table() -> tuple[np.ndarray, np.ndarray]:
    grid = np.linspace(-CUT, CUT, 801)
    radii = (np.arange(4000) + 0.5) / 4000 * CUT
    weight = radii * np.exp(-(radii**2) / 2)
    values = np.array([(weight * (1 - np.arccos(np.clip(x / radii, -1, 1)) / np.pi)).sum() for x in grid])
    return grid, values / weight.sum()
