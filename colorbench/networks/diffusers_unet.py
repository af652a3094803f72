"""The U-Net of diffusers (UNet2DModel) as a denoiser: ``network@model.network=diffusers_unet``.

It is unconditional, so L comes in by its first layer: one map of L at the image's resolution, from the same encoder as
the denoiser's, joined to the noisy image.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from colorbench.networks.blocks import Norm, crop, pad
from colorbench.networks.denoiser import ConditionEncoder
from colorbench.networks.trunkpyramid import TrunkPyramid
from colorbench.ranges import Channels, Factor, Layers, LayersOrNone, Memory, Several
from colorbench.registry import register
from colorbench.trunks.trunk import Trunk


@register("network", "diffusers_unet")
class DiffusersUNet(nn.Module):
    """As networks/denoiser.py's: forward(x, t, L, times), encode(L), denoise(x, t, maps).

    width: channels of the first level; level i has width * multipliers[i]. attention: number of coarse levels that
    attend to themselves. head: channels of one head.
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
        head: Channels,
        condition_width: Channels,
        norm: Norm,
        dropout: Memory,
        trunk: Trunk | None = None,
    ) -> None:
        super().__init__()
        from diffusers import UNet2DModel  # late: it takes seconds

        widths, levels = [width * m for m in multipliers], len(multipliers)
        self.scale, self.stride = scale, 2 ** (levels - 1)
        self.condition = (
            ConditionEncoder(scale=scale, widths=[width], norm=norm, width=condition_width)
            if trunk is None
            else TrunkPyramid(trunk, scale=scale, widths=[width], norm=norm)
        )
        attends = [level >= levels - attention for level in range(levels)]
        unet: Any = UNet2DModel(
            in_channels=outputs + width,
            out_channels=outputs,
            layers_per_block=blocks,
            block_out_channels=tuple(widths),
            down_block_types=tuple("AttnDownBlock2D" if attend else "DownBlock2D" for attend in attends),
            up_block_types=tuple("AttnUpBlock2D" if attend else "UpBlock2D" for attend in reversed(attends)),
            attention_head_dim=min(head, *widths),
            norm_num_groups=math.gcd(32, *widths),
            dropout=dropout,
        )
        self.unet, last = unet, unet.conv_out
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, x: Tensor, t: Tensor, condition: Tensor, times: int = 1) -> Tensor:
        maps = self.encode(condition)
        return self.denoise(x, t, [known.repeat_interleave(times, dim=0) for known in maps] if times > 1 else maps)

    def encode(self, condition: Tensor) -> list[Tensor]:
        """The condition's one map."""
        return self.condition(pad(condition, self.scale * self.stride))

    def denoise(self, x: Tensor, t: Tensor, maps: list[Tensor]) -> Tensor:
        """One pass, given the map; t in [0, 1] becomes diffusers' 0 to 1000."""
        joined = torch.cat([pad(x, self.stride), maps[0].to(x.dtype)], dim=1)
        return crop(self.unet(joined, 1000.0 * t).sample.float(), like=x)
