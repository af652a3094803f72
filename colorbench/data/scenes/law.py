r"""The color law: p(ab | L) of the scenes, exactly.

What can be seen in the gray picture of a scene fixes everything but the colors: the objects o = 1..n, the class k(o) of
each, a visible cue v(o) (a fire engine has a ladder) and the scene's context x (a low sun; fallen leaves). Given these,

    z        ~ pi(z | x)                          hidden latents of the scene: time of day, season, town
    m_o | z  ~ P_k,v(m | z),  P(m | z) proportional to w_m prod_{u in z or v} r_{m,u}        the mode of each object
    e_o      ~ N(0, sigma^2 I) cut at |e| <= R sigma                                          its own shade
    ab_p     = K_p (mu_m + e_o) + G_p delta_m,    o = the object at pixel p                   the picture

mu is the mode's color and delta the way it changes over the object (a sky, from zenith to horizon); K and G are maps
that belong to the gray picture: K_p = s_p gain_k(L_p), G_p = K_p g_p, where gain_k(L) <= 1 is the largest factor for
which EVERY color that class k may ever take lies inside sRGB at that lightness. L is drawn before any color, so it
cannot tell one color of a class from another. Where an anti-aliased pixel covers several objects its color is their
mean, in Lab.

So with q_o(m) = sum_z pi(z | x) P(m | z) everything has a closed form:

    p(c_1..c_n | L) = sum_z pi(z | x) prod_o sum_m P(m | z) f(c_o - mu_m)         (c_o = mu_m + e_o)
    f(e) = exp(-|e|^2 / 2 sigma^2) / (2 pi sigma^2 (1 - exp(-R^2 / 2))),   |e| <= R sigma
    E[ab_p | L] = sum_m q_o(m) (K_p mu_m + G_p delta_m)
    Var[e] = sigma^2 (1 - (R^2 / 2) / (exp(R^2 / 2) - 1))   for each of a*, b*

The objects depend on each other only through z: that is what a coherent coloring must get right.
"""

import functools
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from colorbench import color
from colorbench.errors import UserError
from colorbench.registry import suggest

CUT = 2.5  # R: the shade of an object lies within CUT * spread of its mode
LATENTS: Mapping[str, tuple[str, ...]] = {
    "time": ("day", "golden", "dusk"),
    "season": ("summer", "autumn", "spring"),
    "town": ("any", "warm", "cool"),
}


@dataclass(frozen=True)
class Mode:
    """One color that a class may take, in CIELAB units.

    ab: at g = 0. to: at g = 1 (None: the same). weight: w_m. ties: the factor r for each latent value or cue.
    """

    name: str
    ab: tuple[float, float]
    weight: float = 1.0
    ties: Mapping[str, float] | None = None
    to: tuple[float, float] | None = None


@dataclass(frozen=True)
class Kind:
    """A class of objects: its modes, and the spread sigma of an object's shade around them (CIELAB units)."""

    name: str
    modes: tuple[Mode, ...]
    spread: float = 3.0


def _only(weight: float = 0.0, **ties: float) -> dict[str, float]:
    """Ties: factor of each named value; every other value of the same latent has the factor ``weight``."""
    full = dict(ties)
    for values in LATENTS.values():
        if any(v in ties for v in values):
            full.update({v: weight for v in values if v not in ties})
    return full


_KINDS = (
    Kind("neutral", (Mode("neutral", (0.0, 0.0)),), 0.4),
    Kind(
        "sky",
        (
            Mode("blue", (-2.0, -36.0), ties=_only(day=1), to=(-6.0, -10.0)),
            Mode("golden", (3.0, -18.0), ties=_only(golden=1), to=(17.0, 44.0)),
            Mode("rose", (20.0, -28.0), ties=_only(dusk=1), to=(30.0, 6.0)),
        ),
        2.0,
    ),
    Kind(
        "sea",
        (
            Mode("blue", (-4.0, -34.0), 0.7, _only(day=1)),
            Mode("teal", (-24.0, -12.0), 0.3, _only(day=1)),
            Mode("copper", (22.0, 15.0), 1.0, _only(golden=1)),
            Mode("violet", (20.0, -24.0), 1.0, _only(dusk=1)),
        ),
    ),
    Kind(
        "hill",
        (
            Mode("green", (-20.0, 22.0), 1.0, {"golden": 0.2, "dusk": 0.1, "autumn": 0.15}),
            Mode("ochre", (12.0, 34.0), 1.0, {"day": 0.02, "dusk": 0.1, "golden": 1.0, "autumn": 6.0}),
            Mode("blue", (-2.0, -22.0), 0.15, {"dusk": 2.0}),
            Mode("violet", (18.0, -18.0), 1.0, {"day": 0.02, "golden": 0.15, "dusk": 1.0}),
        ),
    ),
    Kind(
        "meadow",
        (
            Mode("green", (-30.0, 38.0), 1.0, {"golden": 0.3, "autumn": 0.15}),
            Mode("olive", (-6.0, 42.0), 1.0, {"day": 0.03, "dusk": 0.1, "autumn": 2.0}),
            Mode("straw", (10.0, 40.0), 1.0, {"summer": 0.03, "spring": 0.02}),
        ),
    ),
    Kind(
        "foliage",
        (
            Mode("green", (-30.0, 34.0), 1.0, {"autumn": 0.2, "spring": 0.6}),
            Mode("yellow", (2.0, 48.0), 0.7, _only(autumn=1)),
            Mode("orange", (30.0, 46.0), 1.0, _only(autumn=1)),
            Mode("crimson", (44.0, 24.0), 0.6, _only(0.03, autumn=1)),
            Mode("blossom", (36.0, -4.0), 1.0, _only(spring=1)),
        ),
    ),
    Kind("conifer", (Mode("green", (-22.0, 18.0), 0.96), Mode("blue spruce", (-12.0, -12.0), 0.04))),
    Kind("leaf", (Mode("green", (-30.0, 36.0)),), 2.0),
    Kind("wood", (Mode("brown", (12.0, 26.0)),), 2.0),
    Kind("stone", (Mode("gray", (1.0, 2.0)),), 0.8),
    Kind("sand", (Mode("sand", (5.0, 24.0)),), 2.0),
    Kind(
        "wall",
        (
            Mode("cream", (3.0, 20.0), 1.0),
            Mode("rose", (26.0, 6.0), 1.0, {"warm": 2.0, "cool": 0.2}),
            Mode("blue", (-6.0, -24.0), 1.0, {"warm": 0.2, "cool": 2.0}),
            Mode("yellow", (2.0, 48.0), 1.0, {"warm": 2.0, "cool": 0.2}),
            Mode("mint", (-24.0, 10.0), 0.12, {"warm": 0.5, "cool": 2.0}),
        ),
    ),
    Kind(
        "roof",
        (
            Mode("tile red", (36.0, 30.0), 1.0, {"cool": 0.25}),
            Mode("slate blue", (-2.0, -22.0), 0.8, {"warm": 0.25}),
            Mode("copper green", (-26.0, 10.0), 0.2),
        ),
    ),
    Kind(
        "vehicle",
        (
            Mode("red", (58.0, 36.0), 1.0, {"fire engine": 60.0}),
            Mode("blue", (4.0, -46.0), 1.0),
            Mode("green", (-44.0, 34.0), 1.0),
            Mode("yellow", (6.0, 60.0), 1.0, {"taxi": 25.0}),
            Mode("violet", (40.0, -42.0), 0.15),
        ),
    ),
    Kind(
        "balloon",
        (
            Mode("orange", (44.0, 52.0)),
            Mode("magenta", (58.0, -20.0)),
            Mode("azure", (-6.0, -42.0)),
            Mode("green", (-44.0, 38.0)),
        ),
    ),
    Kind(
        "sail",
        (
            Mode("white", (0.0, 4.0), 2.0),
            Mode("red", (48.0, 26.0)),
            Mode("blue", (0.0, -34.0)),
            Mode("orange", (26.0, 48.0)),
        ),
    ),
    Kind(
        "flower",
        (
            Mode("magenta", (56.0, -16.0), 1.0),
            Mode("yellow", (6.0, 64.0), 1.0, {"autumn": 1.5}),
            Mode("violet", (34.0, -40.0), 1.0, {"autumn": 0.3, "spring": 1.5}),
            Mode("scarlet", (54.0, 44.0), 1.0),
            Mode("blue", (-2.0, -40.0), 0.12),
        ),
    ),
    Kind("apple", (Mode("red", (54.0, 34.0)), Mode("green", (-34.0, 44.0)), Mode("yellow", (4.0, 58.0), 0.5))),
    Kind("orange", (Mode("orange", (38.0, 58.0)),)),
    Kind("banana", (Mode("yellow", (4.0, 60.0), 0.93), Mode("green", (-26.0, 44.0), 0.07))),
    Kind("grapes", (Mode("violet", (28.0, -20.0)), Mode("green", (-24.0, 38.0)))),
    Kind("wool", (Mode("white", (1.0, 8.0)),), 1.0),
    Kind(
        "coat",
        (Mode("chestnut", (18.0, 30.0)), Mode("cream", (4.0, 18.0), 0.6), Mode("gray", (0.0, -3.0), 0.3)),
    ),
    Kind(
        "cloth",
        (
            Mode("blue", (2.0, -32.0)),
            Mode("red", (44.0, 22.0)),
            Mode("green", (-28.0, 16.0)),
            Mode("linen", (4.0, 22.0)),
        ),
    ),
    Kind(
        "plaster",
        (
            Mode("cream", (3.0, 24.0)),
            Mode("blue", (-4.0, -22.0), 0.7),
            Mode("sage", (-18.0, 14.0), 0.4),
            Mode("rose", (24.0, 6.0), 0.08),
        ),
    ),
    Kind("pottery", (Mode("terracotta", (26.0, 34.0)), Mode("glaze", (0.0, -32.0), 0.7))),
)


@dataclass(frozen=True)
class Level:
    """How hard the law is: pi(z | x) as factors per latent value, and how far a cue moves it.

    prior: weight of each latent value (absent: 0). cues: context -> factor on latent values. widen: factor on spreads.
    """

    name: str
    prior: Mapping[str, float]
    cues: Mapping[str, Mapping[str, float]]
    widen: float = 1.0
    crowd: float = 1.0


LevelName = Literal["simple", "standard", "hard"]
LEVELS = {
    level.name: level
    for level in (
        Level("simple", {"day": 1.0, "summer": 1.0, "any": 1.0}, {}, 0.7, 0.6),
        Level(
            "standard",
            {"day": 0.70, "golden": 0.18, "dusk": 0.12, "summer": 0.62, "autumn": 0.24, "spring": 0.14, "any": 1.0},
            {
                "low sun": {"day": 0.02, "golden": 3.0, "dusk": 1.5},
                "high sun": {"golden": 0.02, "dusk": 0.02},
                "litter": {"summer": 0.05, "autumn": 6.0, "spring": 0.05},
            },
        ),
        Level(
            "hard",
            {
                "day": 0.50,
                "golden": 0.28,
                "dusk": 0.22,
                "summer": 0.40,
                "autumn": 0.33,
                "spring": 0.27,
                "any": 0.2,
                "warm": 0.45,
                "cool": 0.35,
            },
            {"low sun": {"day": 0.3, "golden": 1.5}, "high sun": {"dusk": 0.5}, "litter": {"autumn": 3.0}},
            1.05,
            1.4,
        ),
    )
}

NAMES = tuple(kind.name for kind in _KINDS)
INDEX = {name: i for i, name in enumerate(NAMES)}
CONTEXTS = ("low sun", "high sun", "litter")
CUES = ("", "fire engine", "taxi")
WIDTH = max(len(kind.modes) for kind in _KINDS)


@dataclass(frozen=True)
class Seen:
    """What the law is conditioned on: classes k, cues v [n] of the objects, and the scene's context x."""

    classes: np.ndarray
    cues: np.ndarray
    context: frozenset[str]

    def __len__(self) -> int:
        return len(self.classes)


class Law:
    """The law of one level, as arrays. Colors in CIELAB units. Axes: z latents, k class, v cue, m mode.

    base, slope: [k m 2] mu and delta · spread: [k] · latents: the tuples z · rates: [z k v m] P(m | z) ·
    gain: [k 401] the chroma gain at L* = 0, 0.25, ... 100.
    """

    def __init__(self, level: str):
        if level not in LEVELS:
            raise UserError(f"data.level: unknown level {level!r}{suggest(level, list(LEVELS))}")
        self.level = LEVELS[level]
        self.base = np.zeros((len(_KINDS), WIDTH, 2), np.float32)
        self.slope = np.zeros_like(self.base)
        self.spread = np.array([kind.spread * self.level.widen for kind in _KINDS], np.float32)
        self.sizes = np.array([len(kind.modes) for kind in _KINDS])
        prior = self.level.prior
        self.latents = tuple(itertools.product(*([u for u in values if u in prior] for values in LATENTS.values())))
        self.rates = np.zeros((len(self.latents), len(_KINDS), len(CUES), WIDTH))
        for k, kind in enumerate(_KINDS):
            for m, mode in enumerate(kind.modes):
                self.base[k, m] = mode.ab
                self.slope[k, m] = np.subtract(mode.to or mode.ab, mode.ab)
                ties = mode.ties or {}
                for z, latent in enumerate(self.latents):
                    tied = math.prod(ties.get(u, 1.0) for u in latent)
                    for v, cue in enumerate(CUES):
                        self.rates[z, k, v, m] = mode.weight * tied * ties.get(cue, 1.0)
        self.rates /= self.rates.sum(-1, keepdims=True)
        self.gain = _gain(level, self.base, self.slope, self.spread, self.sizes)

    def prior(self, context: frozenset[str]) -> np.ndarray:
        """pi(z | x) [z]."""
        weights = [
            math.prod(
                self.level.prior[u] * math.prod(self.level.cues.get(c, {}).get(u, 1.0) for c in context) for u in z
            )
            for z in self.latents
        ]
        return np.array(weights) / sum(weights)

    def given(self, seen: Seen) -> tuple[np.ndarray, np.ndarray]:
        """pi(z | x) [z] and P(m | z) [z n m] of a scene's objects."""
        return self.prior(seen.context), self.rates[:, seen.classes, seen.cues]

    def marginal(self, seen: Seen) -> np.ndarray:
        """q_o(m) [n m]: how probable each mode of each object is."""
        prior, rates = self.given(seen)
        return np.einsum("z,znm->nm", prior, rates)

    def draw(self, seen: Seen, u: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
        """One draw from p(colors | L): the latent z, the modes [n] and the shades e [n 2].

        u: uniforms in [0, 1), at least 1 + 3 n of them.
        """
        n = len(seen)
        prior, rates = self.given(seen)
        z = pick(prior[None], u[:1])[0]
        modes = pick(rates[z], u[1 : 1 + n])
        return int(z), modes, self.shades(seen, u[1 + n : 1 + 3 * n])

    def shades(self, seen: Seen, u: np.ndarray) -> np.ndarray:
        """e [n 2] from 2 n uniforms: Box and Muller's transform, cut at CUT."""
        n = len(seen)
        radius = np.sqrt(-2.0 * np.log1p(-u[:n] * (1.0 - math.exp(-(CUT**2) / 2))))
        angle = 2.0 * np.pi * u[n : 2 * n]
        return ((self.spread[seen.classes] * radius)[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)).astype(
            np.float32
        )

    def log_modes(self, seen: Seen, modes: np.ndarray) -> float:
        """log p(m_1..m_n | L): minus infinity where the modes clash."""
        prior, rates = self.given(seen)
        with np.errstate(divide="ignore"):
            each = np.log(np.take_along_axis(rates, modes[None, :, None], 2)[..., 0]).sum(1) + np.log(prior)
        return float(np.logaddexp.reduce(each))

    def log_density(self, seen: Seen, colors: np.ndarray) -> float:
        """log p(c_1..c_n | L) of object colors c [n 2] = mu + e, in nats per CIELAB area each; may be -inf."""
        prior, rates = self.given(seen)
        sigma = self.spread[seen.classes][:, None].astype(float)
        square = ((colors[:, None] - self.base[seen.classes]) ** 2).sum(-1) / sigma**2  # [n m]
        norm = 2 * np.pi * sigma**2 * (1 - math.exp(-(CUT**2) / 2))
        f = np.where(square <= CUT**2 * (1 + 1e-6), np.exp(-square / 2), 0.0) / norm
        with np.errstate(divide="ignore"):
            each = np.log((rates * f).sum(-1)).sum(1) + np.log(prior)
        return float(np.logaddexp.reduce(each))

    def posterior(self, seen: Seen, modes: np.ndarray) -> np.ndarray:
        """p(z | m, x) [z]; modes of -1 are unknown. Zero everywhere when the known modes clash."""
        prior, rates = self.given(seen)
        known = np.flatnonzero(modes >= 0)
        joint = prior * np.prod(rates[:, known, modes[known]], axis=1)
        return joint / max(joint.sum(), 1e-300)

    @property
    def shade_variance(self) -> np.ndarray:
        """Var of each of a*, b* of e, for each class [k]."""
        half = CUT**2 / 2
        return self.spread**2 * (1 - half / math.expm1(half))

    def moments(self, seen: Seen) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Of each object: E[c] [n 2] and E[delta] [n 2]; Var[c] and Var over modes of delta [n 2] (per channel)."""
        q = self.marginal(seen)[..., None]
        base, slope = self.base[seen.classes], self.slope[seen.classes]
        mean, tilt = (q * base).sum(1), (q * slope).sum(1)
        spread = (q * base**2).sum(1) - mean**2 + self.shade_variance[seen.classes][:, None]
        return mean, tilt, spread, (q * slope**2).sum(1) - tilt**2

    def gains(self, classes: np.ndarray, L: np.ndarray) -> np.ndarray:
        """gain_k(L), for a class and a lightness per pixel (linear between the table's knots)."""
        at = np.clip(L, 0.0, 100.0) * 4.0
        low = np.minimum(at.astype(np.int32), 399)
        flat = classes.astype(np.int32) * self.gain.shape[1] + low
        table = self.gain.ravel()
        left = table[flat]
        return left + (at - low).astype(np.float32) * (table[flat + 1] - left)


@functools.cache
def law_of(level: str) -> Law:
    """The law of a level (made once)."""
    return Law(level)


def pick(rates: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Inverse transform for each row of rates [n m]: the first mode whose cumulative probability exceeds u [n]."""
    edges = np.cumsum(rates, axis=-1)
    last = rates.shape[-1] - 1 - (rates[:, ::-1] > 0).argmax(-1)
    return np.minimum((u[:, None] * edges[:, -1:] >= edges).sum(-1), last)


def _gain(level: str, base: np.ndarray, slope: np.ndarray, spread: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """For each class and lightness the largest factor <= 1 that keeps all its colors inside sRGB, by bisection."""
    lightness = torch.arange(0.0, 100.5, 2.0)
    circle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    rim = CUT * np.concatenate([np.zeros((1, 2)), np.stack([np.cos(circle), np.sin(circle)], -1)])
    table = np.zeros((len(base), 401), np.float32)
    for k in range(len(base)):
        at = np.linspace(0, 1, 5) if np.abs(slope[k]).any() else np.zeros(1)
        anchors = base[k, : sizes[k], None] + at[:, None] * slope[k, : sizes[k], None]
        ab = torch.from_numpy((anchors[..., None, :] + spread[k] * rim).reshape(-1, 2)).float()
        low, high = torch.zeros(len(ab), len(lightness)), torch.ones(len(ab), len(lightness))
        for _ in range(14):
            half = (low + high) / 2
            chroma = ab.T[:, :, None] * half
            rgb = color.lab_to_rgb(torch.cat([lightness.expand(1, len(ab), -1), chroma])[None])[0]
            inside = ((rgb >= 0.0) & (rgb <= 1.0)).all(0)
            low, high = torch.where(inside, half, low), torch.where(inside, high, half)
        knots = low.amin(0).numpy() * 0.985
        table[k] = np.interp(np.arange(401) / 4.0, lightness.numpy(), knots)
    return table
