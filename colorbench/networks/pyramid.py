"""Pyramid: maps of L, fine to coarse, and a ladder that climbs from the coarsest up to the finest.

    maps = encoder(L)                                  finest first: 1/scale of L's size, then halved each time
    k_i  = enter_i(maps_i)                             1 x 1, to the ladder's own channels
    h_i  = blocks_i(k_i + up(rise_i(h_(i+1))))         from coarse to fine

An encoder has ``channels`` (of each map, finest first) and ``scale`` (how much smaller than L the finest is) and takes
L [b 1 h w] of any size to the list of maps; :class:`Pyramid` is one that learns from nothing. The two halves are apart
so that what does not change between draws is computed once.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from colorbench.errors import UserError
from colorbench.networks.blocks import ConvBlock, Norm, normalization, pad
from colorbench.networks.denoiser import ConditionEncoder
from colorbench.networks.trunkpyramid import TrunkPyramid
from colorbench.ranges import Channels, Factor, Layers
from colorbench.registry import register
from colorbench.trunks.trunk import Trunk


@register("network", "pyramid")
def pyramid(
    *, scale: Factor, width: Channels, widths: tuple[Channels, ...], norm: Norm, trunk: Trunk | None = None
) -> nn.Module:
    """An encoder from nothing, or the trunk's maps decoded to these sizes."""
    if trunk is not None:
        return TrunkPyramid(trunk, scale=scale, widths=list(widths), norm=norm)
    return Pyramid(scale=scale, width=width, widths=widths, norm=norm)


class Pyramid(nn.Module):
    """[b 1 h w] -> maps of ``widths`` channels, the first ``scale`` times smaller (a power of 2), each next halved.

    width: channels of the convolutions before the first map.
    """

    def __init__(self, *, scale: Factor, width: Channels, widths: tuple[Channels, ...], norm: Norm) -> None:
        super().__init__()
        self.scale, self.channels, self.stride = scale, widths, scale * 2 ** (len(widths) - 1)
        self.encoder = ConditionEncoder(scale=scale, width=width, widths=list(widths), norm=norm)

    def forward(self, L: Tensor) -> list[Tensor]:
        return self.encoder(pad(L, self.stride))


class Ladder(nn.Module):
    """The way up. channels: of the maps; widths: of the ladder at each; rung: makes a block of so many channels that
    takes (h, *style) to h; blocks: of them at each map."""

    def __init__(
        self, channels: Sequence[int], widths: Sequence[int], rung: Callable[[int], nn.Module], blocks: int
    ) -> None:
        super().__init__()
        if len(widths) != len(channels):
            raise UserError(f"network.widths: the encoder gives {len(channels)} maps, so expected as many widths")
        self.enter = nn.ModuleList(nn.Conv2d(c, w, 1) for c, w in zip(channels, widths, strict=True))
        self.rise = nn.ModuleList(nn.Conv2d(c, w, 1, bias=False) for w, c in pairwise(widths))
        self.levels = nn.ModuleList(nn.ModuleList(rung(w) for _ in range(blocks)) for w in widths)

    def known(self, maps: list[Tensor]) -> list[Tensor]:
        """The maps in the ladder's channels."""
        return [enter(m) for enter, m in zip(self.enter, maps, strict=True)]

    def climb(self, known: list[Tensor], *style: Tensor) -> list[Tensor]:
        """h_i of every level, finest first."""
        h = known[-1]
        found: list[Tensor] = []
        for level in reversed(range(len(known))):
            if level < len(known) - 1:
                h = known[level] + F.interpolate(self.rise[level](h), size=known[level].shape[-2:], mode="nearest")
            for block in self.levels[level]:  # type: ignore[attr-defined]
                h = block(h, *style)
            found.insert(0, h)
        return found


@register("network", "features")
class Features(nn.Module):
    """[b 1 h w] -> [b widths[0] ceil(h / scale) ceil(w / scale)], unbounded: what a head of any kind stands on.

    widths: channels of the ladder at each of the encoder's maps. blocks: residual blocks at each.
    """

    def __init__(self, *, encoder: nn.Module, widths: tuple[Channels, ...], blocks: Layers, norm: Norm) -> None:
        super().__init__()
        channels: Any = encoder.channels
        self.encoder, self.scale, self.channels = encoder, int(encoder.scale), widths  # type: ignore[arg-type]
        self.ladder = Ladder(channels, widths, lambda w: Rung(w, norm=norm), blocks)
        self.last = nn.Sequential(normalization(norm, widths[0]), nn.SiLU())

    def forward(self, L: Tensor) -> Tensor:
        return self.levels(L)[0]

    def levels(self, L: Tensor) -> list[Tensor]:
        """All levels, finest first; the finest is cut to L's size over ``scale``, the others are as padded."""
        found = self.ladder.climb(self.ladder.known(self.encoder(L)))
        h, w = (-(-side // self.scale) for side in L.shape[-2:])
        return [self.last(found[0][..., :h, :w]), *found[1:]]


class Rung(nn.Module):
    """x + conv(act(norm(conv(act(norm(x))))))."""

    def __init__(self, channels: int, *, norm: str) -> None:
        super().__init__()
        self.before = nn.Sequential(normalization(norm, channels), nn.SiLU())
        self.body = nn.Sequential(
            ConvBlock(channels, channels, norm=norm, act="silu"), nn.Conv2d(channels, channels, 3, 1, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """[b c h w] -> [b c h w]."""
        return x + self.body(self.before(x))
