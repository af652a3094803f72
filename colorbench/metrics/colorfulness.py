"""How colorful a picture is (Hasler & Suesstrunk, "Measuring colourfulness in natural images", 2003).

    rg = R - G,   yb = (R + G)/2 - B,   M3 = sqrt(s_rg^2 + s_yb^2) + 0.3 sqrt(m_rg^2 + m_yb^2)

with means m and standard deviations s over the pixels of the 8-bit picture. The axes are signed. A popular variant
takes |rg| and |yb| first, which is lower by 9 % on average and up to 27 %; the colorization literature uses that one,
and ``metrics.compat=ddcolor`` adds it under the name ``colorfulness_abs(ddcolor)``. Higher is not better: what
counts is the distance to the truth, so the report derives |mean M3_hat - mean M3| over the set, and the mean of
|M3_hat - M3|.
"""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from colorbench.arrays import Bytes, PerImage
from colorbench.color import mean_chroma
from colorbench.column import Column, Derived
from colorbench.metrics.metric import Metric, Pair
from colorbench.registry import register

_SIGNED, _ABSOLUTE = "colorfulness", "colorfulness_abs(ddcolor)"
DERIVED = {
    "delta_colorfulness_of_means": Derived(
        (_SIGNED, f"{_SIGNED}_true"),
        lambda hat, true: abs(hat - true),
        Column("ΔCF", "lower", 2, "", "difference of the mean colorfulness of predictions and truths", low=0.0),
    ),
    "delta_colorfulness_of_means_abs(ddcolor)": Derived(
        (_ABSOLUTE, f"{_ABSOLUTE}_true"),
        lambda hat, true: abs(hat - true),
        Column("ΔCF abs (ddcolor)", "lower", 2, "", "the literature's delta colorfulness", low=0.0),
    ),
    "mean_drift": Derived(
        ("drift_a", "drift_b"),
        np.hypot,
        Column("drift", "lower", 2, "dE", "distance of the set's mean color from the truth's", low=0.0),
    ),
}
"""Of the means over a set."""


def colorfulness(pixels: Bytes, *, absolute: bool = False) -> PerImage:
    """[b] M3 of 8-bit RGB pictures; 0 for gray. ``absolute`` is the literature's |rg|, |yb| variant."""
    red, green, blue = pixels.float().unbind(1)  # sums of integers: float32 holds the moments to 1e-6
    axes = red - green, (red + green).mul_(0.5).sub_(blue)
    (m_rg, v_rg), (m_yb, v_yb) = (_moments(axis.abs() if absolute else axis) for axis in axes)
    return torch.sqrt(v_rg + v_yb) + 0.3 * torch.hypot(m_rg, m_yb)


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of each picture [b h w], which it uses up."""
    mean = x.mean(dim=(1, 2))
    return mean, x.sub_(mean[:, None, None]).square_().mean(dim=(1, 2))


def _of_pair(pair: Pair, of: str, absolute: bool) -> PerImage:
    name = f"colorfulness {of} {absolute}"
    return pair.view(name, lambda p: colorfulness(p.hat if of == "hat" else p.true, absolute=absolute))


@register("metric", "colorfulness")
class Colorfulness(Metric):
    """Colorfulness of the prediction, or of the truth (``of="true"``), whose mean is a check of the picture set itself.

    compat: "ddcolor" is the literature's absolute variant, under its own name.
    """

    better = "neither"
    digits = 2
    fed = "8-bit RGB"

    def __init__(self, *, of: Literal["hat", "true"] = "hat", compat: Literal["none", "ddcolor"] = "none") -> None:
        self.of = of
        self.absolute = compat == "ddcolor"
        self.name = _ABSOLUTE if self.absolute else _SIGNED
        if of == "true":
            self.name += "_true"

    @classmethod
    def column(cls, name: str) -> Column | None:
        return cls.declared(name) if name.removesuffix("_true") in (_SIGNED, _ABSOLUTE) else None

    def score(self, pair: Pair) -> PerImage:
        return _of_pair(pair, self.of, self.absolute)


@register("metric", "delta_colorfulness")
class DeltaColorfulness(Metric):
    """|M3_hat - M3| of each picture. Its mean is larger than the literature's difference of means (12.6 against 18.1
    on one published set): the report prints both, named."""

    better = "lower"
    digits = 2
    fed = "8-bit RGB"

    def __init__(self, *, compat: Literal["none", "ddcolor"] = "none") -> None:
        self.absolute = compat == "ddcolor"
        self.name = f"delta_{_ABSOLUTE if self.absolute else _SIGNED}"

    @classmethod
    def column(cls, name: str) -> Column | None:
        titles = {f"delta_{_SIGNED}": "ΔCF (per image)", f"delta_{_ABSOLUTE}": f"delta {_ABSOLUTE}"}
        return cls.declared(titles[name]) if name in titles else None

    def score(self, pair: Pair) -> PerImage:
        hat, true = (_of_pair(pair, of, self.absolute) for of in ("hat", "true"))
        return (hat - true).abs()


@register("metric", "chroma_ratio")
class ChromaRatio(Metric):
    """Mean chroma of the prediction over mean chroma of the truth: 0 is gray, 1 as vivid as the truth. The mean
    color of many possibilities is dull, so a ratio well below 1 is the mark of regression to the mean."""

    name = "chroma_ratio"
    better = "neither"
    digits = 3
    fed = "a*, b* of the 8-bit pictures; a truth of mean chroma below 1 counts as 1"

    def score(self, pair: Pair) -> PerImage:
        hat, true = (mean_chroma(lab[:, 1:]) for lab in (pair.lab_hat, pair.lab))
        return hat / true.clamp_min(1.0)


@register("metric", "drift")
class Drift(Metric):
    """Signed mean difference of one chroma axis. Over a set, hypot(mean drift_a, mean drift_b) is the drift of the mean
    color: a sepia or a blue cast that per-pixel errors hide."""

    low, high = -256.0, 256.0
    better = "neither"
    unit = "dE"
    digits = 2
    fed = "one of a*, b* (CIELAB units) of the 8-bit pictures"

    def __init__(self, *, axis: Literal["a", "b"]) -> None:
        self.name = f"drift_{axis}"
        self.channel = "Lab".index(axis)

    @classmethod
    def column(cls, name: str) -> Column | None:
        return cls.declared(name) if name in ("drift_a", "drift_b") else None

    def score(self, pair: Pair) -> PerImage:
        return (pair.lab_hat[:, self.channel] - pair.lab[:, self.channel]).mean(dim=(1, 2))
