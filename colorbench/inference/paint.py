"""Paint: a small chroma map over a photograph of any size, strip by strip, with the photograph's own lightness.

The map p was made for the photograph shrunk to a few dozen or hundred pixels, I. It is enlarged with the edges of the
full-size guide G (the fast guided filter of He & Sun 2015, in the form of networks/guided.py):

    a = cov(I, p) / (var(I) + epsilon)      in windows of 3 x 3, averaged over neighbors
    q = up(p+) + up(a) (G - up(I+))         up: bilinear, from the small scale to the full one

Enlarging blurs: a bilinear map of a large scale, shrunk again, is the small map filtered by k = (1/8, 3/4, 1/8) along
both axes. p+ = 2 p - k * p and I+ = 2 I - k * I undo that to first order, which is back-projection (Irani & Peleg 1991)
without a second pass over the photograph.

L is the photograph's: where a chroma leaves the sRGB gamut at that lightness, it is shortened, hue kept, by the least
that brings it back (bisection), instead of clipping R, G and B, which would change L.
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from colorbench import color
from colorbench.arrays import Chroma, Luma, Picture
from colorbench.inference.photo import Photo
from colorbench.networks.guided import slope

STRIP = 2**16  # pixels held as floats at a time: in the processor's cache
_OUTSIDE = 2e-5  # of R, G and B in [0, 1]: above float32's noise, about one step of 16 bits


@torch.no_grad()
def paint(photo: Photo, L: Luma, ab: Chroma, *, strip: int = STRIP) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """[h w 3] in sRGB, 16-bit for a photo of 16 bits: the photo's lightness, with the colors of ``ab``.

    L [1 1 h' w'] and ab [1 2 h' w'], both small. strip: how many pixels are worked on at a time; the result does not
    depend on it.
    """
    height, width = photo.size
    enlarger = Enlarger(L.cpu().float(), ab.cpu().float(), height, width)
    pixels = np.empty((height, width, 3), dtype=np.uint16 if photo.deep else np.uint8)
    rows = max(1, strip // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        guide = photo.luma(top, bottom)
        rgb = in_gamut(guide, enlarger.rows(guide, top))[0].permute(1, 2, 0)
        if photo.deep:
            pixels[top:bottom] = (rgb * 65535.0).round().numpy().astype(np.uint16)
        else:
            pixels[top:bottom] = color.to_bytes(rgb.permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()
    return pixels


class Enlarger:
    """The small maps, and what any rows of the large one are."""

    def __init__(self, L: Luma, ab: Chroma, height: int, width: int):
        self.height, self.width = height, width
        if height * width <= L.shape[-2] * L.shape[-1]:  # a photograph smaller than its map: nothing to guide
            ab = F.interpolate(ab, (height, width), mode="bilinear", antialias=True)
            self.maps: Tensor = ab
            return
        self.maps = torch.cat([_sharpened(ab), slope(L, ab), _sharpened(L)], dim=1)

    def rows(self, guide: Luma, top: int) -> Chroma:
        """ab [1 2 rows width], from row ``top`` on; guide [1 1 rows width]."""
        small_height = self.maps.shape[-2]
        y = (torch.arange(top, top + guide.shape[-2]) + 0.5) * (small_height / self.height) - 0.5
        y = y.clamp(0.0, small_height - 1.0)
        above = y.floor().long()
        below = (above + 1).clamp_max(small_height - 1)
        some = torch.lerp(self.maps[:, :, above], self.maps[:, :, below], (y - above)[:, None])
        large = F.interpolate(some, (guide.shape[-2], self.width), mode="bilinear")
        if large.shape[1] == 2:
            return large
        return (large[:, :2] + large[:, 2:4] * (guide - large[:, 4:])).clamp(-1.0, 1.0)


def in_gamut(L: Luma, ab: Chroma) -> Picture:
    """sRGB in [0, 1] of lightness L: chroma outside the gamut is shortened along its hue until it fits."""
    rgb = color.decode(L, ab)
    outside = ((rgb < -_OUTSIDE) | (rgb > 1.0 + _OUTSIDE)).any(dim=1)
    if outside.any():
        light = L[:, 0][outside].view(1, 1, 1, -1)
        chroma = torch.stack([ab[:, 0][outside], ab[:, 1][outside]])[None, :, None]
        fits, too_long = torch.zeros_like(light), torch.ones_like(light)
        for _ in range(10):
            middle = (fits + too_long) / 2
            trial = color.decode(light, chroma * middle)
            good = ((trial >= -_OUTSIDE) & (trial <= 1.0 + _OUTSIDE)).all(dim=1, keepdim=True)
            fits, too_long = torch.where(good, middle, fits), torch.where(good, too_long, middle)
        rgb.permute(1, 0, 2, 3)[:, outside] = color.decode(light, chroma * fits)[0, :, 0]
    return rgb.clamp(0.0, 1.0)


def _sharpened(x: Tensor) -> Tensor:
    channels = x.shape[1]
    k = torch.tensor([0.125, 0.75, 0.125])
    kernel = (k[:, None] * k[None, :]).expand(channels, 1, 3, 3)
    return 2.0 * x - F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernel, groups=channels)
