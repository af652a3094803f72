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
_LATTICE = np.concatenate([_LATTICE, _LATTICE[:, :1]], axis=1)  # [64 65]: the last column is the first one again
_DOWN = np.roll(_LATTICE, -1, axis=0) - _LATTICE


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
    """The maps of a scene in the making, which a brush works on through a :meth:`window`.

    Every ``put`` is a layer: what is constant over it (the object, mostly also s and g) is kept once, and each subpixel
    only remembers its lightness and the number of the last layer that covered it.
    """

    def __init__(self, side: int):
        self.side = side
        self.axis: np.ndarray = (np.arange(side, dtype=np.float32) + 0.5) / side
        self.L = np.full((side, side), 50.0, np.float32)
        self.top = np.zeros((side, side), np.uint16)
        self.layers: list[tuple[int, float, float]] = [(0, 1.0, 0.0)]
        self._varied: dict[str, np.ndarray] = {}

    def window(self, left: float, top: float, right: float, bottom: float) -> "Window":
        """The part of the canvas inside a box; it may be empty."""
        n = self.side
        x0, x1 = max(int(left * n), 0), min(int(right * n) + 1, n)
        y0, y1 = max(int(top * n), 0), min(int(bottom * n) + 1, n)
        return Window(self, slice(y0, max(y0, y1)), slice(x0, max(x0, x1)))

    def stack(self, left: Values, top: Values, right: Values, bottom: Values) -> "Stack":
        """Windows of n boxes that one computation serves: the edges are numbers or arrays [n]."""
        boxes = np.stack(np.broadcast_arrays(left, top, right, bottom), axis=1).tolist()
        return Stack(self, [self.window(*box) for box in boxes])

    def varied(self, name: str) -> np.ndarray:
        """The map of a quantity (``sat`` or ``g``) where it varies within a layer; float32 [side side]."""
        if name not in self._varied:
            self._varied[name] = np.empty((self.side, self.side), np.float32)
        return self._varied[name]

    def maps(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """L, s, g, float32, and the objects, uint8; [side side] each."""
        objects, sat, g = zip(*self.layers, strict=True)
        top = self.top.astype(np.intp)
        maps = self._resolve("sat", sat, top), self._resolve("g", g, top)
        return self.L, *maps, np.array(objects, np.uint8)[top]

    def _resolve(self, name: str, constant: tuple[float, ...], top: np.ndarray) -> np.ndarray:
        """The layers' constants; NaN stands for a layer within which the quantity varies."""
        table = np.array(constant, np.float32)
        values, varies = table[top], np.isnan(table)
        if varies.any():
            np.copyto(values, self._varied[name], where=varies[top])
        return values


class Window:
    """A box of the canvas, with its coordinates x [1 w] and y [h 1]."""

    def __init__(self, canvas: Canvas, rows: slice, columns: slice):
        self.x: np.ndarray = canvas.axis[None, columns]
        self.y: np.ndarray = canvas.axis[rows, None]
        self._canvas, self._box = canvas, (rows, columns)
        self._L, self._top = canvas.L[rows, columns], canvas.top[rows, columns]

    @property
    def start(self) -> tuple[int, int]:
        """The first column and row."""
        rows, columns = self._box
        return columns.start, rows.start

    @property
    def size(self) -> tuple[int, int]:
        """How many columns and rows."""
        rows, columns = self._box
        return columns.stop - columns.start, rows.stop - rows.start

    def put(self, where: Mask, obj: int, L: Values, sat: Values = 1.0, g: Values = 0.0) -> None:
        """Paint the pixels ``where`` (bool, broadcast) of object ``obj``."""
        layers = self._canvas.layers
        np.copyto(self._top, len(layers), where=where)
        np.copyto(self._L, L, where=where)
        layers.append((obj, self._constant("sat", sat, where), self._constant("g", g, where)))

    def shade(self, where: Mask, factor: Values) -> None:
        """Darken or lighten what is there (a cast shadow): L times factor. The objects stay what they are."""
        np.multiply(self._L, np.asarray(factor, np.float32), out=self._L, where=where)

    def _constant(self, name: str, values: Values, where: Mask) -> float:
        """The one value of a quantity; NaN, and the values on their map, when there are many."""
        if not isinstance(values, np.ndarray):
            return values
        np.copyto(self._canvas.varied(name)[self._box], values, where=where)
        return np.nan


class Stack:
    """Windows of about one size, with coordinates x [n 1 w] and y [n h 1]; w and h are the largest window's, and what
    lies beyond a smaller one is never painted."""

    def __init__(self, canvas: Canvas, windows: list[Window]):
        self.windows, last = windows, canvas.side - 1
        w, h = (max(window.size[k] for window in windows) for k in (0, 1))
        starts = np.array([window.start for window in windows])
        self.x: np.ndarray = canvas.axis[np.minimum(starts[:, :1] + np.arange(w), last)][:, None, :]
        self.y: np.ndarray = canvas.axis[np.minimum(starts[:, 1:] + np.arange(h), last)][:, :, None]

    def put(self, k: int, where: np.ndarray, obj: int, L: np.ndarray, sat: Values = 1.0) -> None:
        """Paint in the k-th window. where, L: [n h w]; sat: the same, or one number."""
        w, h = self.windows[k].size
        sat = sat[k, :h, :w] if isinstance(sat, np.ndarray) else sat
        self.windows[k].put(where[k, :h, :w], obj, L[k, :h, :w], sat)


def noise(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Value noise in [0, 1] at lattice coordinates u [1 w], v [h 1]: one wave per unit.

    Of a stack of windows: u [n 1 w], v [n h 1].
    """
    cells = _cells(u[..., 0, :], v[..., 0])
    return _between(*cells) if u.ndim == 2 else np.stack([_between(*each) for each in zip(*cells, strict=True)])


def fractal(u: np.ndarray, v: np.ndarray, octaves: int) -> np.ndarray:
    """Octaves of noise, each twice as fine and half as strong; in [0, 1]."""
    k = np.arange(octaves, dtype=np.float32)[:, None]
    cells = _cells(u * 2**k + 17 * k, v[:, 0] * 2**k + 31 * k)
    total = _between(*(part[0] for part in cells))
    for octave in range(1, octaves):
        total = total + _between(*(part[octave] for part in cells)) / 2.0**octave
    return total / np.float32(2.0 - 2.0 ** (1 - octaves))


def _cells(u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Lattice cells of u and v, and the faded places in them: one sweep over both."""
    cell, place = _cell(np.concatenate([u, v], axis=-1))
    w = u.shape[-1]
    return cell[..., :w], place[..., :w], cell[..., w:], place[..., w:]


def _between(iu: np.ndarray, fu: np.ndarray, iv: np.ndarray, fv: np.ndarray) -> np.ndarray:
    """Bilinear on the lattice, first down, then across: [h w] from cells and places iu, fu [w], iv, fv [h]."""
    rows = _LATTICE[iv] + fv[:, None] * _DOWN[iv]
    across = rows[:, 1:] - rows[:, :-1]
    return rows[:, iu] + fu * across[:, iu]


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
    return floor.astype(np.intp) & 63, f * f * (3.0 - 2.0 * f)
