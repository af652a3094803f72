"""Encoder-decoder without skips: everything that the output knows went through the bottleneck.

The generator of a plain GAN: stride 2 convolutions down, transposed convolutions up (Radford, Metz & Chintala 2016,
made conditional by encoding the input). Its output can be no sharper than its bottleneck, which is the point of
comparing it with a U-Net.
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from colorbench.networks.blocks import Activation, ConvBlock, Norm, activation, crop, normalization, pad
from colorbench.networks.ontrunk import OnTrunk
from colorbench.ranges import Channels, Depth, LayersOrNone
from colorbench.registry import register
from colorbench.trunks.trunk import Trunk


@register("network", "autoencoder")
def autoencoder(
    *,
    inputs: Channels,
    outputs: Channels,
    width: Channels,
    max_width: Channels,
    levels: Depth,
    blocks: LayersOrNone,
    norm: Norm,
    activation: Activation,
    trunk: Trunk | None = None,
) -> nn.Module:
    """An encoder-decoder, or its decoder on a trunk's coarsest map."""
    kind: dict[str, Any] = {"norm": norm, "act": activation}
    if trunk is not None:

        def middle(channels: int) -> nn.Module:
            return nn.Sequential(*(ConvBlock(channels, channels, **kind) for _ in range(blocks)))

        return OnTrunk(
            trunk, outputs=outputs, hints=inputs - 1, stage=partial(Lone, **kind), middle=middle, skips=False, **kind
        )
    return Autoencoder(
        inputs=inputs,
        outputs=outputs,
        width=width,
        max_width=max_width,
        levels=levels,
        blocks=blocks,
        norm=norm,
        activation=activation,
    )


class Autoencoder(nn.Module):
    """[b inputs h w] -> [b outputs h w] in (-1, 1), any h and w.

    width: channels after the first halving, doubled at each of ``levels`` halvings down to ``max_width``. blocks:
    extra convolutions in the bottleneck.
    """

    def __init__(
        self,
        *,
        inputs: Channels,
        outputs: Channels,
        width: Channels,
        max_width: Channels,
        levels: Depth,
        blocks: LayersOrNone,
        norm: Norm,
        activation: Activation,
    ) -> None:
        super().__init__()
        self.stride = 2**levels
        kind: dict[str, Any] = {"norm": norm, "act": activation}
        widths = [min(width * 2**level, max_width) for level in range(levels)]
        down = [ConvBlock(a, b, stride=2, **kind) for a, b in zip([inputs, *widths[:-1]], widths, strict=True)]
        middle = [ConvBlock(widths[-1], widths[-1], **kind) for _ in range(blocks)]
        up = [Rise(a, b, **kind) for a, b in zip(widths[::-1], [*widths[:-1][::-1], width], strict=True)]
        self.body = nn.Sequential(*down, *middle, *up)
        self.head = nn.Conv2d(width, outputs, 3, 1, 1)
        nn.init.normal_(self.head.weight, 0.0, 0.01)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return crop(torch.tanh(self.head(self.body(pad(x, self.stride))).float()), like=x)


class Rise(nn.Sequential):
    """Transposed 4x4 convolution of stride 2, normalization, activation: twice the size."""

    def __init__(self, inputs: int, outputs: int, *, norm: str, act: str) -> None:
        super().__init__(nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), normalization(norm, outputs), activation(act))


class Lone(nn.Module):
    """:class:`Rise` as a stage on a trunk that takes no skip."""

    def __init__(self, below: int, skip: int, outputs: int, *, norm: str, act: str) -> None:
        super().__init__()
        self.rise = Rise(below, outputs, norm=norm, act=act)

    def forward(self, h: Tensor, skip: Tensor) -> Tensor:
        """[b below h w] -> [b outputs 2h 2w]."""
        return self.rise(h)
