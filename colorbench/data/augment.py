"""Augmentation: each picture its own parameters, drawn on the device from the picture's own stream.

A batch transform of the usual libraries draws ONE flip, angle and crop for the whole batch. Here every number comes
from ``Noise`` (seed, image, visit, purpose), so an augmented picture is the same whatever the batch, the device count
or the order. Rotation and resized crop are one affine map and one ``grid_sample`` (bilinear, mirrored at the border);
jitter and blur follow in sRGB, as in the usual recipes. What comes out is rounded to 8 bits once, at the end.
"""

import math
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional as F

from colorbench import color
from colorbench.arrays import Bytes, Picture
from colorbench.noise import Noise
from colorbench.ranges import Degrees, Share, within
from colorbench.registry import register

Kept = Annotated[float, within("a share of the area from 0.01 to 1", lambda x: 0.01 <= x <= 1)]
Kernel = Annotated[int, within("0 or an odd kernel size up to 99", lambda n: n == 0 or (n in range(1, 100, 2)))]


@register("augmentation", "standard")
class Standard:
    """Flip, rotation, resized crop, color jitter, blur.

    flip: probability of a left-right mirror image. rotation: degrees, uniform in +- this. crop: the smallest share of
    the area that a resized crop keeps (1 keeps all). jitter: brightness, contrast and saturation factors, uniform in 1
    +- this, applied in this order. blur: odd kernel size of a Gaussian whose sigma is uniform in 0.1-2 pixels (0:
    none).
    """

    def __init__(self, *, flip: Share, rotation: Degrees, crop: Kept, jitter: Share, blur: Kernel) -> None:
        self.flip, self.rotation, self.crop, self.jitter, self.blur = flip, rotation, crop, jitter, blur

    @property
    def flips_only(self) -> bool:
        """Nothing but mirror images?"""
        return not (self.rotation or self.crop < 1.0 or self.jitter or self.blur)

    def flip_(self, pixels: Bytes, noise: Noise) -> Bytes:
        """8-bit pictures, some of them mirrored in place."""
        if self.flip:
            mirrored = (noise.uniform("flip") < self.flip).nonzero()[:, 0]
            for some in mirrored.tolist() if pixels.device.type == "cpu" else [mirrored]:
                pixels[some] = pixels[some].flip(-1)
        return pixels

    def __call__(self, pixels: Bytes, noise: Noise) -> Bytes:
        """The pictures after everything that is switched on, in 8 bits like any other; ``pixels`` is changed."""
        pixels = self.flip_(pixels, noise)
        draws = self._draws(noise)
        size = 1 if pixels.device.type == "cpu" else len(pixels)  # one picture stays in a core's cache through it all
        for i in range(0, len(pixels) if draws else 0, size):
            some = slice(i, i + size)
            rgb = self._changed(color.from_bytes(pixels[some]), {name: d[some] for name, d in draws.items()})
            pixels[some] = color.to_bytes(rgb)
        return pixels

    def _draws(self, noise: Noise) -> dict[str, Tensor]:
        """What each picture is changed by: name -> [b, ...]."""
        draws = {}
        if self.rotation or self.crop < 1.0:
            draws["affine"] = self._affine(noise)
        if self.jitter:
            draws["factors"] = 1.0 + self.jitter * (2.0 * noise.uniform("jitter", 3) - 1.0)
        if self.blur:
            sigma = 0.1 + 1.9 * noise.uniform("blur")
            x = torch.arange(self.blur // 2 + 1, device=sigma.device, dtype=sigma.dtype)
            bell = torch.exp(-(x**2) / (2.0 * sigma[:, None] ** 2))
            draws["taps"] = bell / (2.0 * bell.sum(dim=1, keepdim=True) - 1.0)
        return draws

    def _changed(self, rgb: Picture, draws: dict[str, Tensor]) -> Picture:
        if "affine" in draws:
            rgb = _warped(rgb, draws["affine"])
        if "factors" in draws:
            rgb = _jittered(rgb, draws["factors"])
        return _blurred(_blurred(rgb, draws["taps"], 3), draws["taps"], 2) if "taps" in draws else rgb

    def _affine(self, noise: Noise) -> Tensor:
        """[b, 2, 3] of a rotation about the center of a square window that holds a uniform share of the area, anywhere
        inside."""
        angle = (2.0 * noise.uniform("rotation") - 1.0) * math.radians(self.rotation)
        side = (self.crop + (1.0 - self.crop) * noise.uniform("crop area")).sqrt()
        center = (2.0 * noise.uniform("crop center", 2) - 1.0) * (1.0 - side)[:, None]
        cos, sin = side * angle.cos(), side * angle.sin()
        return torch.stack([cos, -sin, center[:, 0], sin, cos, center[:, 1]], dim=1).reshape(-1, 2, 3)


def _warped(rgb: Picture, affine: Tensor) -> Picture:
    """rgb at affine @ (x, y, 1), x and y from -1 to 1: bilinear, mirrored at the border. The grid lies in memory as two
    planes, which on a CPU are made and read faster than pairs (``F.affine_grid`` makes pairs by a product of
    matrices)."""
    h, w = rgb.shape[2:]
    x, y = (((2.0 * torch.arange(n, device=rgb.device) + 1.0) / n - 1.0) for n in (w, h))
    along, across, shift = affine[..., None, None].unbind(2)  # [b, 2, 1, 1] each
    grid = torch.add(across * y[:, None] + shift, along * x).permute(0, 2, 3, 1)
    return F.grid_sample(rgb, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _jittered(rgb: Picture, factors: Tensor) -> Picture:
    """Brightness, contrast, saturation: factors [b, 3], in place."""
    brightness, contrast, saturation = factors[:, :, None, None, None].unbind(1)
    rgb = rgb.mul_(brightness).clamp_(0.0, 1.0)
    mean = _luma(rgb).mean(dim=(2, 3), keepdim=True)
    rgb = rgb.mul_(contrast).add_(mean * (1.0 - contrast)).clamp_(0.0, 1.0)
    luma = _luma(rgb).mul_(1.0 - saturation)
    return rgb.mul_(saturation).add_(luma).clamp_(0.0, 1.0)


def _blurred(rgb: Picture, taps: Tensor, dim: int) -> Picture:
    """Along an axis by a symmetric kernel, its right half, center first, is taps [b, n]; mirrored borders."""
    size, reach = rgb.shape[dim], taps.shape[1] - 1
    padded = F.pad(rgb, (reach, reach, 0, 0) if dim == 3 else (0, 0, reach, reach), mode="reflect")
    center, *sides = taps[:, :, None, None, None].unbind(1)
    out = padded.narrow(dim, reach, size) * center
    for i, side in enumerate(sides, 1):
        pair = padded.narrow(dim, reach - i, size) + padded.narrow(dim, reach + i, size)
        out.addcmul_(pair, side)
    return out


def _luma(rgb: Picture) -> Tensor:
    """ITU-R BT.601 luma, which the usual color jitters mix with."""
    r, g, b = rgb.split(1, dim=1)
    return (0.299 * r).add_(g, alpha=0.587).add_(b, alpha=0.114)
