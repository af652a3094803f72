"""PSNR of each picture, then (in the report) the mean over pictures. Never of the pooled error.

    PSNR_i = 10 log10(1 / MSE_i),   MSE_i over the h x w x 3 values of picture i in [0, 1]

The PSNR of the mean MSE over a set is another number, lower by about a decibel (it is ruled by the worst pictures).
Identical pictures have infinite PSNR, which no mean survives: it is capped at 100 dB, above anything 8 bits can reach
otherwise (one level in one value of a 256 px picture is 101 dB; of a 64 px picture 89 dB).
"""

import torch
from torch import Tensor

from colorbench.arrays import PerImage, Picture
from colorbench.metrics.metric import Metric, Pair, require_range
from colorbench.registry import register

CAP = 100.0


def psnr(rgb_hat: Picture, rgb: Picture, *, data_range: float) -> PerImage:
    """[b] decibels, at most 100. ``data_range`` is the span of the values (1 for [0, 1], 255 for bytes as floats)."""
    for x in (rgb_hat, rgb):
        require_range(x, 0.0, data_range, "psnr")
    return _of_difference((rgb_hat - rgb) / data_range)


def _of_difference(x: Tensor) -> PerImage:
    return (-10.0 * torch.log10(x.square().mean(dim=(1, 2, 3)))).clamp_max(CAP)


@register("metric", "psnr")
class PSNR(Metric):
    """Peak signal-to-noise ratio of one picture."""

    name = "psnr"
    title = "PSNR"
    high = CAP
    better = "higher"
    unit = "dB"
    digits = 2
    fed = "8-bit sRGB"

    def score(self, pair: Pair) -> PerImage:
        return _of_difference(pair.rgb_hat - pair.rgb)
