"""Blocks: what the convolutional networks are built of.

A network of stride 2^k needs heights and widths that 2^k divides. :func:`pad` extends a map by repeating its edge and
:func:`crop` takes the extension away, so every network here works at any size from one pixel on.
"""

from collections.abc import Callable
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from colorbench.errors import UserError

Norm = Literal["batch", "instance", "group", "none"]
Activation = Literal["relu", "leaky", "silu"]

NORMALIZATIONS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "instance": lambda channels: nn.InstanceNorm2d(channels, affine=True),
    "group": lambda channels: nn.GroupNorm(_groups(channels), channels),
    "none": lambda channels: nn.Identity(),
}
"""Name -> layer of so many channels."""

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(inplace=True),
    "leaky": lambda: nn.LeakyReLU(0.2, inplace=True),
    "silu": lambda: nn.SiLU(inplace=True),
}
"""Name -> layer."""


def normalization(name: str, channels: int) -> nn.Module:
    """The layer called ``name`` for ``channels`` maps; an unknown name is a UserError."""
    return _choose(NORMALIZATIONS, name, "norm")(channels)


def activation(name: str) -> nn.Module:
    """The layer called ``name``; an unknown name is a UserError."""
    return _choose(ACTIVATIONS, name, "activation")()


def pad(x: Tensor, multiple: int) -> Tensor:
    """[b c h w] extended at the bottom and the right by its edge until ``multiple`` divides height and width."""
    bottom, right = -x.shape[-2] % multiple, -x.shape[-1] % multiple
    return F.pad(x, (0, right, 0, bottom), mode="replicate") if bottom or right else x


def crop(x: Tensor, like: Tensor) -> Tensor:
    """The top left part of ``x`` that has the height and width of ``like``."""
    return x[..., : like.shape[-2], : like.shape[-1]]


class ConvBlock(nn.Sequential):
    """3x3 convolution, normalization, activation; stride 2 halves the map."""

    def __init__(self, inputs: int, outputs: int, *, norm: str, act: str, stride: int = 1) -> None:
        bias = norm in ("none", "group")
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=bias), normalization(norm, outputs), activation(act)
        )


class ResidualBlock(nn.Module):
    """x + conv(act(conv(x))): the residual block of Johnson et al. (2016), which keeps size and width."""

    def __init__(self, channels: int, *, norm: str, act: str) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ConvBlock(channels, channels, norm=norm, act=act),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=norm == "none"),
            normalization(norm, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """[b c h w] -> [b c h w]."""
        return x + self.body(x)


def gaussian_init(network: nn.Module, std: float) -> None:
    """Weights of convolutions ~ N(0, std), of normalizations ~ N(1, std), biases 0 (DCGAN, pix2pix appendix 6.2)."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            nn.init.normal_(module.weight, 0.0, std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, std)
            nn.init.zeros_(module.bias)


def _groups(channels: int) -> int:
    return next(groups for groups in (8, 4, 2, 1) if channels % groups == 0)


def _choose(table: dict[str, Callable[..., nn.Module]], name: str, key: str) -> Callable[..., nn.Module]:
    if name not in table:
        raise UserError(f"{key}: {name!r} is not known; write one of {', '.join(table)}")
    return table[name]
