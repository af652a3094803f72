"""Color difference: how far apart two colors look, in CIELAB units (a difference of about 1 is just noticeable).

    dE76 = |Lab_hat - Lab|                                                         (CIE 1976)
    dE00 = sqrt( (dL'/SL)^2 + (dC'/SC)^2 + (dH'/SH)^2 + RT (dC'/SC)(dH'/SH) )      (CIEDE2000, kL = kC = kH = 1)

after Sharma, Wu & Dalal, "The CIEDE2000 color-difference formula: implementation notes, supplementary test data, and
mathematical observations" (2005), whose 34 pairs are a test. dE76 calls the difference of two saturated blues many
times larger than people do; dE00 corrects that and is the headline.
"""

import math

import numpy as np
import torch
from numpy.polynomial.chebyshev import cheb2poly
from torch import Tensor

from colorbench.arrays import Lab, PerImage
from colorbench.metrics.metric import Metric, Pair
from colorbench.registry import register

_TURN = (1 - 1e-6) / (2 * math.pi)  # opposite hues are a tie that float32 must not break


def delta_e_76(lab_hat: Lab, lab: Lab) -> Tensor:
    """[b h w] Euclidean distance in CIELAB."""
    L, a, b = (lab_hat - lab).unbind(1)
    return (L * L).addcmul_(a, a).addcmul_(b, b).sqrt_()


@torch.no_grad()
def delta_e_2000(lab_hat: Lab, lab: Lab) -> Tensor:
    """[b h w] CIEDE2000. In the precision of the input; without a gradient (at gray there is none).

    Written without a branch: turns of hue are counted by rounding, which processors do many times faster than they
    choose. Where one color is gray dH is 0 whatever the hues are. Two clamps keep numbers that do not matter from
    becoming denormal, which would make everything four times slower. Most steps overwrite a term that is not needed
    again, and sums stand where the formula has means (C1 + C2 for C_mean and so on): memory is what takes the time.
    """
    L1, a1, b1 = lab.unbind(1)
    L2, a2, b2 = lab_hat.unbind(1)
    stretch = _chroma_share(_length(a1, b1).add_(_length(a2, b2))).mul_(-0.5).add_(1.5)  # 1 + G
    a1, a2 = a1 * stretch, a2 * stretch
    C1, C2 = _length(a1, b1), _length(a2, b2)
    h1, h2 = (torch.atan2(-b, a.neg_()) for a, b in ((a1, b1), (a2, b2)))  # hue less half a turn, so that 0 is the cut

    half = h2 - h1
    turns = (half * _TURN).round_()  # -1, 0 or 1: beyond 180 degrees the other way round is shorter
    dH = half.mul_(0.5).sub_(turns, alpha=math.pi).sin_().mul_((C1 * C2).sqrt_())  # half of it
    h_mean = h1.add_(h2).mul_(0.5).add_(turns.abs_(), alpha=math.pi).add_(math.pi)  # equation 14: over the shorter arc
    h_mean.sub_((h_mean * (0.5 / math.pi)).floor_(), alpha=2 * math.pi)
    cos, sin = h_mean.cos(), h_mean.sin()
    T = _polynomial(cos, _T_EVEN).addcmul_(_polynomial(cos, _T_ODD), sin)
    bell = h_mean.sub_(math.radians(275)).square_().mul_(-1 / math.radians(25) ** 2).clamp_(min=-40.0).exp_()

    dC, C_sum = C2 - C1, C1.add_(C2)
    R_T = bell.mul_(math.radians(60)).sin_().mul_(_chroma_share(C_sum))  # half of it, without its sign
    from_mid = (L1 + L2).sub_(100).square_()  # four times (L_mean - 50)^2
    S_L = from_mid.mul_((from_mid + 80).rsqrt_()).mul_(0.0075).add_(1)
    dL = (L2 - L1).div_(S_L)
    dH = dH.div_(T.mul_(C_sum).mul_(0.00375).add_(0.5))  # dH / S_H, both halved
    dC = dC.div_(C_sum.mul_(0.0225).add_(1))
    cross = dH.sub(R_T.mul_(dC), alpha=2).mul_(dH)  # dH^2 + R_T dC dH
    return cross.addcmul_(dL, dL).addcmul_(dC, dC).clamp_(min=0.0).sqrt_()


def _chroma_share(C_sum: Tensor) -> Tensor:
    """sqrt(C^7 / (C^7 + 25^7)) with C = C_sum / 2."""
    C = C_sum.clamp(min=2e-3)
    square = C * C
    C7 = C.mul_(square).mul_(square).mul_(square)
    return C7.div_(C7 + 50.0**7).sqrt_()


def _polynomial(x: Tensor, coefficients: tuple[float, ...]) -> Tensor:
    """Highest power first."""
    highest, *others = coefficients
    value = (x * highest).add_(others[0])
    for coefficient in others[1:]:
        value.mul_(x).add_(coefficient)
    return value


def _length(a: Tensor, b: Tensor) -> Tensor:
    return (a * a).addcmul_(b, b).sqrt_()


def _hue_terms() -> tuple[tuple[float, ...], tuple[float, ...]]:
    """T = 1 - 0.17 cos(h - 30) + 0.24 cos 2h + 0.32 cos(3h + 6) - 0.20 cos(4h - 63) as E(cos h) + sin h O(cos h)."""
    even, odd = np.poly1d([1.0]), np.poly1d([0.0])
    for n, weight, shift in ((1, -0.17, 30), (2, 0.24, 0), (3, 0.32, -6), (4, -0.20, 63)):
        multiple = np.poly1d(cheb2poly([0.0] * n + [1.0])[::-1])  # cos nh; its derivative over n is sin nh / sin h
        even += weight * math.cos(math.radians(shift)) * multiple
        odd += weight * math.sin(math.radians(shift)) * multiple.deriv() / n
    return tuple(even.coeffs.tolist()), tuple(odd.coeffs.tolist())


_T_EVEN, _T_ODD = _hue_terms()


@register("metric", "delta_e_76")
class DeltaE76(Metric):
    """Mean CIE 1976 difference over the pixels."""

    name = "delta_e_76"
    title = "dE76"
    better = "lower"
    unit = "dE"
    digits = 2
    fed = "CIELAB (D65) of the 8-bit pictures"

    def score(self, pair: Pair) -> PerImage:
        return delta_e_76(pair.lab_hat, pair.lab).mean(dim=(1, 2))


@register("metric", "ciede2000")
class CIEDE2000(Metric):
    """Mean CIEDE2000 difference over the pixels."""

    name = "ciede2000"
    title = "CIEDE2000"
    better = "lower"
    unit = "dE"
    digits = 2
    fed = "CIELAB (D65) of the 8-bit pictures"

    def score(self, pair: Pair) -> PerImage:
        return pair.view("delta_e_2000", lambda p: delta_e_2000(p.lab_hat, p.lab)).mean(dim=(1, 2))


@register("metric", "ab_l1")
class ChromaL1(Metric):
    """Mean absolute difference of a* and b*: what an L1 regression minimizes, after clipping and rounding."""

    name = "ab_l1"
    title = "ab L1"
    better = "lower"
    unit = "dE"
    digits = 2
    fed = "a*, b* (CIELAB units) of the 8-bit pictures"

    def score(self, pair: Pair) -> PerImage:
        return (pair.lab_hat[:, 1:] - pair.lab[:, 1:]).abs_().mean(dim=(1, 2, 3))
