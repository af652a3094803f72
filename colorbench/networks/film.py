"""FiLM: a decoder that one random vector steers as a whole, above an encoder of L that runs once.

    maps = encoder(L)                          a pyramid, finest first: once for each image
    h <- h + conv(silu((1 + s(z)) norm(conv(silu(norm(h)))) + t(z)))      in every block of the decoder, from coarse
                                                                          to fine: once for each draw

s and t are one number for each channel and no place (feature-wise linear modulation, Perez et al. 2018): z [latent]
reaches every position alike, so a draw can only differ as a whole from another, and losses that look at small parts
still train coherent pictures (the weather ensembles of Alet et al. 2025, arXiv 2506.10772, rest on this). Noise maps in
the place of z gave mottled skies. s and t start with a deviation of ``start``, not 0: draws that are equal repel each
other by nothing.

An encoder has ``channels`` (of each map, finest first) and ``scale`` (how much smaller than L the finest is) and takes
L [b 1 h w] of any size to the list of maps; :class:`Pyramid` is one that learns from nothing.
"""

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorbench.errors import UserError
from colorbench.networks.blocks import normalization, pad
from colorbench.networks.denoiser import ConditionEncoder
from colorbench.registry import register


@register("network", "pyramid")
class Pyramid(nn.Module):
    """[b 1 h w] -> maps of ``widths`` channels, the first ``scale`` times smaller (a power of 2), each next halved.

    width: channels of the convolutions before the first map.
    """

    def __init__(self, *, scale: int, width: int, widths: tuple[int, ...], norm: str) -> None:
        super().__init__()
        self.scale, self.channels, self.stride = scale, widths, scale * 2 ** (len(widths) - 1)
        self.encoder = ConditionEncoder(scale=scale, width=width, widths=list(widths), norm=norm)

    def forward(self, L: Tensor) -> list[Tensor]:
        """One pass."""
        return self.encoder(pad(L, self.stride))


@register("network", "film")
class Film(nn.Module):
    """(L [b 1 h w], z [b k latent]) -> k maps for each image, [b k 2 ceil(h / scale) ceil(w / scale)], unbounded.

    widths: channels of the decoder at each of the encoder's maps. blocks: residual blocks at each. latent: numbers in
    z. style: channels of what z is mapped to before it steers. start: see above.
    """

    def __init__(
        self, *, encoder: nn.Module, widths: tuple[int, ...], blocks: int, latent: int, style: int, start: float,
        norm: str,
    ) -> None:  # fmt: skip
        super().__init__()
        channels: Any = encoder.channels
        if len(widths) != len(channels):
            raise UserError(f"network.widths: the encoder gives {len(channels)} maps, so expected as many widths")
        self.encoder, self.latent, self.scale = encoder, latent, int(encoder.scale)  # type: ignore[arg-type]
        self.style = nn.Sequential(nn.Linear(latent, style), nn.SiLU(), nn.Linear(style, style), nn.SiLU())
        self.enter = nn.ModuleList(nn.Conv2d(c, w, 1) for c, w in zip(channels, widths, strict=True))
        self.rise = nn.ModuleList(nn.Conv2d(c, w, 1, bias=False) for w, c in pairwise(widths))
        kind: dict[str, Any] = {"style": style, "start": start, "norm": norm}
        self.levels = nn.ModuleList(nn.ModuleList(Steered(w, **kind) for _ in range(blocks)) for w in widths)
        self.head = nn.Sequential(normalization(norm, widths[0]), nn.SiLU(), nn.Conv2d(widths[0], 2, 3, 1, 1))

    def forward(self, L: Tensor, z: Tensor) -> Tensor:
        """One pass."""
        h, w = (-(-side // self.scale) for side in L.shape[-2:])
        return self.decode(self.encode(L), z)[..., :h, :w]

    def encode(self, L: Tensor) -> list[Tensor]:
        """What all draws of an image share: the encoder's maps, brought to the decoder's channels."""
        return [enter(known) for enter, known in zip(self.enter, self.encoder(L), strict=True)]

    def decode(self, maps: list[Tensor], z: Tensor) -> Tensor:
        """z [b k latent] -> [b k 2 h w], of the finest map's size."""
        b, k = z.shape[:2]
        style = self.style(z.flatten(0, 1))
        style = F.rms_norm(style, style.shape[-1:])
        shared = [known.repeat_interleave(k, dim=0) if k > 1 else known for known in maps]
        h = shared[-1]
        for level in reversed(range(len(shared))):
            if level < len(shared) - 1:
                known = shared[level]
                h = known + F.interpolate(self.rise[level](h), size=known.shape[-2:], mode="nearest")
            for block in self.levels[level]:  # type: ignore[attr-defined]
                h = block(h, style)
        return self.head(h).float().unflatten(0, (b, k))


class Steered(nn.Module):
    """A residual block whose inner map the style scales and shifts."""

    def __init__(self, channels: int, *, style: int, start: float, norm: str) -> None:
        super().__init__()
        self.before = nn.Sequential(
            normalization(norm, channels), nn.SiLU(), nn.Conv2d(channels, channels, 3, 1, 1, bias=norm == "none")
        )
        self.norm, self.steer = normalization(norm, channels), nn.Linear(style, 2 * channels)
        self.after = nn.Sequential(nn.SiLU(), nn.Conv2d(channels, channels, 3, 1, 1))
        nn.init.normal_(self.steer.weight, 0.0, start / style**0.5)
        nn.init.zeros_(self.steer.bias)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """([b c h w], [b style] of root mean square 1) -> [b c h w]."""
        scale, shift = self.steer(style)[:, :, None, None].chunk(2, dim=1)
        return x + self.after(torch.addcmul(shift, self.norm(self.before(x)), 1.0 + scale))
