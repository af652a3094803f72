"""Transfer: the colors of a reference photograph for what looks alike in a gray one, by the features of a trunk.

    w_ij     = softmax over j of <f_i, g_j> / T          f, g: the trunk's maps of both pictures, centered, of length 1
    found_i  = sum_j w_ij ref_j                          ref: the reference's chroma on the grid of g
    ab'      = ab + share up(found - down(ab))

Nonlocal color by deep features (He et al. 2018, Deep Exemplar-based Colorization), without training: the coarse colors
become the reference's, and what the model knows finer than the trunk's grid stays.
"""

import torch
import torch.nn.functional as F

from colorbench.arrays import Chroma, Luma, Seen, Tensor
from colorbench.family import Family
from colorbench.trunks.trunk import Trunk

TEMPERATURE = 0.05
SHARE = 0.8
_STRIDE = 16


def trunk_of(family: Family) -> Trunk | None:
    """The trunk that a model stands on."""
    return next((module for module in family.modules() if isinstance(module, Trunk)), None)


@torch.no_grad()
def toward(trunk: Trunk, L: Luma, ab: Chroma, seen: Seen) -> Chroma:
    """[1 2 h w]: ``ab`` with the coarse colors of ``seen``, L [1 1 h' w'] and ab [1 2 h' w'] of the reference."""
    f, g = _features(trunk, L), _features(trunk, seen[0])
    center = g.mean(dim=(2, 3), keepdim=True)
    f, g = (F.normalize(x - center, dim=1) for x in (f, g))
    known = F.adaptive_avg_pool2d(seen[1].to(g.device), (g.shape[-2], g.shape[-1])).flatten(2)[0]
    weights = torch.softmax(f.flatten(2)[0].T @ g.flatten(2)[0] / TEMPERATURE, dim=1)
    found = (weights @ known.T).T.view(1, 2, *f.shape[-2:]).cpu()
    change = found - F.adaptive_avg_pool2d(ab, (found.shape[-2], found.shape[-1]))
    large = F.interpolate(change, ab.shape[-2:], mode="bicubic")
    return (ab + SHARE * large).clamp(-1.0, 1.0)


def _features(trunk: Trunk, L: Luma) -> Tensor:
    maps = trunk(L.to(trunk.mean.device))
    return maps[_STRIDE if _STRIDE in maps else max(maps)].float()
