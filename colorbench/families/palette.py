"""Palette: the chroma plane cut into bins of 10 CIELAB units (Zhang, Isola & Efros 2016), for families that classify.

centers   the points of the grid 10 Z x 10 Z that are the nearest one of some sRGB color: 259 of them
soft      a color's probabilities: its 5 nearest centers, weighted by exp(-d^2 / (2 SIGMA^2))
floor     what is lost when the truth itself is written in centers (``error``, CIELAB units)
"""

import torch
from torch import Tensor, nn

from colorbench import color
from colorbench.arrays import Bins, Logits, Small

STEP = 10.0  # CIELAB units between centers
SIGMA = 5.0
NEAREST = 5
LEVELS = 33  # of R, G and B that are looked at to see which bins the gamut has


class Palette(nn.Module):
    """centers [q 2], in CIELAB units."""

    centers: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("centers", _centers(), persistent=False)

    def __len__(self) -> int:
        return len(self.centers)

    def nearest(self, small: Small) -> Bins:
        """The bin of every color, [b y x]."""
        return self._squares(small).argmin(dim=-1)

    def soft(self, small: Small) -> Logits:
        """Probabilities [b q y x] of every color."""
        squares, bins = self._squares(small).topk(NEAREST, dim=-1, largest=False)
        weights = torch.softmax(-squares / (2.0 * SIGMA**2), dim=-1)
        return weights.new_zeros(*weights.shape[:-1], len(self)).scatter_(-1, bins, weights).movedim(-1, 1)

    def colors(self, bins: Bins) -> Small:
        """The centers, as chroma [b 2 y x] in units of ab/128."""
        return (self.centers[bins] / color.AB_UNIT).movedim(-1, 1)

    def mean(self, probabilities: Logits) -> Small:
        return torch.einsum("bqyx,qc->bcyx", probabilities, self.centers / color.AB_UNIT)

    def error(self, small: Small) -> Tensor:
        """[b y x]: distance of every color from its bin's center, CIELAB units."""
        return (self.colors(self.nearest(small)) - small).norm(dim=1) * color.AB_UNIT

    def smooth(self, counts: Tensor) -> Tensor:
        """[q] counts -> probabilities, smoothed over the plane by a Gaussian of SIGMA."""
        kernel = torch.softmax(-torch.cdist(self.centers, self.centers).square() / (2.0 * SIGMA**2), dim=1)
        smoothed = counts.float() @ kernel
        return smoothed / smoothed.sum()

    def _squares(self, small: Small) -> Tensor:
        """[b y x q]: squared distances from the centers."""
        ab = small.float().movedim(1, -1) * color.AB_UNIT
        return ab.square().sum(-1, keepdim=True) - 2.0 * ab @ self.centers.T + self.centers.square().sum(-1)


def drawn(logits: Logits, u: Tensor) -> Bins:
    """A bin of each cell by its probabilities softmax(logits): the one where their sum passes u [b y x] in (0, 1)."""
    sums = torch.softmax(logits.float(), dim=1).cumsum(dim=1)
    return (sums < u[:, None] * sums[:, -1:]).sum(dim=1).clamp_max(logits.shape[1] - 1)


def _centers() -> Tensor:
    steps = torch.linspace(0.0, 1.0, LEVELS, device="cpu")  # also of a model on paper (schema.py)
    rgb = torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij")).view(1, 3, LEVELS**2, LEVELS)
    ab = color.rgb_to_lab(rgb)[0, 1:].flatten(1).T
    return torch.unique((ab / STEP).round(), dim=0) * STEP
