"""FiLM: a decoder that one random vector steers as a whole, above an encoder of L that runs once.

    h <- h + conv(silu((1 + s(z)) norm(conv(silu(norm(h)))) + t(z)))      in every block of the ladder (see pyramid.py)

s and t are one number for each channel and no place (feature-wise linear modulation, Perez et al. 2018): z [latent]
reaches every position alike, so a draw can only differ as a whole from another, and losses that look at small parts
still train coherent pictures (the weather ensembles of Alet et al. 2025, arXiv 2506.10772, rest on this). Noise maps in
the place of z gave mottled skies. s and t start with a deviation of ``start``, not 0: draws that are equal repel each
other by nothing.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorbench.networks.blocks import Norm, normalization
from colorbench.networks.pyramid import Ladder
from colorbench.ranges import Channels, Layers, NotNegative
from colorbench.registry import register


@register("network", "film")
class Film(nn.Module):
    """(L [b 1 h w], z [b k latent]) -> k maps for each image, [b k 2 ceil(h / scale) ceil(w / scale)], unbounded.

    encoder: see pyramid.py. widths: channels of the decoder at each of the encoder's maps. blocks: residual blocks at
    each. latent: numbers in z. style: channels of what z is mapped to before it steers. start: see above.
    """

    def __init__(
        self,
        *,
        encoder: nn.Module,
        widths: tuple[Channels, ...],
        blocks: Layers,
        latent: Channels,
        style: Channels,
        start: NotNegative,
        norm: Norm,
    ) -> None:
        super().__init__()
        channels: Any = encoder.channels
        kind: dict[str, Any] = {"style": style, "start": start, "norm": norm}
        self.encoder, self.latent, self.scale = encoder, latent, int(encoder.scale)  # type: ignore[arg-type]
        self.style = nn.Sequential(nn.Linear(latent, style), nn.SiLU(), nn.Linear(style, style), nn.SiLU())
        self.ladder = Ladder(channels, widths, lambda w: Steered(w, **kind), blocks)
        self.head = nn.Sequential(normalization(norm, widths[0]), nn.SiLU(), nn.Conv2d(widths[0], 2, 3, 1, 1))

    def forward(self, L: Tensor, z: Tensor) -> Tensor:
        h, w = (-(-side // self.scale) for side in L.shape[-2:])
        return self.decode(self.encode(L), z)[..., :h, :w]

    def encode(self, L: Tensor) -> list[Tensor]:
        """What all draws of an image share: the encoder's maps, brought to the decoder's channels."""
        return self.ladder.known(self.encoder(L))

    def decode(self, maps: list[Tensor], z: Tensor) -> Tensor:
        """z [b k latent] -> [b k 2 h w], of the finest map's size."""
        b, k = z.shape[:2]
        style = self.style(z.flatten(0, 1))
        style = F.rms_norm(style, style.shape[-1:])
        shared = [known.repeat_interleave(k, dim=0) if k > 1 else known for known in maps]
        return self.head(self.ladder.climb(shared, style)[0]).float().unflatten(0, (b, k))


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
