"""The canvas: what an object is made of before it has a color.

A scene is painted back to front on a square of ``side`` x ``side`` subpixels. Each subpixel holds the object it belongs
to, its lightness L*, a saturation s in [0, 1] (a cloud is paler than the sky it belongs to) and a blend g in [0, 1]
along the object. Coordinates run over [0, 1] from the top left, so a scene is the same at every resolution.

Noise is value noise (Perlin 1985's lattice, with a smooth fade) on one periodic lattice of the world; it is evaluated
separably, so a full frame costs a few operations. Every number is elementwise: no reduction whose order could depend on
threads.
"""

import numpy as np

Mask = np.ndarray | bool
Values = np.ndarray | float
_LATTICE = np.random.Generator(np.random.Philox(key=20)).random((64, 64)).astype(np.float32)


class Dice:
    """Uniform numbers of one scene: only raw doubles, whose stream NumPy keeps fixed for ever."""

    def __init__(self, key: int):
        self._random = np.random.Generator(np.random.Philox(key=key)).random

    def __call__(self, low: float = 0.0, high: float = 1.0) -> float:
        """One number from low to high."""
        return low + (high - low) * self._random()

    def chance(self, p: float) -> bool:
        """True with probability p."""
        return self._random() < p

    def integer(self, low: int, high: int) -> int:
        """From low to high, both included."""
        return low + int(self._random() * (high - low + 1))

    def array(self, *shape: int) -> np.ndarray:
        """Uniforms in [0, 1)."""
        return self._random(shape)


class Canvas:
    """The maps of a scene in the making, which a brush works on through a :meth:`window`."""

    def __init__(self, side: int):
        axis = (np.arange(side, dtype=np.float32) + 0.5) / side
        self.side = side
        self.axis: np.ndarray = axis
        self.L = np.full((side, side), 50.0, np.float32)
        self.sat = np.ones((side, side), np.float32)
        self.g = np.zeros((side, side), np.float32)
        self.objects = np.zeros((side, side), np.uint8)

    def window(self, left: float, top: float, right: float, bottom: float) -> "Window":
        """The part of the canvas inside a box; it may be empty."""
        n = self.side
        x0, x1 = max(int(left * n), 0), min(int(right * n) + 1, n)
        y0, y1 = max(int(top * n), 0), min(int(bottom * n) + 1, n)
        return Window(self, slice(y0, max(y0, y1)), slice(x0, max(x0, x1)))


class Window:
    """A box of the canvas, with its coordinates x [1 w] and y [h 1]."""

    def __init__(self, canvas: Canvas, rows: slice, columns: slice):
        self.x: np.ndarray = canvas.axis[None, columns]
        self.y: np.ndarray = canvas.axis[rows, None]
        self._L = canvas.L[rows, columns]
        self._sat = canvas.sat[rows, columns]
        self._g = canvas.g[rows, columns]
        self._objects = canvas.objects[rows, columns]

    def put(self, where: Mask, obj: int, L: Values, sat: Values = 1.0, g: Values = 0.0) -> None:
        """Paint the pixels ``where`` (bool, broadcast) of object ``obj``."""
        where = np.broadcast_to(where, self._L.shape)
        np.copyto(self._objects, np.uint8(obj), where=where)
        np.copyto(self._L, np.asarray(L, np.float32), where=where)
        np.copyto(self._sat, np.asarray(sat, np.float32), where=where)
        np.copyto(self._g, np.asarray(g, np.float32), where=where)

    def shade(self, where: Mask, factor: Values) -> None:
        """Darken or lighten what is there (a cast shadow): L times factor. The objects stay what they are."""
        np.multiply(self._L, np.asarray(factor, np.float32), out=self._L, where=np.broadcast_to(where, self._L.shape))


def noise(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Value noise in [0, 1] at lattice coordinates u [1 w], v [h 1]: one wave per unit."""
    iu, fu = _cell(u[0])
    iv, fv = _cell(v[:, 0])
    rows = _LATTICE[iv] + fv[:, None] * (_LATTICE[(iv + 1) & 63] - _LATTICE[iv])
    left = rows[:, iu]
    return left + fu[None] * (rows[:, (iu + 1) & 63] - left)


def fractal(u: np.ndarray, v: np.ndarray, octaves: int) -> np.ndarray:
    """Octaves of noise, each twice as fine and half as strong; in [0, 1]."""
    total = noise(u, v)
    for k in range(1, octaves):
        total = total + noise(u * 2.0**k + 17 * k, v * 2.0**k + 31 * k) / 2.0**k
    return total / np.float32(2.0 - 2.0 ** (1 - octaves))


def profile(u: np.ndarray, row: int) -> np.ndarray:
    """One-dimensional noise in [0, 1] along u."""
    i, f = _cell(u)
    line = _LATTICE[row & 63]
    return line[i] + f * (line[(i + 1) & 63] - line[i])


def smooth(low: float, high: float, x: np.ndarray) -> np.ndarray:
    """0 below low, 1 above high, a smooth step between."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _cell(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    floor = np.floor(u)
    f = (u - floor).astype(np.float32)
    return floor.astype(np.int32) & 63, f * f * (3.0 - 2.0 * f)
