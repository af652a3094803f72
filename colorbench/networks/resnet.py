"""ResNet encoder-decoder: He et al.'s (2016) trunk on one channel, and transposed convolutions back up, no skips.

Everything passes through a map 32 times smaller than the picture with the stem ``full`` (ImageNet's: 7x7 stride 2 and
a pooling), 16 times with ``half`` (without the pooling, so it still takes pretrained weights), 8 times with ``small``
(CIFAR's: 3x3, stride 1). A picture of 64 px keeps 2x2, 4x4 or 8x8 places of its layout.
"""

from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from colorbench.errors import UserError
from colorbench.networks.autoencoder import Lone, Rise
from colorbench.networks.blocks import Activation, Norm, crop, pad
from colorbench.networks.ontrunk import OnTrunk
from colorbench.ranges import Channels, Text
from colorbench.registry import register
from colorbench.trunks.classifiers import Name, gray_classifier, standardize_gray
from colorbench.trunks.trunk import Trunk

Size = Literal[18, 34, 50]
Stem = Literal["full", "half", "small"]
DEPTHS: dict[Size, Name] = {18: "resnet18", 34: "resnet34", 50: "resnet50"}
STRIDES: dict[Stem, list[int]] = {"full": [2, 4, 8, 16, 32], "half": [2, 2, 4, 8, 16], "small": [1, 1, 2, 4, 8]}


@register("network", "resnet")
def resnet(
    *,
    outputs: Channels,
    depth: Size,
    stem: Stem,
    width: Channels,
    norm: Norm,
    activation: Activation,
    weights: Text,
    trunk: Trunk | None = None,
) -> nn.Module:
    """A ResNet and its decoder, or the decoder on a trunk's coarsest map."""
    kind: dict[str, Any] = {"norm": norm, "act": activation}
    if trunk is not None:
        refuse_two(weights)
        return OnTrunk(trunk, outputs=outputs, stage=partial(Lone, **kind), skips=False, **kind)
    return ResNet(
        outputs=outputs, depth=depth, stem=stem, width=width, norm=norm, activation=activation, weights=weights
    )


def refuse_two(weights: str) -> None:
    """UserError for the weights of an encoder whose place a trunk takes."""
    if weights != "none":
        raise UserError(f"weights={weights}: the trunk is the encoder here; write weights=none, or trunk=none")


class ResNet(nn.Module):
    """[b 1 h w] in [-1, 1] -> [b outputs h w] in (-1, 1), any h and w.

    depth: 18, 34 or 50. weights: none, imagenet or a path. width: channels of the decoder's last level, doubled
    towards the bottleneck. stem: full, half or small; small cannot take pretrained weights.
    """

    def __init__(
        self,
        *,
        outputs: Channels,
        depth: Size,
        stem: Stem,
        width: Channels,
        norm: Norm,
        activation: Activation,
        weights: Text,
    ) -> None:
        super().__init__()
        self.encoder = ResNetEncoder(depth=depth, weights=weights, stem=stem)
        self.stride = self.encoder.strides[-1]
        halvings = self.stride.bit_length() - 1
        widths = [width * min(2**i, 8) for i in range(halvings)][::-1]
        kind: dict[str, Any] = {"norm": norm, "act": activation}
        self.decoder = nn.Sequential(
            *(Rise(a, b, **kind) for a, b in zip([self.encoder.channels[-1], *widths[:-1]], widths, strict=True))
        )
        self.head = nn.Conv2d(width, outputs, 3, 1, 1)
        nn.init.normal_(self.head.weight, 0.0, 0.01)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        h = self.encoder(pad(x, self.stride))[-1]
        return crop(torch.tanh(self.head(self.decoder(h)).float()), like=x)


class ResNetEncoder(nn.Module):
    """[b 1 h w] in [-1, 1] -> five maps, from the stem's to the last stage's; ``channels`` and ``strides`` of each."""

    def __init__(self, *, depth: Size, weights: Text, stem: Stem) -> None:
        super().__init__()
        if stem == "small" and weights != "none":
            raise UserError("stem: small has no pretrained weights; write stem: half, stem: full or weights: none")
        trunk: Any = gray_classifier(DEPTHS[depth], weights)
        conv = nn.Conv2d(1, 64, 3, 1, 1, bias=False) if stem == "small" else trunk.conv1
        pool = trunk.maxpool if stem == "full" else nn.Identity()
        self.convolution, self.activation = conv, nn.Sequential(trunk.bn1, trunk.relu)
        self.stages = nn.ModuleList([nn.Sequential(pool, trunk.layer1), trunk.layer2, trunk.layer3, trunk.layer4])
        wide = 4 if depth == 50 else 1
        self.channels = [64, 64 * wide, 128 * wide, 256 * wide, 512 * wide]
        self.strides = STRIDES[stem]

    def forward(self, x: Tensor, hint: Tensor | None = None) -> list[Tensor]:
        """One pass; a hint is added to what the first convolution gives."""
        h = self.convolution(standardize_gray(x))
        maps = [self.activation(h if hint is None else h + hint)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps
