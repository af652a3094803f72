"""Gray: no color at all, ab = 0. The row that every number must be read beside.

With the true L re-attached gray is a strong answer to per-pixel metrics (SSIM 0.86 on photographs): a model that does
not beat it has not shown that it colors.
"""

from collections.abc import Iterator, Mapping

from torch import nn

from colorbench.arrays import Chroma, Luma
from colorbench.batch import Batch
from colorbench.family import Family, Objective, Weights
from colorbench.noise import Noise
from colorbench.registry import register


@register("family", "gray")
class Gray(Family):
    """Nothing to train."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = Weights({})

    def trainable(self) -> Mapping[str, nn.Module]:
        return {}

    def objectives(self, batch: Batch, noise: Noise, weights: Weights) -> Iterator[Objective]:
        yield from ()

    def colorize(self, L: Luma, noise: Noise) -> Chroma:
        return L.new_zeros(L.shape[0], 2, *L.shape[2:])
