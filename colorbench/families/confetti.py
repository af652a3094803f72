"""Confetti: every cell of a few pixels has a random color of its own.

    ab_hat(p) = mean + C e_cell(p),   e ~ N(0, I),   C C^T = covariance of the training split's chroma, over its pixels

It knows two moments and nothing about pictures. Scores of single pixels like it better than gray, because its spread is
right; a table in which it stands above gray without an alarm beside it cannot be trusted. Draws are independent given
the picture.
"""

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from colorbench.arrays import Chroma, Luma
from colorbench.batch import Batch
from colorbench.family import Family, Objective, Weights
from colorbench.noise import Noise
from colorbench.ranges import Side
from colorbench.registry import register


@register("family", "confetti")
class Confetti(Family):
    """Nothing to train; cell: side of a cell in pixels."""

    mean: Tensor
    factor: Tensor

    def __init__(self, *, cell: Side) -> None:
        super().__init__()
        self.weights = Weights({})
        self.cell = cell
        self.register_buffer("mean", torch.zeros(2))
        self.register_buffer("factor", torch.zeros(2, 2))

    @property
    def stochastic(self) -> bool:
        return True

    def trainable(self) -> Mapping[str, nn.Module]:
        return {}

    def objectives(self, batch: Batch, noise: Noise, weights: Weights) -> Iterator[Objective]:
        yield from ()

    def prepare(self, batches: Iterable[Batch]) -> None:
        """Mean and covariance over all pixels of the training split."""
        count, total, square = 0, torch.zeros(2, dtype=torch.float64), torch.zeros(2, 2, dtype=torch.float64)
        for batch in batches:
            pixels = batch.ab.double().transpose(0, 1).flatten(1).cpu()  # 2 n
            count += pixels.shape[1]
            total += pixels.sum(1)
            square += pixels @ pixels.T
        mean = total / max(count, 1)
        covariance = square / max(count, 1) - torch.outer(mean, mean)
        self.mean.copy_(mean)
        self.factor.copy_(torch.linalg.cholesky(covariance + 1e-12 * torch.eye(2, dtype=torch.float64)))

    def colorize(self, L: Luma, noise: Noise) -> Chroma:
        h, w = L.shape[2:]
        e = noise.normal("confetti", 2, -(-h // self.cell), -(-w // self.cell)).to(L.device)
        ab = self.mean.view(1, 2, 1, 1) + torch.einsum("ij,bjhw->bihw", self.factor, e)
        large = ab.repeat_interleave(self.cell, 2).repeat_interleave(self.cell, 3)
        return large[..., :h, :w].clamp(-1.0, 1.0)
