"""Embedders: a picture's L as one vector, for retrieval.

    thumbnail   L at grid x grid, centered and scaled, and in each of 4 x 4 cells a histogram of edge directions
                (Dalal & Triggs 2005, in small): needs no training and no weights
    embedding   a frozen trunk's last map, averaged over 2 x 2 quarters, each of unit length

A checkpoint names the trunk by its hash; a portable model holds it.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorbench.errors import UserError
from colorbench.ranges import Several, Side
from colorbench.registry import register
from colorbench.trunks.trunk import Trunk


@register("network", "thumbnail")
class Thumbnail(nn.Module):
    """[b 1 h w] in [-1, 1] -> [b grid^2 + 16 directions]; the two parts weigh the same."""

    def __init__(self, *, grid: Side, directions: Several) -> None:
        super().__init__()
        self.grid, self.directions = grid, directions

    def forward(self, L: Tensor) -> Tensor:
        small = F.adaptive_avg_pool2d(L, self.grid).flatten(1)
        small = small - 0.5 * small.mean(dim=1, keepdim=True)  # the mean matters, but less than the layout
        dx, dy = torch.gradient(F.adaptive_avg_pool2d(L, 32)[:, 0], dim=(2, 1))
        strength = (dx.square() + dy.square() + 1e-12).sqrt()
        angle = torch.atan2(dy, dx) % math.pi / math.pi * self.directions
        shares = [(1.0 - _around(angle - i, self.directions)).clamp_min(0.0) for i in range(self.directions)]
        bins = torch.stack(shares, dim=1)
        edges = F.adaptive_avg_pool2d(bins * strength[:, None], 4).flatten(1)
        return torch.cat([F.normalize(small, dim=1), F.normalize(edges, dim=1)], dim=1)


@register("network", "embedding")
class Embedding(nn.Module):
    """[b 1 h w] in [-1, 1] -> [b 4 channels], of a frozen trunk."""

    def __init__(self, *, trunk: Trunk) -> None:
        super().__init__()
        if not trunk.frozen:
            raise UserError("embedder.trunk.train: what embeds a bank must stay as it was; write none")
        self.trunk = trunk

    def forward(self, L: Tensor) -> Tensor:
        """One pass; small pictures are enlarged to 64 px, below which trunks see nothing."""
        side = min(L.shape[-2:])
        if side < 64:
            L = F.interpolate(L, scale_factor=64 / side, mode="bilinear")
        maps = self.trunk(L)[self.trunk.stride]
        return F.normalize(F.adaptive_avg_pool2d(maps, 2).flatten(2), dim=1).flatten(1)


def _around(difference: Tensor, period: int) -> Tensor:
    """Distance on a circle."""
    difference = difference.abs() % period
    return torch.minimum(difference, period - difference)
