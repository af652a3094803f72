"""A U-Net on any classifier's trunk: features that already know what things are, then a small decoder.

The maps of a torchvision trunk (SqueezeNet v1.1 or VGG-16, one-channel stem) at each of its scales are the skips; the
decoder enlarges by nearest neighbors to the size of the next skip, joins, and convolves. With pretrained weights this
is the cheapest way out of sepia at a small budget: sky and grass need not be discovered from their colors.
"""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorbench.networks.blocks import Activation, ConvBlock, Norm, crop, pad
from colorbench.ranges import Channels, Text
from colorbench.registry import register
from colorbench.trunks.classifiers import gray_classifier, standardize_gray

MAPS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "squeezenet1_1": ((2, 5, 8, 13), (64, 128, 256, 512)),
    "vgg16": ((4, 9, 16, 23, 30), (64, 128, 256, 512, 512)),
}
"""Trunk -> the ends of the slices of its ``features``, and the channels there."""


@register("network", "backboneunet")
class BackboneUNet(nn.Module):
    """[b 1 h w] in [-1, 1] -> [b outputs h w] in (-1, 1), any h and w.

    name: squeezenet1_1 or vgg16 (ResNets: network resunet). weights: none, imagenet or a path. width: channels of the
    decoder at full resolution, doubled at each scale below, at most 256.
    """

    def __init__(
        self, *, outputs: Channels, name: Literal["squeezenet1_1", "vgg16"], width: Channels, norm: Norm,
        activation: Activation, weights: Text,
    ) -> None:  # fmt: skip
        super().__init__()
        kind: dict[str, Any] = {"norm": norm, "act": activation}
        ends, channels = MAPS[name]
        features: Any = gray_classifier(name, weights).features
        self.encoder = nn.ModuleList(features[a:b] for a, b in zip((0, *ends), ends, strict=False))
        self.decoder = nn.ModuleList()
        below = channels[-1]
        for i in reversed(range(len(channels) - 1)):
            wide = min(width * 2 ** (i + 1), 256)
            join = ConvBlock(below + channels[i], wide, **kind)
            self.decoder.append(nn.Sequential(join, ConvBlock(wide, wide, **kind)))
            below = wide
        self.last = ConvBlock(below + 1, width, **kind)
        self.head = nn.Conv2d(width, outputs, 1)
        nn.init.normal_(self.head.weight, 0.0, 0.01)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        padded = pad(x, 32)
        h, maps = standardize_gray(padded), []
        for layers in self.encoder:
            h = layers(h)
            maps.append(h)
        maps.pop()
        for stage in self.decoder:
            h = stage(torch.cat([_fit(h, maps[-1]), maps.pop()], dim=1))
        h = self.last(torch.cat([_fit(h, padded), padded.to(h.dtype)], dim=1))
        return crop(torch.tanh(self.head(h).float()), like=x)


def _fit(h: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(h, size=like.shape[-2:], mode="nearest")
