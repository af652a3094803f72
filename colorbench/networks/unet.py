"""U-Net (Ronneberger, Fischer & Brox 2015): an encoder, a decoder, and skips that carry every scale across.

The stem folds each s x s patch of the input into channels (pixel unshuffle) and the head unfolds it again, so that no
convolution runs at full resolution and yet no pixel of the input is lost: color needs little resolution, its edges
come from the input. Stride 2 convolutions shrink, nearest neighbors enlarge. On a trunk, the encoder is the trunk's.
"""

from functools import partial
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorbench.networks.blocks import Activation, ConvBlock, Norm, crop, pad
from colorbench.networks.ontrunk import OnTrunk
from colorbench.ranges import Channels, Depth, Factor, Layers
from colorbench.registry import register
from colorbench.trunks.trunk import Trunk


@register("network", "unet")
def unet(
    *,
    trunk: Trunk | None,
    inputs: Channels,
    outputs: Channels,
    width: Channels,
    max_width: Channels,
    levels: Depth,
    stem: Factor,
    blocks: Layers,
    norm: Norm,
    activation: Activation,
) -> nn.Module:
    """A U-Net, or its decoder on a trunk (whose yaml then gives width and scale)."""
    kind: dict[str, Any] = {"norm": norm, "act": activation}
    if trunk is not None:
        return OnTrunk(trunk, outputs=outputs, hints=inputs - 1, stage=partial(Join, blocks=blocks, **kind), **kind)
    return UNet(
        inputs=inputs,
        outputs=outputs,
        width=width,
        max_width=max_width,
        levels=levels,
        stem=stem,
        blocks=blocks,
        **kind,
    )


class UNet(nn.Module):
    """[b inputs h w] -> [b outputs h w] in (-1, 1), any h and w.

    width: channels of the first level, doubled at each of ``levels`` down to ``max_width``. stem: the side of the
    patches folded into channels (1 folds nothing). blocks: convolutions at each level.
    """

    def __init__(
        self,
        *,
        inputs: int,
        outputs: int,
        width: int,
        max_width: int,
        levels: int,
        stem: int,
        blocks: int,
        norm: str,
        act: str,
    ) -> None:
        super().__init__()
        self.stem, self.stride = stem, stem * 2 ** (levels - 1)
        widths = [min(width * 2**level, max_width) for level in range(levels)]
        kind: dict[str, Any] = {"norm": norm, "act": act}
        self.fold = ConvBlock(inputs * stem**2, width, **kind)
        self.encoder = nn.ModuleList()
        self.decoder = nn.ModuleList()
        for level, channels in enumerate(widths):
            above = widths[max(level - 1, 0)]
            first = ConvBlock(above, channels, stride=2 if level else 1, **kind)
            rest = [ConvBlock(channels, channels, **kind) for _ in range(blocks - 1)]
            self.encoder.append(nn.Sequential(first, *rest))
            if level:
                first = ConvBlock(channels + above, above, **kind)
                rest = [ConvBlock(above, above, **kind) for _ in range(blocks - 1)]
                self.decoder.insert(0, nn.Sequential(first, *rest))
        self.head = nn.Conv2d(width, outputs * stem**2, 1)
        nn.init.normal_(self.head.weight, 0.0, 0.01)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        h = self.fold(F.pixel_unshuffle(pad(x, self.stride), self.stem))
        skips = []
        for stage in self.encoder:
            h = stage(h)
            skips.append(h)
        skips.pop()
        for stage in self.decoder:
            h = F.interpolate(h, scale_factor=2.0, mode="nearest")
            h = stage(torch.cat([h, skips.pop()], dim=1))
        return crop(torch.tanh(F.pixel_shuffle(self.head(h), self.stem).float()), like=x)


class Join(nn.Module):
    """A stage of the decoder: enlarged to the skip, joined to it, ``blocks`` convolutions."""

    def __init__(self, below: int, skip: int, outputs: int, *, blocks: int, norm: str, act: str) -> None:
        super().__init__()
        widths = [below + skip, *[outputs] * blocks]
        self.body = nn.Sequential(*(ConvBlock(a, b, norm=norm, act=act) for a, b in pairwise(widths)))

    def forward(self, h: Tensor, skip: Tensor) -> Tensor:
        """([b below h w], [b skip 2h 2w]) -> [b outputs 2h 2w]."""
        return self.body(torch.cat([F.interpolate(h, scale_factor=2.0, mode="nearest"), skip], dim=1))
