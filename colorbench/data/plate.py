"""A three-color glass plate becomes a picture: three gray exposures one below the other, through blue, green, red.

Sergei Prokudin-Gorskii's camera (after Adolf Miethe, 1902) exposed one plate three times within seconds, its holder
falling by a third. The exposures of a scan therefore lie a few percent off each other, and their densities differ. They
are laid over each other by the shift of their edges, from coarse to fine:

    shift = argmax F^-1[ F(e_green) conj F(e_other) / |...| ],   e = |gradient| of log exposure, on its center

(phase correlation, Kuglin & Hines 1975; scikit-image's ``phase_cross_correlation``) at the size at which the plate is
about 100 px wide, then at each doubling, which corrects by 2 px at most: an exposure that wanders more at a finer level
fits nowhere, and the plate is given up. What all three cover is kept, less the frame: the innermost line in the outer
tenth of each side along which nearly the whole side changes brightness at once.

No color is balanced: what the filters and the scan gave is the picture.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.float64]
_COARSE = 128  # px: the coarsest level is the first one whose shorter side is not larger
_MARGIN = 0.12  # of each side left out where exposures are compared: the frame does not move with the picture
_WANDER = 2  # px that a finer level may correct
_FRAME = 0.1  # of each side in which the frame lies
_LINE = 6.0  # times the median change of brightness that a frame's line has at least


class Misfit(ValueError):
    """The exposures of a plate do not fit over each other."""


def compose(plate: NDArray[Any]) -> NDArray[np.uint8]:
    """uint8 [h, w, 3], sRGB, of a scan [H, W] of 8 or 16 bits; h is less than a third of H. Raises Misfit."""
    deep = np.iinfo(plate.dtype).max
    blue, green, red = exposures(plate / deep)
    aligned, box = overlay(green, {"red": red, "blue": blue})
    picture = np.stack([aligned["red"], green, aligned["blue"]], axis=2)[box]
    return np.ascontiguousarray((picture[frame(picture)] * 255.0).round().astype(np.uint8))


def exposures(plate: Gray) -> tuple[Gray, Gray, Gray]:
    """Its thirds from the top: blue, green, red."""
    third = len(plate) // 3
    if third < 32 or plate.shape[1] < 32:
        raise Misfit(f"a plate is three exposures one below the other; this has {plate.shape[1]} x {len(plate)} px")
    return plate[:third], plate[third : 2 * third], plate[2 * third : 3 * third]


def overlay(still: Gray, others: dict[str, Gray]) -> tuple[dict[str, Gray], tuple[slice, slice]]:
    """The others moved over the still one, and the box in which all have something."""
    height, width = still.shape
    moved, top, bottom, left, right = {}, 0, height, 0, width
    for name, other in others.items():
        down, across = shift(still, other)
        moved[name] = np.roll(other, (down, across), axis=(0, 1))
        top, bottom = max(top, down), min(bottom, height + down)
        left, right = max(left, across), min(right, width + across)
    return moved, (slice(top, bottom), slice(left, right))


def shift(still: Gray, other: Gray) -> tuple[int, int]:
    """(down, right): pixels by which ``other`` must move to lie over ``still``. Raises Misfit."""
    from skimage.transform import downscale_local_mean  # here: a second, and every run imports every source

    levels = [(still, other)]
    while min(levels[-1][0].shape) > _COARSE:
        levels.append(tuple(downscale_local_mean(x, (2, 2)) for x in levels[-1]))
    found = np.zeros(2, dtype=int)
    for depth, (a, b) in enumerate(reversed(levels)):
        found = 2 * found
        step = _residual(a, np.roll(b, tuple(found), axis=(0, 1)))
        if depth and np.abs(step).max() > _WANDER:
            raise Misfit("its exposures do not fit over each other")
        found = found + step
    if (np.abs(found) > _MARGIN * np.array(still.shape)).any():
        raise Misfit("its exposures do not fit over each other")
    return int(found[0]), int(found[1])


def _residual(still: Gray, other: Gray) -> NDArray[np.int_]:
    from skimage.filters import sobel, window
    from skimage.registration import phase_cross_correlation

    height, width = still.shape
    y, x = int(_MARGIN * height), int(_MARGIN * width)
    edges = [sobel(np.log(part[y : height - y, x : width - x] + 0.02)) for part in (still, other)]
    if min(float(e.std()) for e in edges) < 1e-6:
        raise Misfit("an exposure shows nothing")
    taper = window("hann", edges[0].shape)
    found = phase_cross_correlation(*((e - e.mean()) * taper for e in edges), upsample_factor=1)[0]
    return np.asarray(found).round().astype(int)


def frame(picture: Gray) -> tuple[slice, slice]:
    """What lies within the frame of a picture [h, w, 3]."""
    inside = []
    for axis in (0, 1):
        change = np.abs(np.diff(picture, axis=axis))  # nearly the whole side: its lower quartile, of any channel
        profile = np.quantile(change, 0.25, axis=1 - axis).max(axis=1)
        lines = np.flatnonzero(profile > _LINE * max(float(np.median(profile)), 1 / 255))
        length, outer = picture.shape[axis], int(_FRAME * picture.shape[axis])
        first = max((int(i) + 2 for i in lines if i < outer), default=0)
        last = min((int(i) for i in lines if i >= length - 1 - outer), default=length)
        inside.append(slice(first, last))
    return inside[0], inside[1]
