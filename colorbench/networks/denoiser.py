"""Denoiser: a U-Net with time, attention, and a separate encoder of the condition.

The condition does not change from one step of a sampler to the next, so it has its own encoder, run once: folded to the
denoiser's resolution and down to its bottleneck, one map for each scale, joined to the noisy image there. The denoiser
is the U-Net of Ho et al. (2020) with the residual blocks of Dhariwal & Nichol (2021, section 3): the time scales and
shifts each normalized map. Self-attention at the coarse scales is the global path: without it, regions far apart choose
their colors independently, and samples are patchwork.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorbench.networks.blocks import ConvBlock, Norm, crop, normalization, pad
from colorbench.networks.trunkpyramid import TrunkPyramid
from colorbench.ranges import Channels, Factor, Layers, LayersOrNone, Memory, Several
from colorbench.registry import register
from colorbench.trunks.trunk import Trunk


@register("network", "denoiser")
class Denoiser(nn.Module):
    """(x [k b outputs h/scale w/scale], t [k b] in [0, 1], condition [b 1 h w]) -> as x.

    k is ``times``, 1 unless it is given: so many images in a row share a condition, which is encoded once.

    scale: how much smaller the image is than its condition (a power of 2). width: channels of the first level; level i
    has width * multipliers[i] and is 2^i times smaller. blocks: residual blocks at each level of each side. attention:
    number of coarse levels that attend to themselves. condition_width: channels of the condition's encoder before it
    reaches the image's resolution.
    """

    def __init__(
        self,
        *,
        outputs: Channels,
        scale: Factor,
        width: Channels,
        multipliers: tuple[Several, ...],
        blocks: Layers,
        attention: LayersOrNone,
        condition_width: Channels,
        norm: Norm,
        dropout: Memory,
        trunk: Trunk | None = None,
    ) -> None:
        super().__init__()
        widths = [width * m for m in multipliers]
        levels = len(widths)
        self.scale, self.stride = scale, 2 ** (levels - 1)
        self.condition = (
            ConditionEncoder(scale=scale, widths=widths, norm=norm, width=condition_width)
            if trunk is None
            else TrunkPyramid(trunk, scale=scale, widths=widths, norm=norm)
        )
        self.time = TimeEmbedding(4 * width)
        self.stem = nn.Conv2d(outputs, width, 3, 1, 1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        channels, carried = width, []
        for level, wide in enumerate(widths):
            attend = level >= levels - attention
            stage = Stage(channels + wide, wide, time=4 * width, blocks=blocks, attend=attend, dropout=dropout)
            self.down.append(stage)
            channels = wide
            carried.append(wide)
        self.middle = Stage(channels, channels, time=4 * width, blocks=1, attend=True, dropout=dropout)
        for level in reversed(range(levels)):
            wide, attend = widths[level], level >= levels - attention
            stage = Stage(channels + carried.pop(), wide, time=4 * width, blocks=blocks, attend=attend, dropout=dropout)
            self.up.append(stage)
            channels = wide
        self.out = nn.Sequential(normalization("group", channels), nn.SiLU(), nn.Conv2d(channels, outputs, 3, 1, 1))
        nn.init.zeros_(self.out[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.out[-1].bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, t: Tensor, condition: Tensor, times: int = 1) -> Tensor:
        maps = self.encode(condition)
        return self.denoise(x, t, [known.repeat_interleave(times, dim=0) for known in maps] if times > 1 else maps)

    def encode(self, condition: Tensor) -> list[Tensor]:
        """The condition's maps, one for each level: what a sampler computes once."""
        return self.condition(pad(condition, self.scale * self.stride))

    def denoise(self, x: Tensor, t: Tensor, maps: list[Tensor]) -> Tensor:
        """One pass, given the condition's maps."""
        time = self.time(t)
        h = self.stem(pad(x, self.stride))
        carried = []
        for level, (stage, known) in enumerate(zip(self.down, maps, strict=True)):
            h = F.avg_pool2d(h, 2) if level else h
            h = stage(torch.cat([h, known.to(h.dtype)], dim=1), time)
            carried.append(h)
        h = self.middle(h, time)
        for stage in self.up:
            below = carried.pop()
            h = F.interpolate(h, size=below.shape[-2:], mode="nearest") if h.shape != below.shape else h
            h = stage(torch.cat([h, below], dim=1), time)
        return crop(self.out(h).float(), like=x)


class ConditionEncoder(nn.Module):
    """[b 1 h w] -> one map for each level, from 1/scale on; convolutions and halvings."""

    def __init__(self, *, scale: int, width: int, widths: list[int], norm: str) -> None:
        super().__init__()
        kind: dict[str, Any] = {"norm": norm, "act": "silu"}
        self.fold = min(scale, 2)
        layers: list[nn.Module] = [
            ConvBlock(self.fold**2, width, **kind),
            ConvBlock(width, width, **kind),
        ]
        while self.fold * 2 ** (len(layers) // 2 - 1) < scale:
            layers += [ConvBlock(width, 2 * width, stride=2, **kind), ConvBlock(2 * width, 2 * width, **kind)]
            width *= 2
        self.stages = nn.ModuleList()
        for level, wide in enumerate(widths):
            first = ConvBlock(width, wide, stride=2 if level else 1, **kind)
            self.stages.append(nn.Sequential(*layers, first, ConvBlock(wide, wide, **kind)))
            layers, width = [], wide

    def forward(self, condition: Tensor) -> list[Tensor]:
        h, maps = F.pixel_unshuffle(condition, self.fold), []
        for stage in self.stages:
            h = stage(h)
            maps.append(h)
        return maps


class Stage(nn.Module):
    """Residual blocks and, if asked, attention, at one level."""

    def __init__(self, inputs: int, outputs: int, *, time: int, blocks: int, attend: bool, dropout: float) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            Residual(inputs if i == 0 else outputs, outputs, time=time, dropout=dropout) for i in range(blocks)
        )
        self.attention = Attention(outputs) if attend else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """[b inputs h w], [b time] -> [b outputs h w]."""
        for block in self.blocks:
            x = block(x, time)
        return self.attention(x)


class Residual(nn.Module):
    """x + conv(silu((1 + scale(t)) norm(conv(silu(norm(x)))) + shift(t)))."""

    def __init__(self, inputs: int, outputs: int, *, time: int, dropout: float) -> None:
        super().__init__()
        self.before = nn.Sequential(normalization("group", inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, 1, 1))
        self.norm, self.modulate = normalization("group", outputs), nn.Linear(time, 2 * outputs)
        self.after = nn.Sequential(nn.SiLU(), nn.Dropout(dropout), nn.Conv2d(outputs, outputs, 3, 1, 1))
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        nn.init.zeros_(self.after[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.after[-1].bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """[b inputs h w], [b time] -> [b outputs h w]."""
        scale, shift = self.modulate(time)[:, :, None, None].chunk(2, dim=1)
        h = self.norm(self.before(x)) * (1.0 + scale) + shift
        return self.skip(x) + self.after(h)


class Attention(nn.Module):
    """x + attention over all positions, as few heads of at most 64 channels as divide them (Vaswani et al. 2017)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = next(n for n in range(-(-channels // 64), channels + 1) if channels % n == 0)
        self.norm, self.qkv = normalization("group", channels), nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """[b c h w] -> [b c h w]."""
        b, c, h, w = x.shape
        q, k, v = self.qkv(self.norm(x)).view(b, 3, self.heads, c // self.heads, h * w).transpose(-1, -2).unbind(1)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(-1, -2).reshape(b, c, h, w)
        return x + self.out(mixed)


class TimeEmbedding(nn.Module):
    """t [b] in [0, 1] -> [b channels]: sines and cosines of 2^-2 to 2^6 periods, and two layers."""

    frequencies: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        frequencies = 2 * math.pi * 2.0 ** torch.linspace(-2, 6, 32, device="cpu")
        self.register_buffer("frequencies", torch.tensor(frequencies.tolist()), persistent=False)
        self.layers = nn.Sequential(nn.Linear(64, channels), nn.SiLU(), nn.Linear(channels, channels), nn.SiLU())

    def forward(self, t: Tensor) -> Tensor:
        angles = t.float()[:, None] * self.frequencies
        return self.layers(torch.cat([angles.sin(), angles.cos()], dim=1))
