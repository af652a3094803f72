"""The conventions of the colorization literature, beside the correct ones and under their own names.

``metrics.compat=ddcolor`` adds what CT2's and DDColor's scripts compute, so that their tables can be read and checked:

    colorfulness_abs(ddcolor)   |R-G| and |(R+G)/2 - B| where Hasler & Suesstrunk have signed axes: up to 27 % lower
    ssim_225(ct2)               scikit-image's 7 x 7 uniform window on 0..255 with data_range=225, a typo for 255
    psnr_floor(ct2)             (x * 255).astype(uint8) truncates: a perfect prediction is capped at about 50 dB

The report derives their delta colorfulness (the difference of the means of the absolute variant) from the rows.
Their FID feeds an ImageNet classifier's Inception with inputs of another range: it is not reproduced here.
"""

from typing import Any

import torch
import torch.nn.functional as F

from colorbench import color
from colorbench.arrays import PerImage
from colorbench.metrics.metric import Metric, Pair
from colorbench.metrics.psnr import CAP, psnr
from colorbench.registry import register

DDCOLOR: dict[str, dict[str, Any]] = {
    "colorfulness_abs": {"metric": "colorfulness", "of": "hat", "compat": "ddcolor"},
    "colorfulness_abs_true": {"metric": "colorfulness", "of": "true", "compat": "ddcolor"},
    "delta_colorfulness_abs": {"metric": "delta_colorfulness", "compat": "ddcolor"},
    "ssim_225": {"metric": "ssim_225"},
    "psnr_floor": {"metric": "psnr_floor"},
}
"""What ``metrics.compat=ddcolor`` adds."""


@register("metric", "ssim_225")
class SSIM225(Metric):
    """CT2's SSIM: 7 x 7 uniform window, sample covariance, values 0..255 with a data range of 225."""

    name = "ssim_225(ct2)"
    low, high = -1.0, 1.0
    better = "higher"
    digits = 4
    fed = "8-bit sRGB, three channels; uniform window 7, data range 225 (sic), border cropped"

    def score(self, pair: Pair) -> PerImage:
        x, y = pair.hat.double(), pair.true.double()
        c1, c2 = (0.01 * 225) ** 2, (0.03 * 225) ** 2
        mx, my, xx, yy, xy = (F.avg_pool2d(z, 7, stride=1) for z in (x, y, x * x, y * y, x * y))
        sample = 49 / 48
        vx, vy, cov = sample * (xx - mx * mx), sample * (yy - my * my), sample * (xy - mx * my)
        full = (2 * mx * my + c1) * (2 * cov + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))
        return full.mean((1, 2, 3))


@register("metric", "psnr_floor")
class FloorPSNR(Metric):
    """PSNR of a picture whose values were cut off instead of rounded."""

    name = "psnr_floor(ct2)"
    high = CAP
    better = "higher"
    unit = "dB"
    digits = 2
    fed = "the prediction truncated to 8 bits"
    needs_raw = True

    def score(self, pair: Pair) -> PerImage:
        assert pair.raw is not None
        floor = torch.floor(color.decode(*pair.raw).clamp(0, 1) * 255.0)
        return psnr(floor, pair.true.float(), data_range=255.0)
