"""Enlarging: how families that draw a small chroma map come to full size, and what can be learned of it.

    guided      along the edges of L, nothing to learn (see networks/guided.py)
    learned     a small network (see networks/enlarger.py), trained beside the family's own as a group of its own,
                on the truth's small map with noise:

                x = shrink(ab) / std + s n,   s ~ U(0, 0.5) for each picture,   error = |enlarger(x, L) - ab / std|

n is normal noise of cells, of 2 x 2 and of 4 x 4 cells in equal parts, so the network learns to see which colors belong
to one thing, and evens them: draws of small maps are mottled just there. What it is trained on is no draw of the
family, so the one never waits for the other, and a trained family learns it afterwards:

    colorbench model=flow init_from=RUN model.enlarge=learned phases=enlarger_only budget.images=8000

More noise evens more and pulls the draws to their mean: experiments/03_ablations/enlarging.md.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorbench.arrays import Chroma, Luma
from colorbench.batch import Batch
from colorbench.family import Objective
from colorbench.networks.enlarger import Learned
from colorbench.networks.guided import enlarge, shrink
from colorbench.noise import Noise

Enlarged = Literal["guided", "learned"]

WIDTH = 16
LOUDEST = 0.5
"""The most noise, in deviations of the small map."""
OCTAVES = (1, 2, 4)
"""Sides of the noise, in cells."""
SHARE = 4
"""One of so many pictures of a batch trains the enlarger."""


class Enlarging(nn.Module):
    """small chroma [b 2 ceil(h / scale) ceil(w / scale)] and L [b 1 h w] -> ab [b 2 h w] in [-1, 1]."""

    std: Tensor

    def __init__(self, scale: int, how: Enlarged) -> None:
        super().__init__()
        self.scale, self.learned = scale, how == "learned"
        if self.learned:
            self.net = Learned(2, scale, WIDTH)
            self.register_buffer("std", torch.full((1, 2, 1, 1), 0.12))

    def fit(self, std: Tensor) -> None:
        """std [1 2 1 1]: of the small map over the training split."""
        if self.learned:
            self.std.copy_(std)

    def forward(self, small: Tensor, L: Luma) -> Chroma:
        if not self.learned:
            return enlarge(small, L, self.scale).clamp(-1.0, 1.0)
        return (self.net(small / self.std, L) * self.std).clamp(-1.0, 1.0)

    def trainable(self) -> Mapping[str, nn.Module]:
        """The family's further group, if there is anything to learn."""
        return {"enlarger": self.net} if self.learned else {}

    def objectives(self, batch: Batch, noise: Noise) -> Iterator[Objective]:
        """The mean absolute error in deviations, [b]: of a quarter of the pictures; the rest take its mean."""
        if not self.learned:
            return
        b = len(batch)
        part = batch.split(-(-b // SHARE))[0]
        n = len(part)
        clean = shrink(part.ab, self.scale).float()
        loud = LOUDEST * noise.uniform("enlarger")[:n, None, None, None]
        x = clean + loud * rough(noise, *clean.shape[-2:])[:n] * self.std
        error = ((self.net(x / self.std, part.L) - part.ab / self.std).abs()).mean(dim=(1, 2, 3))
        yield Objective(torch.cat([error, error.mean().expand(b - n)]), "enlarger", {"enlarger": error})


def rough(noise: Noise, height: int, width: int) -> Tensor:
    """Normal noise [b 2 height width] of deviation about 1, of ``OCTAVES`` in equal parts."""
    parts = []
    for side in OCTAVES:
        grid = -(-height // side), -(-width // side)
        drawn = noise.normal(f"enlarger {side}", 2, *grid)
        wide = F.interpolate(drawn, (grid[0] * side, grid[1] * side), mode="nearest") if side > 1 else drawn
        parts.append(wide[..., :height, :width])
    return torch.stack(parts).sum(0) / len(OCTAVES) ** 0.5
