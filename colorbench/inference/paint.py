"""Paint: a small chroma map over a photograph of any size, strip by strip, with the photograph's own lightness.

The map p was made for the photograph shrunk to a few dozen or hundred pixels, I. It is enlarged with the edges of the
full-size guide G (the fast guided filter of He & Sun 2015, in the form of networks/guided.py):

    a = cov(I, p) / (var(I) + epsilon)      in windows of 3 x 3, averaged over neighbors
    q = up(p+) + up(a) (G - up(I+))         up: bilinear, from the small scale to the full one

Enlarging blurs: a bilinear map of a large scale, shrunk again, is the small map filtered by k = (1/8, 3/4, 1/8) along
both axes. p+ = 2 p - k * p and I+ = 2 I - k * I undo that to first order, which is back-projection (Irani & Peleg 1991)
without a second pass over the photograph.

Strips are painted by as many threads as torch would use, each in its own buffers, with numpy, which runs in the thread
that calls it: 12 megapixels take a third of the processor time of torch's tensors and threads, and no byte depends on
how many threads there are.

L is the photograph's: where a chroma leaves the sRGB gamut at that lightness, it is shortened, hue kept, by the least
that brings it back (bisection), instead of clipping R, G and B, which would change L.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from colorbench import color
from colorbench.arrays import Chroma, Luma, Picture
from colorbench.inference.photo import Photo
from colorbench.networks.guided import slope

STRIP = 2**16  # pixels that a thread holds as floats at a time: near the processor, and few enough calls
_OUTSIDE = 2e-5  # of R, G and B in [0, 1]: above float32's noise, about one step of 16 bits
_LEAST, _MOST = color.to_linear(-_OUTSIDE), color.to_linear(1.0 + _OUTSIDE)
Floats = NDArray[np.float32]


def paint(
    photo: Photo, L: Luma, ab: Chroma, *, strip: int = STRIP, threads: int | None = None
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """[h w 3] in sRGB, 16-bit for a photo of 16 bits: the photo's lightness, with the colors of ``ab``.

    L [1 1 h' w'] and ab [1 2 h' w'], both small. strip: how many pixels are worked on at a time. threads: None for as
    many as torch's. The result depends on neither.
    """
    height, width = photo.size
    enlarger = Enlarger(L.cpu().float(), ab.cpu().float(), height, width)
    pixels = np.empty((height, width, 3), dtype=np.uint16 if photo.deep else np.uint8)
    rows = min(max(1, strip // width), height)
    count = min(threads or torch.get_num_threads(), -(-height // rows))
    brushes: SimpleQueue[_Brush] = SimpleQueue()
    for _ in range(count):
        brushes.put(_Brush(enlarger, rows))

    def work(top: int) -> None:
        brush, some = brushes.get(), pixels[top : top + rows]
        try:
            brush(photo.luma(top, top + len(some))[0, 0].numpy(), top, some)
        finally:
            brushes.put(brush)

    with ThreadPoolExecutor(count) as pool:
        for _ in pool.map(work, range(0, height, rows)):
            pass
    return pixels


class Enlarger:
    """The small maps, already as wide as the photograph, and what any of its rows are.

    wide: [c h' width]. c is 5: p+, a, up(I+); or 2, where there is nothing to guide.
    """

    @torch.no_grad()
    def __init__(self, L: Luma, ab: Chroma, height: int, width: int):
        self.height, self.width = height, width
        if height * width <= L.shape[-2] * L.shape[-1]:  # a photograph smaller than its map
            maps = F.interpolate(ab, (height, width), mode="bilinear", antialias=True)
        else:
            maps = torch.cat([_sharpened(ab), slope(L, ab), _sharpened(L)], dim=1)
            maps = F.interpolate(maps, (maps.shape[-2], width), mode="bilinear")
        self.wide: Floats = maps[0].contiguous().numpy()

    def rows(self, guide: Floats, top: int, room: Floats) -> Floats:
        """ab [2 rows width], from row ``top`` on; guide [rows width]; room [5 rows width], to work in."""
        some = room[: len(self.wide)]
        for row, (above, below, share) in enumerate(self._between(top, len(guide))):
            lower, upper = self.wide[:, below], self.wide[:, above]
            np.subtract(lower, upper, out=some[:, row])
            some[:, row] *= share
            some[:, row] += upper
        ab = some[:2]
        if len(some) > 2:
            np.subtract(guide, some[4], out=some[4])
            some[2:4] *= some[4]
            ab += some[2:4]
            np.clip(ab, np.float32(-1.0), np.float32(1.0), out=ab)
        return ab

    def _between(self, top: int, count: int) -> Iterator[tuple[int, int, np.float32]]:
        """The two rows of the small maps that each row lies between, and how near it is to the second."""
        last = self.wide.shape[1] - 1
        y = ((np.arange(top, top + count) + 0.5) * ((last + 1) / self.height) - 0.5).clip(0.0, last)
        above = y.astype(np.int64)
        yield from zip(above, np.minimum(above + 1, last), (y - above).astype(np.float32), strict=True)


class _Brush:
    """What one thread paints with: room for a strip."""

    def __init__(self, enlarger: Enlarger, rows: int):
        self.enlarger, self.decoder = enlarger, color.Decoder(rows * enlarger.width)
        self.room = np.empty((5, rows, enlarger.width), np.float32)

    def __call__(self, guide: Floats, top: int, pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
        """Paint the rows [rows width 3] that begin at ``top``; guide: their L [rows width]."""
        ab = self.enlarger.rows(guide, top, self.room[:, : len(guide)])
        linear = _fitted(self.decoder, guide.reshape(-1), ab.reshape(2, -1))
        levels = self.decoder.levels(linear, np.iinfo(pixels.dtype).max).reshape(3, *guide.shape)
        for channel in range(3):
            np.copyto(pixels[:, :, channel], levels[channel], casting="unsafe")


def in_gamut(L: Luma, ab: Chroma) -> Picture:
    """sRGB in [0, 1] of lightness L: chroma outside the gamut is shortened along its hue until it fits."""
    decoder = color.Decoder(L.numel())
    flat = L.detach().cpu().float().reshape(-1), ab.detach().cpu().float().transpose(0, 1).reshape(2, -1)
    levels = decoder.levels(_fitted(decoder, *(x.numpy() for x in flat)), 1) - np.float32(0.5)
    b, _, h, w = L.shape
    return torch.from_numpy(levels.reshape(3, b, h, w)).transpose(0, 1).clamp(0.0, 1.0)


def _fitted(decoder: color.Decoder, L: Floats, ab: Floats) -> Floats:
    """Linear light [3 n] of L [n] and ab [2 n], which is shortened where it has to be."""
    linear = decoder.linear(L, ab)
    least, most = np.minimum.reduce(linear), np.maximum.reduce(linear)
    outside = np.flatnonzero((least < _LEAST) | (most > _MOST))
    if len(outside):
        L, ab = L[outside], ab[:, outside]
        share = decoder.fitting(L, ab, _LEAST, _MOST)
        linear[:, outside] = color.Decoder(len(outside)).linear(L, ab * share)
    return linear


def _sharpened(x: Tensor) -> Tensor:
    channels = x.shape[1]
    k = torch.tensor([0.125, 0.75, 0.125])
    kernel = (k[:, None] * k[None, :]).expand(channels, 1, 3, 3)
    return 2.0 * x - F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernel, groups=channels)
