"""A trunk as an encoder of L: its maps decoded once for each picture, to the sizes that others ask for.

    h_32 = act(conv(coarsest map)),   h_s = join(up(h_2s), map_s)        down to ``scale``, where L's own pixels join

What is told fine is then told by what the coarse maps know of the things there, and costs nothing per draw or step.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorbench.networks.blocks import ConvBlock, pad
from colorbench.trunks.trunk import Trunk


class TrunkPyramid(nn.Module):
    """[b 1 h w] -> maps of ``widths`` channels, finest first: of the size of L, extended to a multiple of the largest
    scale, over scale, 2 scale, 4 scale ..."""

    def __init__(self, trunk: Trunk, *, scale: int, widths: list[int], norm: str) -> None:
        super().__init__()
        self.trunk, self.scale, self.channels = trunk, scale, tuple(widths)
        self.scales = [scale << i for i in range(len(widths))]
        self.stride = self.scales[-1]
        kind: dict[str, Any] = {"norm": norm, "act": "silu"}
        steps, s = [], max(self.stride, trunk.stride)
        while s >= scale:
            steps.append(s)
            s //= 2
        wide = {s: widths[min((s // scale).bit_length() - 1, len(widths) - 1)] for s in steps}
        self.steps = steps
        self.joins = nn.ModuleDict()
        below = 0
        for s in steps:
            given = trunk.strides.get(s, trunk.strides[trunk.stride] if s > trunk.stride else 0)
            folded = scale**2 if s == scale else 0
            self.joins[str(s)] = nn.Sequential(
                ConvBlock(below + given + folded, wide[s], **kind), ConvBlock(wide[s], wide[s], **kind)
            )
            below = wide[s]

    def forward(self, L: Tensor) -> list[Tensor]:
        L = pad(L, self.stride)
        maps = dict(self.trunk(L))
        coarsest = max(maps)
        folded = pad(F.pixel_unshuffle(L, self.scale), max(coarsest // self.scale, 1))
        h: Tensor | None = None
        found: list[Tensor] = []
        for s in self.steps:
            if s > coarsest:
                maps[s] = F.avg_pool2d(maps[coarsest], s // coarsest)
            parts = [maps[s]] if s in maps else []
            if h is not None:
                parts.append(F.interpolate(h, scale_factor=2.0, mode="nearest"))
            if s == self.scale:
                parts.append(folded)
            h = self.joins[str(s)](torch.cat([p.to(parts[0].dtype) for p in parts], dim=1))
            if s <= self.stride:
                found.insert(0, h[..., : L.shape[-2] // s, : L.shape[-1] // s])
        return found
