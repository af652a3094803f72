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
_TURN = (1 - 1e-6) / (2 * math.pi)  # opposite hues are a tie that float32 must not break


def delta_e_76(lab_hat: Lab, lab: Lab) -> Tensor:
    """[b h w] Euclidean distance in CIELAB."""
    return (lab_hat - lab).square().sum(dim=1).sqrt()


def delta_e_2000(lab_hat: Lab, lab: Lab) -> Tensor:
    """[b h w] CIEDE2000. In the precision of the input; not meant as a loss (its slope at gray is not finite).

    Written without a branch: turns of hue are counted by rounding, which processors do many times faster than they
    choose. Where one color is gray dH is 0 whatever the hues are. Two clamps keep numbers that do not matter from
    becoming denormal, which would make everything four times slower.
    """
    L1, a1, b1 = lab.unbind(1)
    L2, a2, b2 = lab_hat.unbind(1)
    C_mean7 = _pow7((_length(a1, b1) + _length(a2, b2)) / 2)
    stretch = 1.5 - 0.5 * torch.sqrt(C_mean7 / (C_mean7 + _25_7))  # 1 + G
    a1, a2 = a1 * stretch, a2 * stretch
    C1, C2 = _length(a1, b1), _length(a2, b2)
    h1, h2 = (_positive(torch.atan2(b, a)) for a, b in ((a1, b1), (a2, b2)))

    dL, dC, dh = L2 - L1, C2 - C1, h2 - h1
    turns = torch.round(dh * _TURN)  # -1, 0 or 1: beyond 180 degrees the other way round is shorter
    dH = 2 * torch.sqrt(C1 * C2) * torch.sin((dh - 2 * math.pi * turns) / 2)

    L_mean, C_mean = (L1 + L2) / 2, (C1 + C2) / 2
    h_mean = _positive((h1 + h2) / 2 + math.pi * turns.abs())  # equation 14: over the shorter arc
    cos1, sin1 = torch.cos(h_mean), torch.sin(h_mean)  # and the multiples of the hue from them
    cos2, sin2 = 2 * cos1 * cos1 - 1, 2 * sin1 * cos1
    cos3, sin3 = cos2 * cos1 - sin2 * sin1, sin2 * cos1 + cos2 * sin1
    cos4, sin4 = 2 * cos2 * cos2 - 1, 2 * sin2 * cos2
    T = (
        1
        - 0.17 * _turned(cos1, sin1, 30)
        + 0.24 * cos2
        + 0.32 * _turned(cos3, sin3, -6)
        - 0.20 * _turned(cos4, sin4, 63)
    )
    from_blue = (h_mean - math.radians(275)) / math.radians(25)
    d_theta = math.radians(30) * torch.exp(-from_blue.square().clamp_max(40.0))
    C_mean7 = _pow7(C_mean)
    R_T = -torch.sin(2 * d_theta) * 2 * torch.sqrt(C_mean7 / (C_mean7 + _25_7))
    from_mid = (L_mean - 50).square()
    S_L = 1 + 0.015 * from_mid / torch.sqrt(20 + from_mid)
    dL, dC, dH = dL / S_L, dC / (1 + 0.045 * C_mean), dH / (1 + 0.015 * C_mean * T)
    return torch.sqrt((dL * dL + dC * dC + dH * dH + R_T * dC * dH).clamp_min(0.0))


def _turned(cos: Tensor, sin: Tensor, degrees: float) -> Tensor:
    """cos(angle - degrees)."""
    return cos * math.cos(math.radians(degrees)) + sin * math.sin(math.radians(degrees))


def _positive(angle: Tensor) -> Tensor:
    """To [0, 2 pi)."""
    return angle - 2 * math.pi * torch.floor(angle / (2 * math.pi))


def _length(a: Tensor, b: Tensor) -> Tensor:
    return torch.sqrt(a * a + b * b)


def _pow7(x: Tensor) -> Tensor:
    x = x.clamp_min(1e-3)
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
        return pair.view("delta_e_2000", lambda p: delta_e_2000(p.lab_hat, p.lab)).mean(dim=(1, 2))


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
