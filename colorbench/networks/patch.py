"""Discriminators of image pairs: a map of logits, one for each patch, or one logit for the picture.

PatchGAN (Isola et al. 2017, section 3.2.2): a fully convolutional net whose every output sees a patch of limited size
(70 x 70 for three halvings), so that it judges texture and local color and leaves the layout to the distance. Spectral
normalization (Miyato et al. 2018) divides each weight by its largest singular value and makes the net 1-Lipschitz.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from colorbench.networks.blocks import Norm, activation, gaussian_init, normalization
from colorbench.ranges import Channels, Depth, Positive
from colorbench.registry import register


@register("network", "patch")
class Patch(nn.Module):
    """(condition [b m h w], image [b n h w]) -> logits [b 1 h' w'].

    inputs = m + n. layers: stride 2 convolutions; 3 gives the 70 x 70 patches of pix2pix. norm: none, batch, instance
    or group (never at the first layer). spectral: spectral normalization of every convolution.
    """

    def __init__(
        self, *, inputs: Channels, width: Channels, layers: Depth, norm: Norm, spectral: bool, init_std: Positive
    ) -> None:
        super().__init__()
        channels = [width * min(2**i, 8) for i in range(layers + 1)]
        body: list[nn.Module] = [nn.Conv2d(inputs, width, 4, 2, 1), activation("leaky")]
        for i in range(layers):
            stride = 2 if i < layers - 1 else 1
            bias = norm != "batch"
            body += [nn.Conv2d(channels[i], channels[i + 1], 4, stride, 1, bias=bias)]
            body += [normalization(norm, channels[i + 1]), activation("leaky")]
        self.body, self.least = nn.Sequential(*body, nn.Conv2d(channels[-1], 1, 4, 1, 1)), 3 * 2**layers
        gaussian_init(self.body, init_std)
        if spectral:
            _normalize(self.body)

    def forward(self, condition: Tensor, image: Tensor) -> Tensor:
        """One pass; pictures smaller than the patch are extended by their edge."""
        return self.body(_at_least(torch.cat([condition, image], dim=1), self.least)).float()


@register("network", "convolutional")
class Convolutional(nn.Module):
    """(condition [b m h w], image [b n h w]) -> one logit [b 1 1 1]: stride 2 convolutions and a mean (DCGAN)."""

    def __init__(
        self, *, inputs: Channels, width: Channels, layers: Depth, norm: Norm, spectral: bool, init_std: Positive
    ) -> None:
        super().__init__()
        channels = [width * min(2**i, 8) for i in range(layers)]
        body: list[nn.Module] = [nn.Conv2d(inputs, width, 4, 2, 1), activation("leaky")]
        for a, b in pairwise(channels):
            body += [nn.Conv2d(a, b, 4, 2, 1, bias=norm != "batch"), normalization(norm, b), activation("leaky")]
        self.body = nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels[-1], 1, 1))
        self.least = 2**layers
        gaussian_init(self.body, init_std)
        if spectral:
            _normalize(self.body)

    def forward(self, condition: Tensor, image: Tensor) -> Tensor:
        return self.body(_at_least(torch.cat([condition, image], dim=1), self.least)).float()


def _at_least(x: Tensor, side: int) -> Tensor:
    bottom, right = max(side - x.shape[-2], 0), max(side - x.shape[-1], 0)
    return nn.functional.pad(x, (0, right, 0, bottom), mode="replicate") if bottom or right else x


def _normalize(body: nn.Sequential) -> None:
    for layer in body:
        if isinstance(layer, nn.Conv2d):
            spectral_norm(layer)
