"""Res-U-Net: a ResNet encoder, residual blocks in the bottleneck, transposed convolutions up, skips.

The encoder is torchvision's (pretrained, or from scratch), so that skies and grass are recognized before color is
learned; the skips bring edges back. Besides L the input may hold hints: further channels whose first weights are zero,
so that the network starts as if there were none.
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from colorbench.networks.autoencoder import Rise
from colorbench.networks.blocks import Activation, ConvBlock, Norm, ResidualBlock, crop, pad
from colorbench.networks.ontrunk import OnTrunk
from colorbench.networks.resnet import ResNetEncoder, Size, Stem, refuse_two
from colorbench.ranges import Channels, ChannelsOrNone, LayersOrNone, Text
from colorbench.registry import register
from colorbench.trunks.trunk import Trunk


@register("network", "resunet")
def resunet(
    *,
    hints: ChannelsOrNone,
    outputs: Channels,
    depth: Size,
    stem: Stem,
    blocks: LayersOrNone,
    width: Channels,
    norm: Norm,
    activation: Activation,
    weights: Text,
    trunk: Trunk | None = None,
) -> nn.Module:
    """A Res-U-Net, or its bottleneck and decoder on a trunk."""
    kind: dict[str, Any] = {"norm": norm, "act": activation}
    if trunk is not None:
        refuse_two(weights)

        def middle(channels: int) -> nn.Module:
            return nn.Sequential(*(ResidualBlock(channels, **kind) for _ in range(blocks)))

        return OnTrunk(trunk, outputs=outputs, hints=hints, stage=partial(RiseJoin, **kind), middle=middle, **kind)
    return ResUNet(
        hints=hints,
        outputs=outputs,
        depth=depth,
        stem=stem,
        blocks=blocks,
        width=width,
        norm=norm,
        activation=activation,
        weights=weights,
    )


class ResUNet(nn.Module):
    """[b 1 + hints h w] -> [b outputs h w] in (-1, 1), any h and w.

    depth: 18, 34 or 50. stem: full, half or small (see networks/resnet.py). blocks: residual blocks in the bottleneck.
    width: channels at full resolution. weights: none, imagenet or a path.
    """

    def __init__(
        self,
        *,
        hints: ChannelsOrNone,
        outputs: Channels,
        depth: Size,
        stem: Stem,
        blocks: LayersOrNone,
        width: Channels,
        norm: Norm,
        activation: Activation,
        weights: Text,
    ) -> None:
        super().__init__()
        kind: dict[str, Any] = {"norm": norm, "act": activation}
        self.encoder = ResNetEncoder(depth=depth, weights=weights, stem=stem)
        channels, strides = self.encoder.channels, self.encoder.strides
        self.stride = strides[-1]
        self.hints = nn.Conv2d(hints, channels[0], 3, strides[0], 1, bias=False) if hints else None
        if self.hints is not None:
            nn.init.zeros_(self.hints.weight)
        self.middle = nn.Sequential(*(ResidualBlock(channels[-1], **kind) for _ in range(blocks)))
        self.rises, self.refine = nn.ModuleList(), nn.ModuleList()
        below = channels[-1]
        for i in reversed(range(len(channels) - 1)):
            if strides[i] == strides[i + 1]:
                continue
            self.rises.append(Rise(below, channels[i], **kind))
            self.refine.append(ConvBlock(2 * channels[i], channels[i], **kind))
            below = channels[i]
        self.kept = [i for i in range(len(channels) - 1) if strides[i] != strides[i + 1]]
        last = [Rise(below, width, **kind)] if strides[0] == 2 else [ConvBlock(below, width, **kind)]
        self.last = nn.Sequential(*last)
        self.head = nn.Conv2d(width + 1, outputs, 3, 1, 1)
        nn.init.normal_(self.head.weight, 0.0, 0.01)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        padded = pad(x, self.stride)
        extra = self.hints(padded[:, 1:]) if self.hints is not None else None
        maps = self.encoder(padded[:, :1], extra)
        h = self.middle(maps[-1])
        for i, rise, refine in zip(reversed(self.kept), self.rises, self.refine, strict=True):
            h = refine(torch.cat([rise(h), maps[i]], dim=1))
        h = torch.cat([self.last(h), padded[:, :1].to(h.dtype)], dim=1)
        return crop(torch.tanh(self.head(h).float()), like=x)


class RiseJoin(nn.Module):
    """A stage of the decoder on a trunk: a rise, the skip, a convolution."""

    def __init__(self, below: int, skip: int, outputs: int, *, norm: str, act: str) -> None:
        super().__init__()
        self.rise = Rise(below, outputs, norm=norm, act=act)
        self.refine = ConvBlock(outputs + skip, outputs, norm=norm, act=act)

    def forward(self, h: Tensor, skip: Tensor) -> Tensor:
        """([b below h w], [b skip 2h 2w]) -> [b outputs 2h 2w]."""
        return self.refine(torch.cat([self.rise(h), skip], dim=1))
