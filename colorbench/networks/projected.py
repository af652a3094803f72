"""Projected discriminator: a game played on a frozen trunk's features (Sauer et al. 2021, "Projected GANs converge
faster").

    picture of (L, ab) -> trunk -> maps at several scales
    p_s = R_s(Q_s map_s + up(p_2s))     R, Q: random and never trained: they mix channels and scales, so that a
                                        discriminator cannot live on a few strong features
    logits_s = D_s(p_s)                 D: small, trained, one for each scale; all scales count alike

The trunk knows what things are, so the game is about whether a lawn has a lawn's color from the first step on.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from colorbench import color
from colorbench.networks.blocks import Norm, activation, normalization
from colorbench.ranges import Channels
from colorbench.registry import register
from colorbench.trunks.frozen import Frozen
from colorbench.trunks.trunk import Trunk


@register("network", "projected")
class Projected(nn.Module):
    """(L [b 1 h w], ab [b 2 h w]) -> logits [b scales h' w'], every scale's on the finest grid.

    width: channels of the projections and of the discriminators. norm, spectral: as of networks/patch.py.
    """

    def __init__(self, *, trunk: Trunk, width: Channels, norm: Norm, spectral: bool) -> None:
        super().__init__()
        self.trunk, self.scales = trunk, sorted(trunk.strides, reverse=True)
        self.mixers = Frozen(Mixers([trunk.strides[s] for s in self.scales], width), saved=True, unread=False)
        self.judges = nn.ModuleList(_judge(width, norm, spectral) for _ in self.scales)

    def forward(self, condition: Tensor, image: Tensor) -> Tensor:
        with torch.autocast(image.device.type, enabled=False):
            maps = self.trunk.see(color.decode(condition.float(), image.float()))
        projected = self.mixers(*(maps[s] for s in self.scales))
        logits = [judge(p).float() for judge, p in zip(self.judges, projected, strict=True)]
        size = logits[-1].shape[-2:]
        return torch.cat([F.interpolate(x, size=size, mode="nearest") for x in logits], dim=1)


class Mixers(nn.Module):
    """Maps, coarse to fine -> as many maps of ``width`` channels: random projections, each with all coarser ones."""

    def __init__(self, channels: list[int], width: int) -> None:
        super().__init__()
        self.across = nn.ModuleList(nn.Conv2d(c, width, 1, bias=False) for c in channels)
        self.within = nn.ModuleList(nn.Conv2d(width, width, 3, 1, 1, bias=False) for _ in channels)
        for layer in (*self.across, *self.within):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")

    def forward(self, *maps: Tensor) -> list[Tensor]:
        """One pass; every map is brought to unit variance first, so that all scales speak as loud."""
        found: list[Tensor] = []
        for across, within, m in zip(self.across, self.within, maps, strict=True):
            h = across(m / (m.square().mean(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt())
            if found:
                h = (h + F.interpolate(found[-1], size=h.shape[-2:], mode="nearest")) * 0.5**0.5
            found.append(within(h))
        return found


def _judge(width: int, norm: str, spectral: bool) -> nn.Sequential:
    limit: Any = spectral_norm if spectral else (lambda layer: layer)
    layers = [limit(nn.Conv2d(width, width, 3, 1, 1)), normalization(norm, width), activation("leaky")]
    layers += [limit(nn.Conv2d(width, width, 3, 1, 1)), normalization(norm, width), activation("leaky")]
    return nn.Sequential(*layers, limit(nn.Conv2d(width, 1, 1)))
