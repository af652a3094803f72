"""TarFlow: a normalizing flow of transformers (Zhai et al. 2024, arXiv 2412.06329), given L.

    x^0 = x,   z = x^T                                      x: a small chroma map, cut into patches x_1..x_n
    x_i^(t+1) = (x_i^t - mu_i) exp(-s_i),   (s_i, mu_i) = transformer_t(x_1^t..x_(i-1)^t, L)
    log p(x) = log N(z; 0, I) - sum over t, i and channels of s_i

Each step is an affine map whose shift and scale see the patches before it (masked autoregressive flow: Papamakarios et
al. 2017), so the Jacobian is triangular and its determinant a sum. Every other step reads the map turned by half a
circle, so what was last comes first. The way forth is one pass over all patches, the way back goes patch after patch,
with keys and values kept. s is bounded, softly, by +-``BOUND``: no patch can be stretched without end.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorbench.networks.blocks import pad
from colorbench.networks.dit import rms
from colorbench.networks.sequence import Sequence
from colorbench.ranges import Channels, Factor, Layers
from colorbench.registry import register

BOUND = 3.0


@register("network", "tarflow")
class TarFlow(nn.Module):
    """features: of L, as of networks/pyramid.py. patch: side of a token, in cells. flows: T, of ``layers`` each."""

    def __init__(
        self, *, features: nn.Module, patch: Factor, flows: Layers, width: Channels, layers: Layers, head: Channels
    ) -> None:
        super().__init__()
        channels: Any = features.channels
        self.features, self.scale, self.patch = features, int(features.scale), patch  # type: ignore[arg-type]
        self.enter = nn.Conv2d(channels[0], width, patch, patch)
        numbers = 2 * patch**2
        self.flows = nn.ModuleList(Step(numbers, Sequence(width=width, layers=layers, head=head)) for _ in range(flows))

    def encode(self, L: Tensor) -> Tensor:
        """[b 1 h w] -> [b width rows columns]: what is known of L at every patch."""
        return self.enter(pad(self.features(L), self.patch))

    def forward(self, x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """x [b 2 y x], sides that ``patch`` divides -> (z, as x, and log |det dz/dx| [b])."""
        h = F.pixel_unshuffle(x, self.patch)
        total = x.new_zeros(len(x))
        for flow in self.flows:
            h, change = flow(h, known)
            total = total + change
            h, known = h.flip(2, 3), known.flip(2, 3)
        return F.pixel_shuffle(h, self.patch), total

    def back(self, z: Tensor, known: Tensor) -> Tensor:
        """z -> x: the inverse of :meth:`forward`."""
        h = F.pixel_unshuffle(z, self.patch)
        known = known.flip(2, 3) if len(self.flows) % 2 else known
        for flow in reversed(self.flows):
            h, known = h.flip(2, 3), known.flip(2, 3)
            h = flow.back(h, known)  # type: ignore[operator]
        return F.pixel_shuffle(h, self.patch)


class Step(nn.Module):
    """One affine map in raster order, over patches of so many ``numbers``."""

    def __init__(self, numbers: int, transformer: Sequence) -> None:
        super().__init__()
        self.transformer = transformer
        self.words, self.out = nn.Linear(numbers, transformer.width), nn.Linear(transformer.width, 2 * numbers)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """x [b numbers rows columns], known [b width rows columns] -> (the next x, log |det| [b])."""
        patches, features = x.flatten(2).transpose(1, 2), known.flatten(2).transpose(1, 2)
        before = F.pad(patches[:, :-1], (0, 0, 1, 0))
        h = self.transformer(rms(self.words(before) + features), *x.shape[-2:], causal=True)
        s, mu = self._affine(h)
        return ((patches - mu) * (-s).exp()).transpose(1, 2).unflatten(2, x.shape[-2:]), -s.sum(dim=(1, 2))

    def back(self, z: Tensor, known: Tensor) -> Tensor:
        """The inverse, patch after patch."""
        patches, features = z.flatten(2).transpose(1, 2), known.flatten(2).transpose(1, 2)
        memory = self.transformer.memory(len(z), z.shape[-2], z.shape[-1], features)
        found = [torch.zeros_like(patches[:, :1])]
        for i in range(patches.shape[1]):
            h = self.transformer.step(rms(self.words(found[-1]) + features[:, i : i + 1]), memory)
            s, mu = self._affine(h)
            found.append(patches[:, i : i + 1] * s.exp() + mu)
        return torch.cat(found[1:], dim=1).transpose(1, 2).unflatten(2, z.shape[-2:])

    def _affine(self, h: Tensor) -> tuple[Tensor, Tensor]:
        s, mu = self.out(h).float().chunk(2, dim=-1)
        return BOUND * torch.tanh(s / BOUND), mu
