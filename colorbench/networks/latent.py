"""Latent: the networks of a conditional variational autoencoder, and how a latent vector reaches every pixel.

    q(z | L, ab) = N(mu, diag exp(logvar))     posterior encoder: convolutions over (L, ab), pooled to a 4 x 4 grid
    p(z | L)     = N(mu_0, diag exp(logvar_0)) prior: from the bottleneck of L's encoder; N(0, I) at the start
    ab_hat = decoder(L, z)                     an encoder of L, z joined at its bottleneck, and a decoder

The decoder always knows L, so z need only hold what L leaves open. z becomes a 4 x 4 map, stretched over the
bottleneck and over every scale of the decoder: the colors of a picture's parts, not only one tint. With ``skips``
(U-Net VAE) the decoder also gets the maps of L's encoder at every scale; if z did not enter there too, the skips would
do all the work and z be ignored.
"""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorbench.networks.autoencoder import Rise
from colorbench.networks.blocks import Activation, ConvBlock, Norm, crop, pad
from colorbench.networks.guided import enlarge
from colorbench.networks.ontrunk import Narrow
from colorbench.ranges import Channels, Depth
from colorbench.registry import register
from colorbench.trunks.trunk import Trunk

GRID = 4
Moments = tuple[Tensor, Tensor]
"""mu and logvar, [b latent] each."""


@register("network", "latent")
class Latent(nn.Module):
    """latent: numbers in z. width: channels of the first level, doubled at each of ``levels`` halvings down to
    ``max_width``. skips: the decoder gets every map of L's encoder. prior: learned from L, or standard: N(0, I).
    posterior_width: as width, for q(z | L, ab)."""

    def __init__(
        self,
        *,
        latent: Channels,
        width: Channels,
        max_width: Channels,
        levels: Depth,
        skips: bool,
        posterior_width: Channels,
        norm: Norm,
        activation: Activation,
        trunk: Trunk | None = None,
        prior: Literal["learned", "standard"] = "learned",
    ) -> None:
        super().__init__()
        self.latent, self.stride, self.skips = latent, 2**levels, skips
        kind: dict[str, Any] = {"norm": norm, "act": activation}
        widths = [min(width * 2**i, max_width) for i in range(levels)]
        slim = [min(posterior_width * 2**i, max_width) for i in range(levels)]
        self.posterior = _encoder(3, slim, **kind)
        self.moments = nn.Linear(slim[-1] * GRID**2, 2 * latent)
        nn.init.normal_(self.moments.weight, 0.0, 0.01)
        nn.init.zeros_(self.moments.bias)
        self.encoder: nn.Module = _encoder(1, widths, **kind) if trunk is None else Narrow(trunk, finer=skips)
        self.scale, rises = 1, [*widths[-2::-1], width]
        if trunk is not None:
            widths, self.scale = list(self.encoder.widths), trunk.chroma_scale  # type: ignore[arg-type]
            rises = widths[-2::-1]
        self.prior = nn.Linear(widths[-1] * GRID**2, 2 * latent) if prior == "learned" else None
        if self.prior is not None:
            nn.init.zeros_(self.prior.weight)
            nn.init.zeros_(self.prior.bias)
        self.spread = nn.Linear(latent, widths[-1] * GRID**2)
        self.join = ConvBlock(2 * widths[-1], widths[-1], **kind)
        self.rises, self.refine, self.tints = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        below = widths[-1]
        for i, wide in enumerate(rises):
            skip = wide if skips and i < len(widths) - 1 else 0
            self.rises.append(Rise(below, wide, **kind))
            self.refine.append(ConvBlock(wide + skip, wide, **kind))
            self.tints.append(nn.Conv2d(widths[-1], wide, 1))
            below = wide
        self.head = nn.Conv2d(below, 2, 3, 1, 1)
        nn.init.normal_(self.head.weight, 0.0, 0.01)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, L: Tensor, ab: Tensor, eps: Tensor) -> tuple[Tensor, Moments, Moments]:
        """(L [b 1 h w], ab [b 2 h w], eps [b latent]) -> (ab_hat [b 2 h w], moments of q(z | L, ab), of p(z | L))."""
        q, (maps, p) = self.encode(L, ab), self._given(L)
        return self._decode(L, maps, _sample(q, eps)), q, p

    def encode(self, L: Tensor, ab: Tensor) -> Moments:
        """(L, ab) -> mu and logvar [b latent] of q(z | L, ab)."""
        maps = _maps(self.posterior, pad(torch.cat([L, ab], dim=1), self.stride))
        return _moments(self.moments, maps[-1], -12.0, 6.0)

    def draw(self, L: Tensor, eps: Tensor) -> Tensor:
        """(L [b 1 h w], eps [b latent]) -> [b 2 h w] in (-1, 1), of a z from p(z | L)."""
        maps, p = self._given(L)
        return self._decode(L, maps, _sample(p, eps))

    def _given(self, L: Tensor) -> tuple[list[Tensor], Moments]:
        """The maps of L's encoder, and p(z | L); its bounds keep 1 / sigma_0^2 in the divergence below e^6."""
        own = isinstance(self.encoder, nn.ModuleList)
        maps = _maps(self.encoder, pad(L, self.stride)) if own else self.encoder(L)  # type: ignore[arg-type]
        if self.prior is None:
            zeros = torch.zeros(len(L), self.latent, device=L.device)
            return maps, (zeros, zeros)
        return maps, _moments(self.prior, maps[-1], -6.0, 2.0)

    def _decode(self, L: Tensor, maps: list[Tensor], z: Tensor) -> Tensor:
        *skips, h = maps
        grid = self.spread(z).view(len(z), -1, GRID, GRID)
        h = self.join(torch.cat([h, _stretch(grid, h).to(h.dtype)], dim=1))
        for rise, refine, tint in zip(self.rises, self.refine, self.tints, strict=True):
            h = rise(h)
            h = h + _stretch(tint(grid), h).to(h.dtype)
            h = refine(torch.cat([h, skips.pop()], dim=1) if self.skips and skips else h)
        small = torch.tanh(self.head(h).float())
        if self.scale == 1:
            return crop(small, like=L)
        height, width = (-(-side // self.scale) for side in L.shape[-2:])
        return enlarge(small[..., :height, :width], L, self.scale).clamp(-1.0, 1.0)


def _encoder(inputs: int, widths: list[int], **kind: Any) -> nn.ModuleList:
    """One stage for each halving: a convolution of stride 2 and, but for the first, one of stride 1."""
    stages, before = [], inputs
    for i, wide in enumerate(widths):
        more = [ConvBlock(wide, wide, **kind)] if i else []
        stages.append(nn.Sequential(ConvBlock(before, wide, stride=2, **kind), *more))
        before = wide
    return nn.ModuleList(stages)


def _maps(stages: nn.ModuleList, h: Tensor) -> list[Tensor]:
    maps = []
    for stage in stages:
        h = stage(h)
        maps.append(h)
    return maps


def _moments(linear: nn.Module, h: Tensor, low: float, high: float) -> Moments:
    mu, logvar = linear(F.adaptive_avg_pool2d(h, GRID).flatten(1)).float().chunk(2, dim=1)
    return mu, logvar.clamp(low, high)


def _sample(moments: Moments, eps: Tensor) -> Tensor:
    mu, logvar = moments
    return mu + eps * (0.5 * logvar).exp()


def _stretch(grid: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(grid, size=like.shape[-2:], mode="bilinear")
