"""Mean per lightness: the training split's mean chroma at each lightness, a table of 101 entries.

    ab_hat(p) = E[ab | L*(p)]

Skies are bright and blue, shadows are warm: how much of colorization is that? A network that looks at one pixel at a
time cannot do better under squared error.
"""

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from colorbench.arrays import Chroma, Luma
from colorbench.batch import Batch
from colorbench.family import Family, Objective, Weights
from colorbench.noise import Noise
from colorbench.registry import register

BINS = 101


@register("family", "luma_mean")
class LumaMean(Family):
    """Nothing to train; one pass over the training split. Lightness that never occurred gets the nearest that did."""

    ab: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.weights = Weights({})
        self.register_buffer("ab", torch.zeros(BINS, 2))

    def trainable(self) -> Mapping[str, nn.Module]:
        return {}

    def objectives(self, batch: Batch, noise: Noise, weights: Weights) -> Iterator[Objective]:
        yield from ()

    def prepare(self, batches: Iterable[Batch]) -> None:
        """Sums and counts of each bin."""
        total, count = torch.zeros(BINS, 2, dtype=torch.float64), torch.zeros(BINS, dtype=torch.float64)
        for batch in batches:
            bins = _bin(batch.L).flatten().cpu()
            ab = batch.ab.double().permute(0, 2, 3, 1).reshape(-1, 2).cpu()
            total.index_add_(0, bins, ab)
            count += torch.bincount(bins, minlength=BINS).double()
        seen = count.nonzero().flatten()
        if len(seen):
            nearest = seen[(torch.arange(BINS)[:, None] - seen[None]).abs().argmin(1)]
            self.ab.copy_(total[nearest] / count[nearest, None])

    def colorize(self, L: Luma, noise: Noise) -> Chroma:
        return self.ab.to(L.device)[_bin(L)[:, 0]].permute(0, 3, 1, 2).contiguous()


def _bin(L: Luma) -> Tensor:
    """int64 [b 1 h w], 0..100."""
    return ((L.float() + 1.0) * ((BINS - 1) / 2)).round().long().clamp(0, BINS - 1)
