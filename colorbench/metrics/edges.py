"""Edge leak: are colors more wrong beside edges than elsewhere?

    leak = mean dE00 over the band - mean dE00 over the rest

where the band is every pixel within 2 px of a strong edge of the true L* (gradient among the picture's highest 10 %,
and at least 5 per px). Color that bleeds over an outline makes it positive; the whole-picture mean hardly moves.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from colorbench.arrays import PerImage
from colorbench.metrics.difference import delta_e_2000
from colorbench.metrics.metric import Metric, Pair
from colorbench.registry import register


def edge_band(lightness: Tensor) -> Tensor:
    """Bool [b h w]: pixels within 2 px of a strong edge of L* [b h w]."""
    padded = F.pad(lightness[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    dx, dy = (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]) / 2, (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]) / 2
    steep = torch.hypot(dx, dy)
    count = steep[0].numel()
    bar = steep.flatten(1).kthvalue(max(1, int(0.9 * count)), dim=1).values.clamp_min(5.0)
    strong = (steep >= bar[:, None, None]).float()
    return F.max_pool2d(strong[:, None], 5, stride=1, padding=2)[:, 0] > 0


@register("metric", "edge_leak")
class EdgeLeak(Metric):
    """Mean CIEDE2000 beside edges less the mean elsewhere; 0 for a picture without edges."""

    name = "edge_leak"
    low, high = -200.0, 200.0
    better = "lower"
    unit = "dE"
    digits = 2
    fed = "CIELAB (D65) of the 8-bit pictures; edges of the true L*"

    def score(self, pair: Pair) -> PerImage:
        difference = pair.view("delta_e_2000", lambda p: delta_e_2000(p.lab_hat, p.lab))
        band = edge_band(pair.lab[:, 0]).float()
        inside, outside = band.sum((1, 2)), (1 - band).sum((1, 2))
        leak = (difference * band).sum((1, 2)) / inside.clamp_min(1)
        rest = (difference * (1 - band)).sum((1, 2)) / outside.clamp_min(1)
        return torch.where((inside > 0) & (outside > 0), leak - rest, torch.zeros_like(leak))
