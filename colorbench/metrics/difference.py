"""Color difference: how far apart two colors look, in CIELAB units (a difference of about 1 is just noticeable).

    dE76 = |Lab_hat - Lab|                                                         (CIE 1976)
    dE00 = sqrt( (dL'/SL)^2 + (dC'/SC)^2 + (dH'/SH)^2 + RT (dC'/SC)(dH'/SH) )      (CIEDE2000, kL = kC = kH = 1)

after Sharma, Wu & Dalal, "The CIEDE2000 color-difference formula: implementation notes, supplementary test data, and
mathematical observations" (2005), whose 34 pairs are a test. dE76 calls the difference of two saturated blues many
times larger than people do; dE00 corrects that and is the headline.
"""

import math

import torch
from torch import Tensor

from colorbench.arrays import Lab, PerImage
from colorbench.metrics.metric import Metric, Pair
from colorbench.registry import register

_25_7 = 25.0**7
_HALF_TURN = math.pi + 2e-6  # opposite hues are a tie that float32 must not break


def delta_e_76(lab_hat: Lab, lab: Lab) -> Tensor:
    """[b h w] Euclidean distance in CIELAB."""
    return (lab_hat - lab).square().sum(dim=1).sqrt()


def delta_e_2000(lab_hat: Lab, lab: Lab) -> Tensor:
    """[b h w] CIEDE2000. In the precision of the input; not meant as a loss (its slope at gray is not finite)."""
    L1, a1, b1 = lab.unbind(1)
    L2, a2, b2 = lab_hat.unbind(1)
    C_mean7 = _pow7((torch.hypot(a1, b1) + torch.hypot(a2, b2)) / 2)
    stretch = 1.5 - 0.5 * torch.sqrt(C_mean7 / (C_mean7 + _25_7))  # 1 + G
    a1, a2 = a1 * stretch, a2 * stretch
    C1, C2 = torch.hypot(a1, b1), torch.hypot(a2, b2)
    h1, h2 = _hue(a1, b1), _hue(a2, b2)
    chromatic = (C1 * C2) > 0

    dL, dC = L2 - L1, C2 - C1
    dh = torch.where(chromatic, _wrap(h2 - h1), torch.zeros_like(h1))
    dH = 2 * torch.sqrt(C1 * C2) * torch.sin(dh / 2)

    L_mean, C_mean = (L1 + L2) / 2, (C1 + C2) / 2
    h_sum, apart = h1 + h2, (h1 - h2).abs() > _HALF_TURN  # equation 14: the mean of hues runs over the shorter arc
    over = torch.where(h_sum < 2 * math.pi, h_sum + 2 * math.pi, h_sum - 2 * math.pi)
    h_mean = torch.where(chromatic, torch.where(apart, over, h_sum) / 2, h_sum)
    T = (
        1
        - 0.17 * torch.cos(h_mean - math.radians(30))
        + 0.24 * torch.cos(2 * h_mean)
        + 0.32 * torch.cos(3 * h_mean + math.radians(6))
        - 0.20 * torch.cos(4 * h_mean - math.radians(63))
    )
    from_blue = (h_mean - math.radians(275)) / math.radians(25)
    d_theta = math.radians(30) * torch.exp(-from_blue.square())
    C_mean7 = _pow7(C_mean)
    R_T = -torch.sin(2 * d_theta) * 2 * torch.sqrt(C_mean7 / (C_mean7 + _25_7))
    from_mid = (L_mean - 50).square()
    S_L = 1 + 0.015 * from_mid / torch.sqrt(20 + from_mid)
    dL, dC, dH = dL / S_L, dC / (1 + 0.045 * C_mean), dH / (1 + 0.015 * C_mean * T)
    return torch.sqrt((dL * dL + dC * dC + dH * dH + R_T * dC * dH).clamp_min(0.0))


def _hue(a: Tensor, b: Tensor) -> Tensor:
    """In [0, 2 pi)."""
    h = torch.atan2(b, a)
    return torch.where(h < 0, h + 2 * math.pi, h)


def _wrap(angle: Tensor) -> Tensor:
    """To [-pi, pi]; a difference of exactly 180 degrees keeps its sign (equation 10)."""
    angle = torch.where(angle > _HALF_TURN, angle - 2 * math.pi, angle)
    return torch.where(angle < -_HALF_TURN, angle + 2 * math.pi, angle)


def _pow7(x: Tensor) -> Tensor:
    x2 = x * x
    return x2 * x2 * x2 * x


@register("metric", "delta_e_76")
class DeltaE76(Metric):
    """Mean CIE 1976 difference over the pixels."""

    name = "delta_e_76"
    better = "lower"
    unit = "dE"
    digits = 2
    fed = "CIELAB (D65) of the 8-bit pictures"

    def score(self, pair: Pair) -> PerImage:
        """[b]; see the module."""
        return delta_e_76(pair.lab_hat, pair.lab).mean(dim=(1, 2))


@register("metric", "ciede2000")
class CIEDE2000(Metric):
    """Mean CIEDE2000 difference over the pixels."""

    name = "ciede2000"
    better = "lower"
    unit = "dE"
    digits = 2
    fed = "CIELAB (D65) of the 8-bit pictures"

    def score(self, pair: Pair) -> PerImage:
        """[b]; see the module."""
        return delta_e_2000(pair.lab_hat, pair.lab).mean(dim=(1, 2))


@register("metric", "ab_l1")
class ChromaL1(Metric):
    """Mean absolute difference of a* and b*: what an L1 regression minimizes, after clipping and rounding."""

    name = "ab_l1"
    better = "lower"
    unit = "dE"
    digits = 2
    fed = "a*, b* (CIELAB units) of the 8-bit pictures"

    def score(self, pair: Pair) -> PerImage:
        """[b]; see the module."""
        return (pair.lab_hat[:, 1:] - pair.lab[:, 1:]).abs().mean(dim=(1, 2, 3))
