"""Distance: how far a predicted chroma is from the true one, one number for each image.

Every distance is called as ``distance(L, ab_hat, ab) -> [b]``: chroma distances ignore L, perceptual ones need it to
make the two pictures. With e = ab_hat - ab (both in [-1, 1]), and a mean over channels and pixels:

    l1           |e|
    mse          e^2
    huber        e^2 / 2  if |e| <= delta  else  delta (|e| - delta / 2)         Huber 1964
    charbonnier  sqrt(e^2 + epsilon^2) - epsilon                                 Charbonnier et al. 1994

The mean of squares is least at the conditional mean, the mean of absolute values at the median: of two equally likely
colors both choose a dull one.
"""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import nn

from colorbench.arrays import Chroma, Luma, PerImage
from colorbench.ranges import Positive
from colorbench.registry import register


class Distance(nn.Module, ABC):
    """Called as ``distance(L, ab_hat, ab)``."""

    def __init__(self) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, L: Luma, ab_hat: Chroma, ab: Chroma) -> PerImage:
        """[b], at least 0, and 0 if both are equal."""


@register("distance", "none")
def none() -> None:
    """No such term."""
    return


@register("distance", "l1")
class L1(Distance):
    """Mean absolute difference."""

    def forward(self, L: Luma, ab_hat: Chroma, ab: Chroma) -> PerImage:
        """[b]."""
        return (ab_hat - ab).abs().mean(dim=(1, 2, 3))


@register("distance", "mse")
class MSE(Distance):
    """Mean squared difference."""

    def forward(self, L: Luma, ab_hat: Chroma, ab: Chroma) -> PerImage:
        """[b]."""
        return (ab_hat - ab).square().mean(dim=(1, 2, 3))


@register("distance", "huber")
class Huber(Distance):
    """Squares up to ``delta`` (in units of ab/128), absolute values beyond."""

    def __init__(self, *, delta: Positive) -> None:
        super().__init__()
        self.delta = delta

    def forward(self, L: Luma, ab_hat: Chroma, ab: Chroma) -> PerImage:
        """[b]."""
        return F.huber_loss(ab_hat, ab, reduction="none", delta=self.delta).mean(dim=(1, 2, 3))


@register("distance", "charbonnier")
class Charbonnier(Distance):
    """A smooth absolute value; ``epsilon`` is the width of its round tip, in units of ab/128."""

    def __init__(self, *, epsilon: Positive) -> None:
        super().__init__()
        self.epsilon = epsilon

    def forward(self, L: Luma, ab_hat: Chroma, ab: Chroma) -> PerImage:
        """[b]."""
        smooth = torch.sqrt((ab_hat - ab).square() + self.epsilon**2) - self.epsilon
        return smooth.mean(dim=(1, 2, 3))
