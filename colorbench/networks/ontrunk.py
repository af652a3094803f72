"""A decoder on a trunk: the model's own stages on a trained network's maps, small chroma, enlarged along L.

    maps      the trunk's, each first narrowed to the decoder's width at its scale (1 x 1)
    stages    from the coarsest map up, one for each halving: the model's own (joins of a U-Net, rises of an
              encoder-decoder ...)
    head      at 1/chroma_scale, with L's own pixels folded in: two convolutions, tanh
    edges     enlargement along L: guided (see guided.py) or learned (see enlarger.py)

Nothing that is trained runs at more than 1/chroma_scale, which is what lets an old core see every picture several
times in minutes.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorbench.errors import UserError
from colorbench.networks.blocks import ConvBlock, pad
from colorbench.networks.enlarger import ENLARGERS
from colorbench.networks.guided import shrink
from colorbench.trunks.trunk import Maps, Trunk

Stage = Callable[[int, int, int], nn.Module]
"""(channels below, of the skip, out) -> module: (h [b below h w], skip [b skip 2h 2w]) -> [b out 2h 2w]."""

WIDEST = 8
"""The decoder's channels double at each halving, up to so many times ``trunk.width``."""


class OnTrunk(nn.Module):
    """[b 1 + hints h w] -> [b outputs h w] in [-1, 1], any h and w.

    stage: makes a stage of the decoder. middle: makes what works on the coarsest map. hints: input channels beside L;
    they enter at every scale, with weights that start at zero. skips: do the stages get the trunk's finer maps?
    """

    def __init__(
        self,
        trunk: Trunk,
        *,
        outputs: int,
        stage: Stage,
        norm: str,
        act: str,
        middle: Callable[[int], nn.Module] | None = None,
        hints: int = 0,
        skips: bool = True,
    ) -> None:
        super().__init__()
        self.body = Decoder(trunk, stage=stage, middle=middle, hints=hints, skips=skips)
        self.head = Head(trunk, outputs, norm=norm, act=act)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x), x[:, :1])


class Decoder(nn.Module):
    """[b 1 + hints h w] -> [b trunk.width h/scale w/scale] (rounded up to the trunk's stride), before the head."""

    def __init__(
        self,
        trunk: Trunk,
        *,
        stage: Stage,
        middle: Callable[[int], nn.Module] | None = None,
        hints: int = 0,
        skips: bool = True,
    ) -> None:
        super().__init__()
        self.trunk, given = trunk, trunk.strides if skips else {trunk.stride: trunk.strides[trunk.stride]}
        self.given = given
        scales = [
            trunk.stride >> i for i in range(trunk.stride.bit_length()) if trunk.stride >> i >= trunk.chroma_scale
        ]
        self.scales = scales
        widths = [trunk.width * min(scale // trunk.chroma_scale, WIDEST) for scale in scales]
        self.narrow = nn.ModuleDict()
        self.hints = nn.ModuleDict()
        for scale, wide in zip(scales, widths, strict=True):
            if given.get(scale, 0) > wide:
                self.narrow[str(scale)] = nn.Conv2d(given[scale], wide, 1)
            if hints:
                self.hints[str(scale)] = nn.Conv2d(hints, wide, 1)
                nn.init.zeros_(self.hints[str(scale)].weight)  # type: ignore[arg-type]
        channels = [min(given.get(scale, 0), wide) for scale, wide in zip(scales, widths, strict=True)]
        self.middle = middle(channels[0]) if middle is not None else nn.Identity()
        below = [channels[0], *widths[1:]]
        self.widths = below
        self.stages = nn.ModuleList(stage(*sizes) for sizes in zip(below, channels[1:], widths[1:], strict=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.maps(x[:, :1]), x[:, 1:])

    def maps(self, L: Tensor) -> list[Tensor]:
        """The trunk's maps, narrowed, from coarse to fine; none where the trunk has none of that size."""
        maps: Maps = self.trunk(L)
        return [self._narrowed(maps, scale) for scale in self.scales]

    def decode(self, maps: list[Tensor], hints: Tensor, masks: Sequence[Tensor] = ()) -> Tensor:
        """Up to 1/chroma_scale. masks: what the first stages' maps are multiplied by."""
        h = self.middle(self._hinted(maps[0], hints, self.scales[0]))
        for i, (stage, skip, scale) in enumerate(zip(self.stages, maps[1:], self.scales[1:], strict=True)):
            h = self._hinted(stage(h, skip), hints, scale)
            h = h * masks[i].to(h.dtype) if i < len(masks) else h
        return h

    def _narrowed(self, maps: Maps, scale: int) -> Tensor:
        if scale not in self.given:
            coarse = maps[min(maps)]
            h, w = (side * min(maps) // scale for side in coarse.shape[-2:])
            return coarse.new_zeros(len(coarse), 0, h, w)
        return self.narrow[str(scale)](maps[scale]) if str(scale) in self.narrow else maps[scale]

    def _hinted(self, h: Tensor, hints: Tensor, scale: int) -> Tensor:
        if not len(self.hints):
            return h
        return h + self.hints[str(scale)](shrink(pad(hints, self.trunk.stride), scale))


class Head(nn.Module):
    """(features [b width ceil(h/scale) ceil(w/scale)], or more, L [b 1 h w]) -> [b outputs h w] in [-1, 1]."""

    def __init__(self, trunk: Trunk, outputs: int, *, norm: str, act: str) -> None:
        super().__init__()
        width, self.scale = trunk.width, trunk.chroma_scale
        scale = self.scale
        self.enlarge = ENLARGERS[trunk.enlarge](outputs, scale)
        kind: dict[str, Any] = {"norm": norm, "act": act}
        self.join, self.out = ConvBlock(width + scale**2, width, **kind), nn.Conv2d(width, outputs, 1)
        nn.init.normal_(self.out.weight, 0.0, 0.01)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, h: Tensor, L: Tensor) -> Tensor:
        return self.enlarge(self.small(h, L), L).clamp(-1.0, 1.0)

    def small(self, h: Tensor, L: Tensor) -> Tensor:
        """[b outputs ceil(h/scale) ceil(w/scale)] in (-1, 1), before it is enlarged."""
        folded = F.pixel_unshuffle(pad(L, self.scale), self.scale)
        h = h[..., : folded.shape[-2], : folded.shape[-1]]
        return torch.tanh(self.out(self.join(torch.cat([h, folded.to(h.dtype)], dim=1))).float())


class Narrow(nn.Module):
    """[b 1 h w] -> the trunk's maps from 1/chroma_scale to its coarsest, finest first, at the decoder's ``widths``.

    finer: all of them; else none but the coarsest, which then stands alone in the list.
    """

    def __init__(self, trunk: Trunk, *, finer: bool) -> None:
        super().__init__()
        scales = [s for s in trunk.strides if s >= trunk.chroma_scale]
        if scales[0] != trunk.chroma_scale:
            raise UserError(
                f"trunk.chroma_scale: this trunk's finest map is {scales[0]} times smaller: give {scales[0]}"
            )
        self.trunk, self.scales = trunk, scales if finer else scales[-1:]
        self.widths = [trunk.width * min(s // trunk.chroma_scale, WIDEST) for s in scales]
        wide = dict(zip(scales, self.widths, strict=True))
        self.convolutions = nn.ModuleList(nn.Conv2d(trunk.strides[s], wide[s], 1) for s in self.scales)

    def forward(self, L: Tensor) -> list[Tensor]:
        maps = self.trunk(L)
        return [convolution(maps[s]) for s, convolution in zip(self.scales, self.convolutions, strict=True)]
