"""UNetColorizer: the textbook U-Net, blocks of two convolutions at full resolution.

Ronneberger, Fischer & Brox (2015) with batch normalization and padding: (3x3 convolution, batch norm, ReLU) twice,
max pooling down, 2x2 transposed convolution up, concatenation, and a 1x1 head. base 64 and 4 poolings: 31 million
parameters.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorbench.networks.blocks import ConvBlock, crop, pad
from colorbench.networks.ontrunk import OnTrunk
from colorbench.ranges import Channels, Depth
from colorbench.registry import register
from colorbench.trunks.trunk import Trunk


@register("network", "unetcolorizer")
def unetcolorizer(
    *, inputs: Channels, outputs: Channels, base: Channels, poolings: Depth, trunk: Trunk | None = None
) -> nn.Module:
    """The textbook U-Net, or its decoder on a trunk."""
    if trunk is not None:
        return OnTrunk(trunk, outputs=outputs, hints=inputs - 1, stage=Doubled, norm="batch", act="relu")
    return UNetColorizer(inputs=inputs, outputs=outputs, base=base, poolings=poolings)


class Doubled(nn.Module):
    """A stage of the decoder on a trunk: a transposed convolution, the skip, two convolutions."""

    def __init__(self, below: int, skip: int, outputs: int) -> None:
        super().__init__()
        self.rise, self.body = nn.ConvTranspose2d(below, outputs, 2, 2), _double(outputs + skip, outputs)

    def forward(self, h: Tensor, skip: Tensor) -> Tensor:
        """([b below h w], [b skip 2h 2w]) -> [b outputs 2h 2w]."""
        return self.body(torch.cat([self.rise(h), skip], dim=1))


class UNetColorizer(nn.Module):
    """[b inputs h w] -> [b outputs h w] in (-1, 1), any h and w. outputs: 2 for ab, 3 for a picture 2 rgb - 1."""

    def __init__(self, *, inputs: Channels, outputs: Channels, base: Channels, poolings: Depth) -> None:
        super().__init__()
        self.stride = 2**poolings
        widths = [base * 2**i for i in range(poolings + 1)]
        self.down = nn.ModuleList(_double(a, b) for a, b in zip([inputs, *widths], widths, strict=False))
        self.rise = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, 2) for w in reversed(widths[:-1]))
        self.up = nn.ModuleList(_double(2 * w, w) for w in reversed(widths[:-1]))
        self.head = nn.Conv2d(base, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        h, maps = pad(x, self.stride), []
        for i, block in enumerate(self.down):
            h = block(F.max_pool2d(h, 2) if i else h)
            maps.append(h)
        maps.pop()
        for rise, block in zip(self.rise, self.up, strict=True):
            h = block(torch.cat([rise(h), maps.pop()], dim=1))
        return crop(torch.tanh(self.head(h).float()), like=x)


def _double(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        ConvBlock(inputs, outputs, norm="batch", act="relu"), ConvBlock(outputs, outputs, norm="batch", act="relu")
    )
