"""Nearest neighbor: the colors of the training picture whose lightness looks most alike.

    ab_hat(L) = ab_j,   j = argmin_i | D(L) - D(L_i) |^2,   D = lightness at 16 x 16, standardized

What memory alone gives. The neighbor's chroma is kept at 32 px and laid over the picture, so its edges do not follow.
"""

from collections.abc import Iterable, Iterator, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorbench.arrays import Chroma, Luma
from colorbench.batch import Batch
from colorbench.family import Family, Objective, Weights
from colorbench.noise import Noise
from colorbench.ranges import Count
from colorbench.registry import register

_SIDE = 32


@register("family", "nearest")
class Nearest(Family):
    """Nothing to train; the first ``bank`` pictures of the training split are remembered."""

    keys: Tensor
    ab: Tensor
    count: Tensor

    def __init__(self, *, bank: Count) -> None:
        super().__init__()
        self.weights = Weights({})
        self.register_buffer("keys", torch.zeros(bank, 256))
        self.register_buffer("ab", torch.zeros(bank, 2, _SIDE, _SIDE, dtype=torch.int8))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def trainable(self) -> Mapping[str, nn.Module]:
        return {}

    def objectives(self, batch: Batch, noise: Noise, weights: Weights) -> Iterator[Objective]:
        yield from ()

    def prepare(self, batches: Iterable[Batch]) -> None:
        """Fill the bank; the rest of the pass is not used."""
        n = 0
        for batch in batches:
            taken = min(len(batch), len(self.keys) - n)
            if taken == 0:
                break
            self.keys[n : n + taken] = _describe(batch.L[:taken]).to(self.keys)
            small = F.interpolate(batch.ab[:taken].float(), (_SIDE, _SIDE), mode="area")
            self.ab[n : n + taken] = (small * 127).round().to(self.ab)
            n += taken
        self.count.fill_(n)

    def colorize(self, L: Luma, noise: Noise) -> Chroma:
        """The neighbor's chroma; gray from an empty bank."""
        n = int(self.count)
        if n == 0:
            return L.new_zeros(L.shape[0], 2, *L.shape[2:])
        nearest = torch.cdist(_describe(L), self.keys[:n].to(L.device)).argmin(1)
        ab = self.ab.to(L.device)[nearest].float() / 127
        return F.interpolate(ab, L.shape[2:], mode="bilinear", align_corners=False)


def _describe(L: Luma) -> Tensor:
    """[b 256], mean 0 and length 1."""
    small = F.interpolate(L.float(), (16, 16), mode="area").flatten(1)
    return F.normalize(small - small.mean(1, keepdim=True), dim=1)
