"""Augmentation: each picture its own parameters, drawn on the device from the picture's own stream.

A batch transform of the usual libraries draws ONE flip, angle and crop for the whole batch. Here every number comes
from ``Noise`` (seed, image, visit, purpose), so an augmented picture is the same whatever the batch, the device count
or the order. Rotation and resized crop are one affine map and one ``grid_sample`` (bilinear, mirrored at the border);
jitter and blur follow in sRGB, as in the usual recipes. Flip alone never leaves 8 bits and costs almost nothing.
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
    def leaves_bytes(self) -> bool:
        """Nothing but flips?"""
        return not (self.rotation or self.crop < 1.0 or self.jitter or self.blur)

    def flip_(self, pixels: Bytes, noise: Noise) -> Bytes:
        """8-bit pictures, some of them mirrored in place."""
        if self.flip:
            mirrored = (noise.uniform("flip") < self.flip).nonzero()[:, 0]
            for some in mirrored.tolist() if pixels.device.type == "cpu" else [mirrored]:
                pixels[some] = pixels[some].flip(-1)
        return pixels

    def __call__(self, pixels: Bytes, noise: Noise) -> Picture:
        """Pictures in [0, 1] after everything that is switched on; ``pixels`` may be mirrored in place."""
        rgb = color.from_bytes(self.flip_(pixels, noise))
        if self.rotation or self.crop < 1.0:
            rgb = self._placed(rgb, noise)
        if self.jitter:
            rgb = self._jittered(rgb, noise)
        return self._blurred(rgb, noise) if self.blur else rgb

    def _placed(self, rgb: Picture, noise: Noise) -> Picture:
        """Rotation about the center of a square window that holds a uniform share of the area, anywhere inside."""
        angle = (2.0 * noise.uniform("rotation") - 1.0) * math.radians(self.rotation)
        side = (self.crop + (1.0 - self.crop) * noise.uniform("crop area")).sqrt()
        center = (2.0 * noise.uniform("crop center", 2) - 1.0) * (1.0 - side)[:, None]
        cos, sin = side * angle.cos(), side * angle.sin()
        affine = torch.stack([cos, -sin, center[:, 0], sin, cos, center[:, 1]], dim=1).reshape(-1, 2, 3)
        grid = F.affine_grid(affine, list(rgb.shape), align_corners=False)
        return F.grid_sample(rgb, grid, mode="bilinear", padding_mode="reflection", align_corners=False)

    def _jittered(self, rgb: Picture, noise: Noise) -> Picture:
        factors = 1.0 + self.jitter * (2.0 * noise.uniform("jitter", 3) - 1.0)
        brightness, contrast, saturation = factors[:, :, None, None, None].unbind(1)
        rgb = (rgb * brightness).clamp_(0.0, 1.0)
        mean = _luma(rgb).mean(dim=(2, 3), keepdim=True)
        rgb = rgb.mul_(contrast).add_(mean * (1.0 - contrast)).clamp_(0.0, 1.0)
        luma = _luma(rgb).mul_(1.0 - saturation)
        return rgb.mul_(saturation).add_(luma).clamp_(0.0, 1.0)

    def _blurred(self, rgb: Picture, noise: Noise) -> Picture:
        """exp(-x^2 / 2 sigma^2), normalized, along both axes; the border is mirrored."""
        h, w = rgb.shape[-2:]
        sigma = 0.1 + 1.9 * noise.uniform("blur")
        reach = self.blur // 2
        x = torch.arange(-reach, reach + 1, device=rgb.device, dtype=rgb.dtype)
        taps = torch.softmax(-(x**2) / (2.0 * sigma[:, None] ** 2), dim=1)[:, :, None, None, None].unbind(1)
        padded = F.pad(rgb, (reach, reach, reach, reach), mode="reflect")
        rows = torch.stack([tap * padded[..., i : i + w] for i, tap in enumerate(taps)]).sum(dim=0)
        return torch.stack([tap * rows[..., i : i + h, :] for i, tap in enumerate(taps)]).sum(dim=0)


def _luma(rgb: Picture) -> Tensor:
    """ITU-R BT.601 luma, which the usual color jitters mix with."""
    r, g, b = rgb.split(1, dim=1)
    return (0.299 * r).add_(g, alpha=0.587).add_(b, alpha=0.114)
