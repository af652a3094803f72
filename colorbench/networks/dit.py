"""DiT: a transformer as a denoiser (Peebles & Xie 2023), ``network@model.network=dit``.

The noisy map is cut into patches, each a token beside what a convolutional encoder saw of L there; so attention is the
only way from one place to another, from the first layer on. What changed since the paper, each in most denoisers of
2025: root mean squares as norm, also of queries and keys (Henry et al. 2020; Dehghani et al. 2023), rotary positions in
two dimensions (Su et al. 2021; Heo et al. 2024), which hold at any size, gated linear units (Shazeer 2020), values
mixed with those of the first layer (Zhou et al. 2024), and one modulation by the time for all layers, with offsets of
each (adaLN-single: Chen et al. 2023). All gates start at zero, so the network starts at zero.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorbench.errors import UserError
from colorbench.networks.blocks import Norm, crop, pad
from colorbench.networks.denoiser import ConditionEncoder, TimeEmbedding
from colorbench.networks.trunkpyramid import TrunkPyramid
from colorbench.ranges import Channels, Factor, Layers
from colorbench.registry import register
from colorbench.trunks.trunk import Trunk


@register("network", "dit")
class DiT(nn.Module):
    """As networks/denoiser.py's: forward(x, t, L, times), encode(L), denoise(x, t, maps).

    patch: side of a token's cell (a power of 2). width: channels of a token; head: of one head, a multiple of 4.
    """

    def __init__(
        self,
        *,
        outputs: Channels,
        scale: Factor,
        patch: Factor,
        width: Channels,
        layers: Layers,
        head: Channels,
        condition_width: Channels,
        norm: Norm,
        trunk: Trunk | None = None,
    ) -> None:
        super().__init__()
        head = min(head, width)
        if width % head or head % 4:
            raise UserError(f"network.head: {head} must divide width {width} and be a multiple of 4")
        self.outputs, self.patch, self.scale, self.stride = outputs, patch, scale, patch
        self.condition = (
            ConditionEncoder(scale=scale * patch, widths=[width], norm=norm, width=condition_width)
            if trunk is None
            else TrunkPyramid(trunk, scale=scale * patch, widths=[width], norm=norm)
        )
        self.stem = nn.Conv2d(outputs, width, patch, patch)
        self.join = nn.Linear(2 * width, width)
        self.time, self.modulation = TimeEmbedding(width), nn.Linear(width, 6 * width)
        self.blocks = nn.ModuleList(Block(width, head, first=i == 0) for i in range(layers))
        self.last = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, outputs * patch**2)
        for layer in (self.modulation, self.last, self.out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, t: Tensor, condition: Tensor, times: int = 1) -> Tensor:
        maps = self.encode(condition)
        return self.denoise(x, t, [known.repeat_interleave(times, dim=0) for known in maps] if times > 1 else maps)

    def encode(self, condition: Tensor) -> list[Tensor]:
        """The condition's one map, of one position for each token."""
        return self.condition(pad(condition, self.scale * self.patch))

    def denoise(self, x: Tensor, t: Tensor, maps: list[Tensor]) -> Tensor:
        """One pass, given the map."""
        cells = self.stem(pad(x, self.patch))
        rows, columns = cells.shape[-2:]
        h = self.join(torch.cat([cells, maps[0].to(cells.dtype)], dim=1).flatten(2).transpose(1, 2))  # b n width
        time = self.time(t)
        modulation = self.modulation(time).unflatten(1, (6, -1))[:, :, None]  # b 6 1 width
        turns = rotations(rows, columns, self.blocks[0].head, x.device)  # type: ignore[arg-type]
        first: Tensor | None = None
        for block in self.blocks:
            h, first = block(h, modulation, turns, first)
        scale, shift = self.last(time)[:, None].chunk(2, dim=-1)
        h = self.out(rms(h) * (1.0 + scale) + shift)
        h = h.transpose(1, 2).unflatten(2, (rows, columns))
        return crop(F.pixel_shuffle(h, self.patch).float(), like=x)


class Block(nn.Module):
    """h + gate attention(modulated h), then h + gate feedforward(modulated h)."""

    def __init__(self, width: int, head: int, *, first: bool) -> None:
        super().__init__()
        self.head, hidden = head, 8 * width // 3
        self.offsets = nn.Parameter(torch.zeros(6, 1, width))
        self.qkv, self.mix = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.up, self.down = nn.Linear(width, 2 * hidden, bias=False), nn.Linear(hidden, width, bias=False)
        self.earlier = None if first else nn.Parameter(torch.full((), 0.5))

    def forward(self, h: Tensor, modulation: Tensor, turns: Tensor, values: Tensor | None) -> tuple[Tensor, Tensor]:
        """[b n width] -> [b n width], and the values of the first layer."""
        scale1, shift1, gate1, scale2, shift2, gate2 = (modulation + self.offsets).unbind(1)
        q, k, v = self.qkv(rms(h) * (1.0 + scale1) + shift1).unflatten(2, (3, -1, self.head)).permute(2, 0, 3, 1, 4)
        v = v if values is None or self.earlier is None else torch.lerp(v, values, self.earlier.to(v.dtype))
        mixed = F.scaled_dot_product_attention(turn(rms(q), turns), turn(rms(k), turns), v)
        h = h + gate1 * self.mix(mixed.transpose(1, 2).flatten(2))
        gate, value = self.up(rms(h) * (1.0 + scale2) + shift2).chunk(2, dim=-1)
        return h + gate2 * self.down(F.silu(gate) * value), v if values is None else values


def rms(x: Tensor) -> Tensor:
    """Each vector over its root mean square."""
    return F.rms_norm(x, x.shape[-1:], eps=1e-6)


def rotations(rows: int, columns: int, head: int, device: torch.device) -> Tensor:
    """[rows * columns, head / 2]: the angle of each pair of channels; half of them turn with the row, half with the
    column, by 1 to 1/100 radians for a step."""
    rate = 100.0 ** -torch.linspace(0.0, 1.0, head // 4, device=device)
    down = torch.arange(rows, device=device)[:, None, None] * rate
    right = torch.arange(columns, device=device)[None, :, None] * rate
    return torch.cat([down.expand(rows, columns, -1), right.expand(rows, columns, -1)], dim=-1).flatten(0, 1)


def turn(x: Tensor, angles: Tensor) -> Tensor:
    """Each pair (first half, second half) of channels, turned by its angle."""
    a, b = x.chunk(2, dim=-1)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)
