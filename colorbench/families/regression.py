"""Regression: one network, one distance.

    theta* = argmin  E [ weight_d distance(net(L), ab) + weight_p perceptual(net(L), ab) ]

It answers with one color where many are possible: the mean of them under squares, the median under absolute values.
Trained long enough it is the best there is under PSNR and the dullest to the eye, so every sampler is measured by it.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

from torch import nn

from colorbench import color
from colorbench.arrays import Chroma, Luma
from colorbench.batch import Batch
from colorbench.family import Family, Objective, Weights, weigh
from colorbench.losses.distance import Distance
from colorbench.losses.terms import chroma_ratio, coefficients
from colorbench.noise import Noise
from colorbench.ranges import NotNegative
from colorbench.registry import register


@register("family", "regression")
class Regression(Family):
    """network: [b 1 h w] -> [b 2 h w] in [-1, 1] (head ab), or -> [b 3 h w] in [-1, 1], an sRGB picture scaled by
    2 rgb - 1, whose chroma is taken (head rgb)."""

    def __init__(
        self,
        *,
        network: nn.Module,
        head: Literal["ab", "rgb"],
        distance: Distance,
        perceptual: Distance | None,
        weights: Mapping[str, NotNegative],
    ) -> None:
        super().__init__()
        self.network, self.head = network, head
        self.distance, self.perceptual = distance, perceptual
        self.weights = coefficients(weights, "distance", "perceptual")

    def trainable(self) -> Mapping[str, nn.Module]:
        return {"network": self.network}

    def objectives(self, batch: Batch, noise: Noise, weights: Weights) -> Iterator[Objective]:
        ab_hat = self.colorize(batch.L, noise)
        terms = {}
        if weights["distance"]:
            terms["distance"] = self.distance(batch.L, ab_hat, batch.ab)
        if weights["perceptual"] and self.perceptual is not None:
            terms["perceptual"] = self.perceptual(batch.L, ab_hat, batch.ab)
        yield Objective(weigh(terms, weights), "network", {**terms, "chroma_ratio": chroma_ratio(ab_hat, batch.ab)})

    def colorize(self, L: Luma, noise: Noise) -> Chroma:
        """The network's answer; noise is not used."""
        output = self.network(L).float()
        if self.head == "rgb":
            output = color.split(color.rgb_to_lab(output * 0.5 + 0.5))[1].clamp(-1.0, 1.0)
        return output
