"""The brushes: how the things of the world look in gray.

Each function paints one thing on the canvas. It is told the objects that its parts belong to (a house has a wall and a
roof) and where it stands; it knows nothing of color. Lightness is chosen so that a class can be told by its shape,
texture and place. ``light`` is the side the light comes from: -1 left, +1 right. Lengths are in canvas units.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from colorbench.data.scenes.canvas import Canvas, Window, fractal, noise, profile, smooth

NEUTRAL = 0  # the object of everything without a color: glass, tires, shadows


def sky(c: Canvas, obj: int, horizon: float, sun: tuple[float, float] | None, cover: float, seed: float) -> None:
    """A gradient from zenith to horizon, clouds in perspective, and perhaps the sun at (x, y)."""
    w = c.window(0, 0, 1, horizon + 0.03)
    t = np.clip(w.y / horizon, 0, 1)
    L = 62 + 22 * t
    sat: float | NDArray[np.float64] = 1.0
    if cover > 0:
        u, v = w.x * 2.6 + seed, (w.y / horizon) ** 1.3 * 4.5 + seed * 1.7
        n = fractal(u, v, 4)
        density = smooth(0.72 - 0.3 * cover, 0.98 - 0.3 * cover, n) * np.minimum(1.0, 2.2 - 1.8 * t)
        under = fractal(u, v + 0.22, 2)
        L = L + density * (93 - 16 * smooth(0.4, 0.75, under) - L)
        sat = 1 - 0.82 * density
    g = np.broadcast_to(smooth(0.15, 1.0, t), np.broadcast(w.x, w.y).shape)
    if sun:
        d = np.hypot(w.x - sun[0], w.y - sun[1])
        glow = np.exp(-d / 0.16)
        L = L + glow * (90 - L) * 0.8
        disc = smooth(0.052, 0.044, d)
        L = L + disc * (97 - L)
        g = np.maximum(g, np.exp(-d / 0.25))
    w.put(True, obj, L, sat, g)


def hills(c: Canvas, obj: int, base: float, height: float, L0: float, light: int, seed: float) -> None:
    """A ridge of hills or, when high, mountains; everything below the ridge."""
    w = c.window(0, base - height - 0.02, 1, 1)
    u = c.axis * 2.2 + seed
    fall = profile(u, int(seed * 7)) + 0.35 * profile(u * 2.7 + 5, int(seed * 5) + 9) + 0.1 * profile(u * 9 + 3, 5)
    ridge = base - height * fall[None] / 1.45
    slope = np.gradient(ridge[0])[None] * c.side
    depth = w.y - ridge
    L = (
        L0
        + np.clip(light * slope * 7, -7, 7)
        + 8 * (fractal(w.x * 14 + seed, w.y * 22, 3) - 0.5)
        + np.minimum(depth * 24, 7)
    )
    w.put(depth > 0, obj, L)


def meadow(c: Canvas, obj: int, top: float, seed: float) -> None:
    """Grass, from a gently rolling edge down to the viewer, finer with distance."""
    w = c.window(0, top - 0.05, 1, 1)
    edge = top - 0.035 * profile(c.axis * 1.7 + seed, int(seed * 3))[None]
    d = np.clip((w.y - top) / (1 - top), 0, 1)
    far = np.log(d + 0.12)
    tufts = (
        0.45 * noise(w.x * 93 + seed, far * 34)
        + 0.35 * noise(w.x * 46 + seed, far * 17)
        + 0.5 * noise(w.x * 21, far * 11 + seed) * d
    )
    patches = noise(w.x * 3 + seed, far * 3)
    w.put(w.y > edge, obj, 62 - 9 * d + 20 * (tufts - 0.42) + 9 * (patches - 0.5))


def sea(c: Canvas, obj: int, horizon: float, seed: float) -> None:
    """Water, from a straight horizon: long waves, closer together with distance."""
    w = c.window(0, horizon, 1, 1)
    d = (w.y - horizon) / (1 - horizon)
    far = np.log(d + 0.06)
    waves = noise(w.x * 7 + seed, far * 9 + seed) * 0.6 + noise(w.x * 19, far * 21 + seed) * 0.4
    crest = smooth(0.66, 0.84, waves)
    w.put(w.y >= horizon, obj, 61 - 15 * d + 9 * (waves - 0.5) + 17 * crest * (0.3 + d), 1 - 0.45 * crest)


def beach(c: Canvas, obj: int, top: float, slope: float, seed: float) -> None:
    """Sand along the bottom, with a wet edge and ripples."""
    w = c.window(0, top - abs(slope) - 0.05, 1, 1)
    edge = top + slope * (w.x - 0.5) + 0.03 * (profile(c.axis * 4 + seed, 11)[None] - 0.5)
    depth = w.y - edge
    ripple = noise(w.x * 9 + seed, w.y * 60) - 0.5
    w.put(depth > -0.012, obj, 92.0, 0.35)  # foam
    w.put(depth > 0, obj, 68 + 11 * smooth(0.0, 0.08, depth) + 6 * ripple + 4 * (noise(w.x * 50, w.y * 50) - 0.5))


def road(c: Canvas, obj: int, top: float, bottom: float) -> None:
    """A street across the picture, with a dashed line and curbs."""
    w = c.window(0, top, 1, bottom)
    w.put((w.y > top) & (w.y < bottom), obj, 44 + 5 * (noise(w.x * 70, w.y * 70) - 0.5) + 0 * w.x)
    h = bottom - top
    middle = top + 0.46 * h
    w.put((abs(w.y - middle) < 0.035 * h) & (np.mod(w.x * 5.5, 1) < 0.55), obj, 84.0)
    w.put((w.y < top + 0.1 * h) & (w.y > top), obj, 66 + 3 * np.sign(np.mod(w.x * 14, 1) - 0.06))


def tree(c: Canvas, crown: int, wood: int, x: float, base: float, h: float, light: int, blobs: np.ndarray) -> None:
    """A broad-leaved tree: a trunk and a crown of leafy balls, lit from one side."""
    trunk(c, wood, x, base, h * 0.6, h * 0.045, light)
    p, q, size = blobs[np.argsort(blobs[:, 1])[::-1]].T
    r = h * (0.15 + 0.10 * size)
    cx, cy = x + h * 0.30 * (2 * p - 1) * (1.1 - 0.55 * abs(2 * q - 1)), base - h * (0.50 + 0.34 * q)
    w = c.stack(cx - 1.25 * r, cy - 1.25 * r, cx + 1.25 * r, cy + 1.25 * r)
    p, q, r, cx, cy = (v[:, None, None] for v in (p, q, r, cx, cy))
    u, v = (w.x - cx) / r, (w.y - cy) / r
    leaves = noise(w.x * 3.2 / r + 9 * p, w.y * 3.2 / r) - 0.5
    where = u * u + v * v < 1 + 0.7 * leaves
    L = 47 + 9 * np.clip(light * u * 0.8 - v, -1.2, 1.2) + 15 * leaves + 4 * q
    for k in range(len(blobs)):
        w.put(k, where, crown, L)


def trunk(c: Canvas, wood: int, x: float, base: float, h: float, half: float, light: int) -> None:
    """An upright stem that widens at its foot."""
    w = c.window(x - 2 * half, base - h, x + 2 * half, base)
    t = (base - w.y) / h
    width = half * (0.75 + 0.6 * np.clip(0.25 - t, 0, 1) / 0.25)
    inside = (abs(w.x - x) < width) & (w.y < base) & (t < 1)
    w.put(inside, wood, 36 + 8 * light * (w.x - x) / half + 8 * (noise(w.x * 90, w.y * 14) - 0.5))


def conifer(c: Canvas, obj: int, wood: int, x: float, base: float, h: float, light: int) -> None:
    """A fir: tiers of hanging branches."""
    trunk(c, wood, x, base, h * 0.2, h * 0.035, light)
    w = c.window(x - 0.3 * h, base - h, x + 0.3 * h, base - 0.08 * h)
    t = (w.y - (base - h)) / (0.92 * h)
    tier = np.mod(t * 4.6, 1.0)
    half = h * 0.26 * (0.72 * t + 0.28 * tier * np.sqrt(np.clip(t, 0, 1)))
    u = (w.x - x) / (half + 1e-4)
    needles = noise(w.x * 8 / h, w.y * 22 / h) - 0.5
    L = 37 + 8 * light * np.clip(u, -1, 1) + 7 * (0.6 - tier) + 12 * needles
    w.put((abs(u) < 1 + 0.5 * needles) & (t > 0) & (t < 1), obj, L)


def house(
    c: Canvas,
    wall: int,
    roof: int,
    door: int,
    x: float,
    base: float,
    w_: float,
    h: float,
    storeys: int,
    style: int,
    light: int,
) -> None:
    """Wall, roof, windows with frames, a door. style: 0 gable to the front, 1 roof along, 2 flat with a cornice."""
    left, right, top = x - w_ / 2, x + w_ / 2, base - h
    rise = (0.42, 0.34, 0.07)[style] * w_
    w = c.window(left - 0.1 * w_, top - rise - 0.06, right + 0.1 * w_, base)
    u = (w.x - left) / w_
    inside = (u > 0) & (u < 1) & (w.y < base)
    body = inside & (w.y > top)
    if style == 0:
        body = inside & (w.y > top - rise * (1 - abs(2 * u - 1)))
    courses = np.mod((w.y - top) * 26, 1.0) < 0.13
    L = 77 + 4 * light * (2 * u - 1) - 4 * courses + 3 * (noise(w.x * 60, w.y * 60) - 0.5)
    w.put(body, wall, L)
    if style == 0:
        lip = (w.y - (top - rise * (1 - abs(2 * u - 1)))) / w_
        rim = (abs(2 * u - 1) < 1.14) & (lip < 0.075) & (lip > -0.075)
        w.put(rim & (w.y < base - 0.1 * h), roof, 45 + 6 * light * np.sign(u - 0.5))
    elif style == 1:
        t = (w.y - (top - rise)) / rise
        chimney = (abs(u - 0.76) < 0.05) & (t > -0.35) & (t < 0.6)
        w.put(chimney, wall, 70.0)
        slant = (u > -0.07 + 0.16 * (1 - t)) & (u < 1.07 - 0.16 * (1 - t)) & (t > 0) & (t < 1)
        rows = np.mod(t * 6, 1.0)
        bond = np.mod(u * 11 + 0.5 * np.floor(t * 6), 1.0) < 0.12
        w.put(slant, roof, 49 - 9 * (rows > 0.8) - 5 * bond + 4 * light * (u - 0.5))
    else:
        w.put((abs(u - 0.5) < 0.54) & (w.y > top - rise) & (w.y < top), roof, 50.0)
    _openings(w, door, left, top, base, w_, h, storeys)


def _openings(w: Window, door: int, left: float, top: float, base: float, w_: float, h: float, storeys: int) -> None:
    """The windows of a wall in rows and columns, each with a frame, a cross and a reflection, and the door."""
    columns = max(2, round(w_ / 0.085))
    rx, ry = 0.25 * w_ / columns, 0.27 * h / storeys
    across = w.x - _column([left + w_ * (k + 0.5) / columns for k in range(columns)])  # [columns w], from each center
    down = w.y.T - _column([top + h * (row + 0.42) / storeys for row in range(storeys)])  # [storeys h]
    there = np.ones((storeys, columns), bool)
    there[-1, columns // 2] = False
    x, y = across[columns // 2], down[-1][:, None]
    w.put(
        (abs(x) < rx) & (w.y > top + h * (storeys - 1 + 0.42) / storeys - ry * 0.7) & (w.y < base),
        door,
        42 + 6 * (abs(x) < 0.6 * rx),
    )
    w.put((abs(down) < ry * 1.18).T @ there @ (abs(across) < rx * 1.25), NEUTRAL, 92.0)
    x_inside = (abs(across) < rx) & (abs(across) > 0.1 * rx)
    y_inside = (abs(down) < ry) & (abs(down + 0.2 * ry) > 0.08 * ry)
    x = np.take_along_axis(across, x_inside.argmax(0)[None], 0)
    y = np.take_along_axis(down, y_inside.argmax(0)[None], 0)
    w.put(y_inside.T @ there @ x_inside, NEUTRAL, 38 + 18 * (x - y.T > 0))


def _column(numbers: Sequence[float]) -> NDArray[np.float32]:
    return np.array(numbers, np.float32)[:, None]


def vehicle(c: Canvas, body: int, x: float, base: float, s: float, face: int, style: str) -> None:
    """A car, taxi, bus, van or fire engine of length s, driving to the side ``face``."""
    tall = {"car": 0.40, "taxi": 0.46, "van": 0.52, "bus": 0.50, "fire engine": 0.52}[style]
    w = c.window(x - 0.56 * s, base - tall * s - 0.08 * s, x + 0.56 * s, base + 0.04 * s)
    u, v = face * (w.x - x) / s, (base - w.y) / s
    w.shade((u / 0.54) ** 2 + ((v + 0.01) / 0.035) ** 2 < 1, 0.62)
    low, belt, roof = 0.085, 0.235, tall - (0.06 if style in ("taxi", "fire engine") else 0.0)
    gloss = 9 * smooth(0.1, 0.22, v) - 11 * smooth(0.15, 0.09, v) + 10 * (abs(v - belt * 0.86) < 0.012)
    if style in ("car", "taxi"):
        front, back = 0.22 - 0.8 * (v - belt), -0.36 + 0.55 * (v - belt)
        cabin = (v > belt - 0.03) & (v < roof) & (u < front) & (u > back)
        hull = (
            (v > low)
            & (v < belt + 0.02 - 0.5 * np.clip(abs(u) - 0.4, 0, 1))
            & (abs(u) < 0.5 - 0.5 * np.clip(v - 0.19, 0, 1))
        )
        w.put(cabin | hull, body, 52 + gloss + 5 * (v > roof - 0.03))
        pane = (
            (v > belt + 0.015) & (v < roof - 0.035) & (u < front - 0.045) & (u > back + 0.045) & (abs(u + 0.06) > 0.014)
        )
        w.put(pane, NEUTRAL, 30 + 22 * (u + 0.7 * v > 0.12))
        if style == "taxi":
            w.put((abs(u + 0.06) < 0.07) & (v > roof) & (v < tall), NEUTRAL, 93.0)
            w.put((abs(v - 0.17) < 0.018) & (abs(u) < 0.47) & (np.mod(np.floor(u * 28), 2) == 0), NEUTRAL, 22.0)
    else:
        nose = {"van": 0.30, "bus": 0.02, "fire engine": 0.05}[style]
        hull = (v > low) & (v < roof) & (u > -0.5) & (u < 0.5 - nose * np.clip(v - 0.26, 0, 1) * 2)
        w.put(hull, body, 52 + gloss + 6 * (v > roof - 0.025))
        if style == "bus":
            panes = (v > 0.27) & (v < 0.42) & (abs(u) < 0.46) & (np.mod((u + 0.5) * 6, 1) > 0.14)
            w.put((abs(v - 0.225) < 0.014) & (abs(u) < 0.495), NEUTRAL, 88.0)
        elif style == "van":
            panes = (v > 0.28) & (v < 0.43) & (u > 0.10) & (u < 0.40 - 0.55 * (v - 0.28)) & (abs(u - 0.2) > 0.012)
        else:
            panes = (v > 0.27) & (v < 0.40) & (u > 0.22) & (u < 0.46) & (abs(u - 0.34) > 0.012)
            rungs = (
                (u > -0.48)
                & (u < 0.36)
                & (
                    (abs(v - roof - 0.045) < 0.008)
                    | (abs(v - roof - 0.005) < 0.01)
                    | ((np.mod(u * 16, 1) < 0.25) & (v > roof) & (v < roof + 0.045))
                )
            )
            w.put(rungs, NEUTRAL, 80.0)
            w.put((u > -0.44) & (u < 0.16) & (abs(v - 0.26) < 0.05), NEUTRAL, 84 - 16 * (np.mod(u * 12, 1) < 0.2))
        w.put(panes, NEUTRAL, 30 + 22 * (np.mod(u * 3 + v * 3, 1) > 0.6))
    w.put((u > 0.455) & (abs(v - 0.185) < 0.022) & (u < 0.495), NEUTRAL, 95.0)
    for wheel in (-0.29, 0.29):
        d = np.hypot(u - wheel, v - 0.085)
        w.put(d < 0.093, NEUTRAL, 16 + 6 * (d < 0.075))
        w.put(d < 0.045, NEUTRAL, 74 - 24 * (d < 0.018))


def balloon(c: Canvas, obj: int, wood: int, x: float, y: float, r: float, light: int, gores: int) -> None:
    """A hot-air balloon with pale and colored gores and a basket."""
    w = c.window(x - r, y - r, x + r, y + 1.9 * r)
    u, v = (w.x - x) / r, (w.y - y) / r
    half = np.where(v < 0, np.sqrt(np.clip(1 - v * v, 0, 1)), np.clip(1 - 0.60 * np.clip(v, 0, 2) ** 1.6, 0.0, 1))
    inside = (abs(u) < half) & (v < 1.25) & (v > -1)
    around = np.arcsin(np.clip(u / (half + 1e-3), -1, 1)) / np.pi
    pale = np.mod(np.floor((around + 0.5) * gores), 2) == 1
    L = 63 + 11 * np.clip(0.7 * light * u - 0.6 * v, -1, 1) + 9 * pale
    w.put(inside, obj, L, np.where(pale, 0.3, 1.0))
    w.put((abs(abs(u) - 0.16) < 0.03) & (v > 1.2) & (v < 1.55), wood, 40.0)
    w.put((abs(u) < 0.2) & (v > 1.5) & (v < 1.8), wood, 42 - 6 * (np.mod(v * 12, 1) < 0.4))


def boat(c: Canvas, sail: int, hull: int, x: float, y: float, s: float, face: int) -> None:
    """A sailing boat: hull at the water line y, mast, main sail and jib."""
    w = c.window(x - 0.6 * s, y - 1.3 * s, x + 0.6 * s, y + 0.2 * s)
    u, v = face * (w.x - x) / s, (y - w.y) / s
    w.put((abs(u) < 0.5 - 0.0 * v) & (v < 0.04) & (v > -0.13) & (abs(u) < 0.36 + 0.9 * (v + 0.13)), hull, 50 - 40 * v)
    w.put((abs(u + 0.02) < 0.016) & (v > 0) & (v < 1.22), hull, 34.0)
    seams = np.mod(v * 6, 1.0) < 0.1
    w.put((v > 0.12) & (u < 0.0) & (u > -0.42 * (1.2 - v) / 1.08), sail, 75 - 6 * seams + 8 * u)
    w.put((v > 0.10) & (u > 0.03) & (u < 0.36 * (1.05 - v) / 0.95), sail, 81 - 5 * seams)


def flowers(
    c: Canvas,
    petals: int,
    leaf: int,
    x: Sequence[float],
    y: Sequence[float],
    r: Sequence[float],
    base: float,
    style: int,
    turn: Sequence[float],
    light: int,
) -> None:
    """Blossoms of radius r at (x, y), each on a stem down to ``base``: 0 daisy, 1 five broad petals, 2 tulip."""
    at, high, size = np.array(x), np.array(y), np.array(r)
    stem = c.stack(np.minimum(at - 0.7 * size, at - 0.02), high, np.maximum(at + 0.7 * size, at + 0.02), base)
    w = c.stack(at - 1.1 * size, high - 1.1 * size, at + 1.1 * size, high + 1.1 * size)
    s = (stem.y - _each(high)) / _each(np.maximum(base - high, 1e-3))
    bend = _each(at) + _each(0.25 * size) * np.sin(3 * s + _each(turn))
    swell = np.sin(np.pi * np.clip(s * 1.6 - 0.5, 0, 1))
    off = stem.x - bend
    stalk = (abs(off) < _each(0.075 * size)) & (stem.y < base) & (s > 0)
    blade = (abs(off - _each(0.55 * size) * swell * 0.6) < _each(0.16 * size) * swell) & (s > 0) & (s < 1)
    stalk_L, blade_L = 46 + 6 * light * np.sign(off), 52 + 8 * light * np.sign(off - _each(0.2 * size))
    u, v = (w.x - _each(at)) / _each(size), (w.y - _each(high)) / _each(size)
    blossom = (_tulip if style == 2 else partial(_daisy, style=style, turn=_each(turn)))(u, v, light=light)
    if style != 2:
        heart = np.hypot(u, v) < 0.26
        heart_L = (34.0, 40.0)[style] + 14 * (noise(w.x * 9 / _each(size), w.y * 9 / _each(size)) - 0.3)
    for k in range(len(at)):
        stem.put(k, stalk, leaf, stalk_L)
        stem.put(k, blade, leaf, blade_L)
        w.put(k, blossom[0], petals, blossom[1])
        if style != 2:
            w.put(k, heart, NEUTRAL, heart_L)


def _tulip(u: np.ndarray, v: np.ndarray, light: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the cup of a tulip is, and its lightness; u, v: from its center, in radii."""
    cup = (
        (v < 0.75)
        & (v > -0.75 + 0.42 * abs(np.mod(u * 2.2 + 0.5, 1) - 0.5) * 2)
        & (abs(u) < 0.62 * np.sqrt(np.clip(1 - ((v - 0.1) / 0.95) ** 4, 0, 1)))
    )
    fold = abs(np.mod(u * 2.2, 1) - 0.5)
    return cup, 63 + 7 * light * u - 5 * v + 12 * (fold - 0.25)


def _daisy(u: np.ndarray, v: np.ndarray, light: int, style: int, turn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same of eleven narrow petals (style 0) or five broad ones (style 1)."""
    d, around = np.hypot(u, v), np.arctan2(v, u) + turn
    count, deep = ((11, 0.22), (5, 0.30))[style]
    wave = np.cos(count * around)
    L = 69 + 8 * light * u - 5 * v - 10 * smooth(0.55, 0.2, d) + 5 * wave - 9 * (wave < -0.9)
    return d < 1 - deep + deep * wave, L


def _each(numbers: Sequence[float] | np.ndarray) -> NDArray[np.float32]:
    """One number for each window of a stack: float32 [n 1 1]."""
    return np.asarray(numbers, np.float32)[:, None, None]


def ball(c: Canvas, obj: int, x: float, y: float, r: float, light: int, style: str) -> None:
    """A round fruit on a table: apple (stem, dimple) or orange (pores)."""
    w = c.window(x - 1.15 * r, y - 1.35 * r, x + 1.15 * r, y + 1.2 * r)
    u, v = (w.x - x) / r, (w.y - y) / r
    w.shade(((u + 0.25 * light) / 1.15) ** 2 + ((v - 0.9) / 0.28) ** 2 < 1, 0.7)
    d2 = u * u + v * v * (1.12 if style == "apple" else 1.0)
    if style == "apple":
        d2 = d2 + 0.16 * np.exp(-((u / 0.25) ** 2)) * (v < 0)
    L, shine = _round(u, v, d2, light)
    if style == "orange":
        L = L + 11 * (noise(w.x * 5.5 / r, w.y * 5.5 / r) - 0.5)
    else:
        L = L + 5 * (noise(w.x * 7 / r, w.y * 1.2 / r) - 0.5)
    w.put(d2 < 1, obj, L, 1 - 0.5 * shine)
    if style == "apple":
        w.put((abs(u - 0.12 * (-0.8 - v)) < 0.055) & (v < -0.72) & (v > -1.22), NEUTRAL, 24.0)
    else:
        w.put(np.hypot(u - 0.1 * light, v + 0.62) < 0.09, NEUTRAL, 36.0)


def _round(u: np.ndarray, v: np.ndarray, d2: np.ndarray, light: int) -> tuple[np.ndarray, np.ndarray]:
    """The lightness of a smooth ball with a highlight, and the highlight's strength."""
    z = np.sqrt(np.clip(1 - d2, 0, 1))
    lit = np.clip(0.45 * light * u - 0.5 * v + 0.75 * z, 0, 1.2)
    shine = smooth(0.32, 0.1, np.hypot(u - 0.34 * light, v + 0.42))
    return 33 + 29 * lit + 22 * shine, shine


def grapes(c: Canvas, obj: int, x: float, y: float, r: float, light: int) -> None:
    """A bunch of grapes."""
    rows = ((row, k, count) for row, count in enumerate((4, 5, 4, 3, 2, 1)) for k in range(count))
    centers = [(x + r * 0.46 * (k - (count - 1) / 2), y - r + row * 0.38 * r) for row, k, count in rows]
    at, high = np.array(centers).T
    r = 0.27 * r
    w = c.stack(at - 1.15 * r, high - 1.35 * r, at + 1.15 * r, high + 1.2 * r)
    u, v = (w.x - _each(at)) / r, (w.y - _each(high)) / r
    d2 = u * u + v * v
    L, shine = _round(u, v, d2, light)
    for k in range(len(centers)):
        w.put(k, d2 < 1, obj, L, 1 - 0.5 * shine)


def banana(c: Canvas, obj: int, x: float, y: float, r: float, face: int) -> None:
    """A banana: a crescent with ridges and dark tips."""
    w = c.window(x - 1.5 * r, y - r, x + 1.5 * r, y + 0.9 * r)
    u, v = face * (w.x - x) / r, (w.y - y) / r
    ring = np.hypot(u, v + 1.1) - 1.45
    thick = 0.27 * np.sqrt(np.clip(1 - (u / 1.32) ** 4, 0, 1))
    w.shade((u / 1.2) ** 2 + ((v - 0.62) / 0.2) ** 2 < 1, 0.72)
    inside = (abs(ring) < thick) & (v + 1.1 > 0.45)
    w.put(inside, obj, 67 - 24 * np.clip(ring, -0.3, 0.3) - 7 * (abs(ring - 0.06) < 0.025))
    w.put(inside & (abs(u) > 1.2), NEUTRAL, 28.0)


def animal(c: Canvas, coat: int, x: float, base: float, s: float, face: int, style: str, spots: float) -> None:
    """A sheep, a cow (with pale patches) or a horse, standing; s is its length."""
    w = c.window(x - 0.75 * s, base - 1.05 * s, x + 0.75 * s, base + 0.05 * s)
    u, v = face * (w.x - x) / s, (base - w.y) / s
    w.shade((u / 0.5) ** 2 + (v / 0.05) ** 2 < 1, 0.75)
    legs = (v < 0.42) & (v > 0) & ((abs(abs(u) - 0.30) < 0.035) | (abs(abs(u) - 0.20) < 0.03))
    fleece = noise(w.x * 6.5 / s, w.y * 6.5 / s) - 0.5
    if style == "sheep":
        w.put(legs, NEUTRAL, 26.0)
        w.put((u / 0.44) ** 2 + ((v - 0.48) / 0.27) ** 2 < 1 + 0.7 * fleece, coat, 84 + 20 * fleece + 14 * (v - 0.5))
        w.put(((u - 0.45) / 0.12) ** 2 + ((v - 0.60) / 0.15) ** 2 < 1, NEUTRAL, 27 + 14 * (v > 0.66))
        return
    neck = 0.86 if style == "horse" else 0.74
    body = (u / 0.45) ** 2 + ((v - 0.53) / 0.185) ** 2 < 1
    throat = (abs(u - 0.36 - 0.35 * (v - 0.55)) < 0.085) & (v > 0.5) & (v < neck)
    head = ((u - 0.53) / 0.15) ** 2 + ((v - neck + 0.02 + 0.35 * (u - 0.5)) / 0.075) ** 2 < 1
    ear = (abs(u - 0.44) < 0.03) & (v > neck) & (v < neck + 0.1)
    pale = (noise(w.x * 3.0 / s + spots, w.y * 3.0 / s + spots) > 0.58) & (style == "cow")
    L = 50 + 26 * (v - 0.5) + 8 * fleece + 28 * pale
    w.put(legs | body | throat | head | ear, coat, L, np.where(pale, 0.15, 1.0))
    if style == "horse":
        w.put((abs(u - 0.27 - 0.35 * (v - 0.55)) < 0.04) & (v > 0.55) & (v < neck + 0.04), NEUTRAL, 20.0)
    w.put(
        (abs(u + 0.45) < 0.028) & (v < 0.62) & (v > 0.22),
        NEUTRAL if style == "horse" else coat,
        24.0 if style == "horse" else 46.0,
    )


def wall_paper(c: Canvas, obj: int, bottom: float, light: int, style: int) -> None:
    """A room's wall behind a table: plain, striped or paneled, lit from one side."""
    w = c.window(0, 0, 1, bottom + 0.02)
    L = 66 + 9 * light * (w.x - 0.5) - 6 * w.y + 3 * (noise(w.x * 8, w.y * 8) - 0.5)
    if style == 1:
        L = L + 4 * np.sign(np.mod(w.x * 9, 1) - 0.5)
    elif style == 2:
        L = L - 7 * ((np.mod(w.x * 3.3 + 0.2, 1) < 0.04) | (abs(w.y - 0.12) < 0.008))
    w.put(True, obj, L)


def table(c: Canvas, obj: int, top: float, style: int, seed: float) -> None:
    """A table top in perspective: style 0 checked cloth, 1 striped cloth, 2 boards."""
    w = c.window(0, top, 1, 1)
    d = (w.y - top) / (1 - top)
    u = (w.x - 0.5) / (0.55 + 0.6 * d)
    if style == 2:
        L = 52 + 8 * d + 10 * (noise(w.x * 5 + seed, w.y * 40) - 0.5) - 8 * (np.mod(d * 3.2, 1) < 0.05)
        sat: float | NDArray[np.float64] = 1.0
    else:
        a = np.mod(u * 6 + seed, 1) < 0.5
        b = np.mod(np.log(d + 0.35) * 5.2, 1) < 0.5
        pale = (a ^ b) if style == 0 else a & (b | True)
        L = 58 + 20 * pale + 6 * d + 3 * (noise(w.x * 60, w.y * 60) - 0.5)
        sat = np.where(pale, 0.22, 1.0)
    w.put(w.y >= top, obj, L, sat)


def vase(c: Canvas, obj: int, x: float, base: float, h: float, light: int) -> None:
    """A bellied vase."""
    w = c.window(x - 0.5 * h, base - h, x + 0.5 * h, base + 0.06 * h)
    t = (base - w.y) / h
    w.shade(((w.x - x + 0.1 * light * h) / (0.48 * h)) ** 2 + (t / 0.05) ** 2 < 1, 0.7)
    half = h * (0.17 + 0.17 * np.sin(np.pi * np.clip(t * 1.15, 0, 1)) + 0.06 * smooth(0.86, 1.0, t))
    u = (w.x - x) / half
    band = abs(np.mod(t * 5, 1) - 0.5) < 0.07
    L = (
        36
        + 26 * np.sqrt(np.clip(1 - (u - 0.35 * light) ** 2 * 0.62, 0, 1))
        + 20 * smooth(0.2, 0.05, abs(u - 0.4 * light)) * (t > 0.3) * (t < 0.8)
    )
    w.put((abs(u) < 1) & (t > 0) & (t < 1), obj, L + 9 * band)


def bowl(c: Canvas, obj: int, x: float, base: float, r: float, light: int) -> None:
    """A bowl, seen from the side; fruit is painted before it."""
    w = c.window(x - r, base - 0.62 * r, x + r, base + 0.06 * r)
    u, t = (w.x - x) / r, (base - w.y) / (0.6 * r)
    half = np.sqrt(np.clip(1 - (1 - np.clip(t, 0, 1)) ** 2, 0, 1)) * 0.72 + 0.28
    L = 40 + 24 * np.sqrt(np.clip(1 - 0.7 * (u - 0.4 * light) ** 2, 0, 1)) + 10 * (t > 0.88)
    w.put((abs(u) < half) & (t > 0) & (t < 1), obj, L)


def litter(c: Canvas, obj: int, top: float, spots: np.ndarray) -> None:
    """Fallen leaves on the ground."""
    x, q, size = spots.T
    d = q * q * 0.9 + 0.06
    y, r = top + (1 - top) * d, (0.008 + 0.016 * d) * (0.7 + 0.6 * size)
    w = c.stack(x - r, y - r, x + r, y + r)
    x, y, r, size = (v[:, None, None] for v in (x, y, r, size))
    u, v = (w.x - x) / r, (w.y - y) / (0.6 * r)
    where, L = u * u + v * v < 1, 60 + 10 * size + 8 * u
    for k in range(len(spots)):
        w.put(k, where, obj, L)


def parasol(c: Canvas, obj: int, wood: int, x: float, base: float, h: float, light: int) -> None:
    """A beach parasol with pale and colored panels."""
    w = c.window(x - 0.55 * h, base - h, x + 0.55 * h, base)
    u, t = (w.x - x) / (0.52 * h), (base - w.y) / h
    w.shade((u / 0.8) ** 2 + (t / 0.05) ** 2 < 1, 0.78)
    w.put((abs(u) < 0.03) & (t > 0) & (t < 0.8), wood, 40.0)
    top = 0.62 + 0.36 * np.sqrt(np.clip(1 - u * u, 0, 1))
    sag = 0.62 + 0.03 * abs(np.sin(u * np.pi * 2.5))
    pale = np.mod(np.floor((np.arcsin(np.clip(u, -1, 1)) / np.pi + 0.5) * 7), 2) == 1
    w.put((t < top) & (t > sag) & (abs(u) < 1), obj, 62 + 10 * light * u + 14 * pale, np.where(pale, 0.25, 1.0))
