"""Mean: one color for every pixel of every picture, the training split's mean chroma.

    ab_hat = (1/N) sum_i mean_hw ab_i

The best constant under squared error: what a network that learned nothing about content can still learn.
"""

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from colorbench.arrays import Chroma, Luma
from colorbench.batch import Batch
from colorbench.family import Family, Objective, Weights
from colorbench.noise import Noise
from colorbench.registry import register


@register("family", "mean")
class Mean(Family):
    """Nothing to train; one pass over the training split."""

    ab: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.weights = Weights({})
        self.register_buffer("ab", torch.zeros(2))

    def trainable(self) -> Mapping[str, nn.Module]:
        return {}

    def objectives(self, batch: Batch, noise: Noise, weights: Weights) -> Iterator[Objective]:
        yield from ()

    def prepare(self, batches: Iterable[Batch]) -> None:
        """The mean of the pictures' means."""
        total, count = torch.zeros(2, dtype=torch.float64), 0
        for batch in batches:
            total += batch.ab.double().mean(dim=(2, 3)).sum(0).cpu()
            count += len(batch)
        self.ab.copy_(total / max(count, 1))

    def colorize(self, L: Luma, noise: Noise) -> Chroma:
        return self.ab.to(L.device).view(1, 2, 1, 1).expand(L.shape[0], 2, *L.shape[2:]).clone()
