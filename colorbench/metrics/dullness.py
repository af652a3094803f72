"""Dullness: how vivid a model leaves what the truth shows in the colors of skin, and of dyed cloth.

    dullness_r = sum over the set's pixels in r of C_hat / sum of C_true,     C = |(a*, b*)|,  r = region of the TRUTH

Regions of CIELAB, h = atan2(b*, a*):

    skin       L* 20 to 90, h 25 to 80 degrees, C 8 to 38
    textiles   L* 20 to 90, C 40 and more, no leaf (h 95 to 165) and no sky (h 200 to 290)

The limits are ours: skin's lie around both skins of the ColorChecker (McCamy et al. 1976), those of textiles hold its
saturated patches but green and blue, which in photographs are mostly leaves and sky.
1 is as vivid as the truth, 0 is gray. Nobody looks for people or clothes: sand, wood and brick lie in skin's region,
flowers and traffic signs in that of textiles. And the region is chosen by the truth's chroma, so what is not certain
regresses: a perfect sampler's ratio on textiles is BELOW 1. So the columns are described, not ranked; compare rows of
one table. A picture without such pixels counts nothing, and a set without any has no number.
"""

import math
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from torch import Tensor

from colorbench.arrays import Lab, PerImage
from colorbench.column import Column, Derived
from colorbench.metrics.metric import Metric, Pair
from colorbench.registry import register

Region = Literal["skin", "textiles"]
REGIONS: tuple[Region, ...] = ("skin", "textiles")
_LIGHT = (20.0, 90.0)
_SKIN_HUE, _SKIN_CHROMA = (25.0, 80.0), (8.0, 38.0)
_DYE_CHROMA, _LEAF, _SKY = 40.0, (95.0, 165.0), (200.0, 290.0)


def _share(hat: Any, true: Any) -> Any:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.asarray(true) > 0, np.divide(hat, true), np.nan)


DERIVED = {
    f"dullness_{region}": Derived(
        (f"chroma_{region}", f"chroma_{region}_true"),
        _share,
        Column(f"chroma ratio, {region}", "neither", 2, "", f"where the truth has colors of {region}", low=0.0),
    )
    for region in REGIONS
}
"""Of the sums over a set."""


def region(lab: Lab, name: Region) -> Tensor:
    """[b h w], bool: the pixels of a true picture that lie in the region."""
    L, a, b = lab.unbind(1)
    chroma, hue = a.hypot(b), b.atan2(a).mul(180.0 / math.pi).remainder(360.0)

    def lies(x: Tensor, limits: tuple[float, float]) -> Tensor:
        return (x >= limits[0]) & (x <= limits[1])

    if name == "skin":
        return lies(L, _LIGHT) & lies(hue, _SKIN_HUE) & lies(chroma, _SKIN_CHROMA)
    return lies(L, _LIGHT) & (chroma >= _DYE_CHROMA) & ~lies(hue, _LEAF) & ~lies(hue, _SKY)


@register("metric", "region_chroma")
class RegionChroma(Metric):
    """Chroma of the prediction (``of="true"``: of the truth) in a region of the truth, summed over the picture's pixels
    and divided by their number: 0 where the picture has no such pixel."""

    better = "neither"
    digits = 3
    fed = "a*, b* of the 8-bit pictures, in a region of the truth's L*, hue and chroma"

    def __init__(self, *, region: Region, of: Literal["hat", "true"]) -> None:
        self.region, self.of = region, of
        self.name = f"chroma_{region}{'_true' if of == 'true' else ''}"

    @classmethod
    def column(cls, name: str) -> Column | None:
        known = {source for derived in DERIVED.values() for source in derived.sources}
        return replace(cls.declared(name), part=True) if name in known else None

    def score(self, pair: Pair) -> PerImage:
        inside = pair.of_truth(f"region {self.region}", lambda p: region(p.lab, self.region))
        a, b = (pair.lab if self.of == "true" else pair.lab_hat)[:, 1:].unbind(1)
        return (a.hypot(b) * inside).mean(dim=(1, 2))
