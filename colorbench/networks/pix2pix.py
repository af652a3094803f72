"""The generator of pix2pix: the "U-Net 256" of Isola et al. (2017, appendix 6.1.1), with its noise made explicit.

    encoder  C64-C128-C256-C512-C512-...      4x4 convolutions of stride 2, batch norm but at the ends, leaky ReLU 0.2
    decoder  CD512-CD512-CD512-...-C128-C64   4x4 transposed convolutions, batch norm, dropout in the first three, ReLU

The paper's only noise is dropout, in training and in testing. Here the masks are inputs, so that the same noise gives
the same picture on any device and in any batch. The paper's eight halvings take 256 px to one; ``levels`` is their
number at another size: 6 for 64 px, 7 for 128 px. Other sizes are padded to a multiple of 2^levels.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorbench.networks.blocks import crop, gaussian_init, pad
from colorbench.networks.ontrunk import Decoder, Head
from colorbench.networks.resunet import RiseJoin
from colorbench.ranges import Channels, Depth, LayersOrNone, Positive
from colorbench.registry import register
from colorbench.trunks.trunk import Trunk


@register("network", "pix2pix")
def pix2pix(
    *,
    inputs: Channels,
    outputs: Channels,
    width: Channels,
    levels: Depth,
    dropouts: LayersOrNone,
    init_std: Positive,
    trunk: Trunk | None = None,
) -> nn.Module:
    """The paper's generator, or its decoder on a trunk."""
    if trunk is not None:
        return Pix2PixOnTrunk(trunk, inputs=inputs, outputs=outputs, dropouts=dropouts)
    return Pix2PixGenerator(
        inputs=inputs, outputs=outputs, width=width, levels=levels, dropouts=dropouts, init_std=init_std
    )


class Pix2PixOnTrunk(nn.Module):
    """As :class:`Pix2PixGenerator`, its decoder on a trunk's maps; the masks drop maps of its first stages."""

    def __init__(self, trunk: Trunk, *, inputs: int, outputs: int, dropouts: int) -> None:
        super().__init__()
        self.body = Decoder(trunk, stage=partial(RiseJoin, norm="batch", act="relu"), hints=inputs - 1)
        self.head = Head(trunk, outputs, norm="batch", act="relu")
        self.dropouts = min(dropouts, len(self.body.stages))

    def shapes(self, height: int, width: int) -> list[tuple[int, int, int]]:
        """Of the masks for a picture of this size: (channels, height, width) of each."""
        stride = self.body.trunk.stride
        h, w = (-(-side // stride) * stride for side in (height, width))
        scales = zip(self.body.widths[1:], self.body.scales[1:], strict=True)
        return [(channels, h // scale, w // scale) for channels, scale in scales][: self.dropouts]

    def forward(self, x: Tensor, masks: list[Tensor]) -> Tensor:
        return self.head(self.body.decode(self.body.maps(x[:, :1]), x[:, 1:], masks), x[:, :1])


class Pix2PixGenerator(nn.Module):
    """(x [b inputs h w], masks) -> [b outputs h w] in (-1, 1). width: channels of the first level (64)."""

    def __init__(
        self,
        *,
        inputs: Channels,
        outputs: Channels,
        width: Channels,
        levels: Depth,
        dropouts: LayersOrNone,
        init_std: Positive,
    ) -> None:
        super().__init__()
        self.stride = 2**levels
        widths = [width * min(2**i, 8) for i in range(levels)]
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for i, (a, b) in enumerate(zip([inputs, *widths], widths, strict=False)):
            ends = i in (0, levels - 1)
            layers: list[nn.Module] = [nn.Conv2d(a, b, 4, 2, 1, bias=ends)]
            self.down.append(nn.Sequential(*layers, *([] if ends else [nn.BatchNorm2d(b)])))
        for i in reversed(range(levels)):
            a = widths[i] * (1 if i == levels - 1 else 2)
            b = widths[i - 1] if i else outputs
            layers = [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=i == 0)]
            self.up.append(nn.Sequential(*layers, *([nn.BatchNorm2d(b)] if i else [])))
        self.dropouts = min(dropouts, levels - 2)
        self.dropped = [widths[levels - 2 - i] for i in range(self.dropouts)]
        gaussian_init(self, init_std)

    def shapes(self, height: int, width: int) -> list[tuple[int, int, int]]:
        """Of the masks for a picture of this size: (channels, height, width) of each."""
        h, w = (-(-side // self.stride) for side in (height, width))
        return [(channels, h * 2 ** (i + 1), w * 2 ** (i + 1)) for i, channels in enumerate(self.dropped)]

    def forward(self, x: Tensor, masks: list[Tensor]) -> Tensor:
        """One pass; each mask [b *shape] multiplies a map: 0 drops, 2 keeps."""
        h, maps = pad(x, self.stride), []
        for i, stage in enumerate(self.down):
            h = stage(F.leaky_relu(h, 0.2) if i else h)
            maps.append(h)
        maps.pop()
        for i, stage in enumerate(self.up):
            h = stage(F.relu(h))
            if i < self.dropouts:
                h = h * masks[i].to(h.dtype)
            h = torch.cat([h, maps.pop()], dim=1) if maps else h
        return crop(torch.tanh(h.float()), like=x)
