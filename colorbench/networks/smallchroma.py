"""Small chroma: the standardized map that small networks draw instead of a picture's ab.

    x = (shrink(ab) - mean) / std              mean and std of the training split's small maps, for each channel
    ab = enlarge(x std + mean), clipped        see colorbench/families/enlarging.py

The chroma of photographs has a deviation near 0.12 in units of ab/128, and needs less resolution than L.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from colorbench.arrays import Chroma
from colorbench.batch import Batch
from colorbench.networks.guided import shrink


def moments(batches: Iterable[Batch], scale: int) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation [1 2 1 1] of the small maps of a split."""
    count, total, squares = 0, torch.zeros(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    for batch in batches:
        small = shrink(batch.ab, scale).double().cpu()
        count += small[:, 0].numel()
        total += small.sum(dim=(0, 2, 3))
        squares += small.square().sum(dim=(0, 2, 3))
    mean = total / count
    std = (squares / count - mean.square()).clamp_min(1e-6).sqrt()
    return mean.float().view(1, 2, 1, 1), std.float().view(1, 2, 1, 1)


class SmallChroma(nn.Module):
    """mean, std [1 2 1 1]: buffers that :meth:`fit` fills. scale: how much smaller than L."""

    mean: Tensor
    std: Tensor

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("mean", torch.zeros(1, 2, 1, 1))
        self.register_buffer("std", torch.full((1, 2, 1, 1), 0.12))

    def fit(self, batches: Iterable[Batch]) -> None:
        """Measure the mean and the standard deviation over a split."""
        mean, std = moments(batches, self.scale)
        self.mean.copy_(mean)
        self.std.copy_(std)

    def of(self, ab: Chroma) -> Tensor:
        """[b 2 h w] -> the standardized map [b 2 ceil(h / scale) ceil(w / scale)]."""
        return (shrink(ab, self.scale) - self.mean) / self.std

    def small(self, x: Tensor) -> Tensor:
        """The standardized map -> the small chroma, in units of ab."""
        return x * self.std + self.mean
