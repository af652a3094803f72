"""Query decoder: colors as learned queries that look for their places (Kang et al. 2023, "DDColor"), small.

    q^0      N learned vectors: N colors that pictures may have
    q        <- q + attention(q, level_i), + attention(q, q), + feed-forward        the coarse levels of L's features,
                                                                                   from coarse to fine, again and again
    map_n    = <E q_n, finest features>                                             one map for each query
    ab       = tanh(linear over the N maps and L), at 1/scale, enlarged along L

A convolution answers for its own surroundings; a query has seen all of the picture before it says where its color goes.
Whether that is worth its cost at an equal budget is what the row is for. The original's backbone is a ConvNeXt on
photographs of 256 px, with 100 queries, 9 layers, a perceptual and an adversarial loss; here the features are
networks/pyramid.py's.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorbench.errors import UserError
from colorbench.networks.dit import rotations
from colorbench.networks.guided import enlarge, shrink
from colorbench.ranges import Channels, Layers, Several
from colorbench.registry import register


@register("network", "querydecoder")
class QueryDecoder(nn.Module):
    """[b 1 h w] -> [b 2 h w] in [-1, 1], any h and w.

    features: as of networks/pyramid.py, with ``levels``. queries: N. width: channels of a query, a multiple of 4; head:
    of one head of attention, which divides it. layers: of the decoder, each on the next of the coarse levels.
    """

    def __init__(
        self, *, features: nn.Module, queries: Several, width: Channels, head: Channels, layers: Layers
    ) -> None:
        super().__init__()
        channels: Any = features.channels
        head = min(head, width)
        if width % head or width % 4:
            raise UserError(f"network.width: {width} must be a multiple of 4 and of network.head, {head}")
        if len(channels) < 2:
            raise UserError("network.features.widths: the queries look at coarser levels: give at least 2 widths")
        self.features, self.scale, self.width = features, int(features.scale), width  # type: ignore[arg-type]
        self.queries = nn.Parameter(torch.randn(queries, width) * width**-0.5)
        self.enter = nn.ModuleList(nn.Conv2d(c, width, 1) for c in channels[1:])
        self.marks = nn.Parameter(torch.zeros(len(channels) - 1, width))
        self.layers = nn.ModuleList(QueryLayer(width, head) for _ in range(layers))
        self.embed = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, channels[0])
        )
        self.mix = nn.Conv2d(queries + 1, 2, 1)
        nn.init.normal_(self.mix.weight, 0.0, 0.01)
        nn.init.zeros_(self.mix.bias)  # type: ignore[arg-type]

    def forward(self, L: Tensor) -> Tensor:
        fine, *coarse = self.features.levels(L)  # type: ignore[operator]
        known = [self._tokens(i, level) for i, level in enumerate(coarse)][::-1]
        q = self.queries.expand(len(L), -1, -1)
        for i, layer in enumerate(self.layers):
            q = layer(q, *known[i % len(known)])
        maps = torch.einsum("bnc,bcyx->bnyx", self.embed(q), fine) * fine.shape[1] ** -0.5
        small = torch.tanh(self.mix(torch.cat([maps, shrink(L, self.scale).to(maps.dtype)], dim=1)).float())
        return enlarge(small, L, self.scale).clamp(-1.0, 1.0)

    def _tokens(self, level: int, x: Tensor) -> tuple[Tensor, Tensor]:
        """A level's positions as keys (which say where they are) and values, [b n width] each."""
        values = self.enter[level](x).flatten(2).transpose(1, 2) + self.marks[level]
        angles = rotations(x.shape[-2], x.shape[-1], self.width, x.device)
        return values + torch.cat([angles.sin(), angles.cos()], dim=-1).to(values.dtype), values


class QueryLayer(nn.Module):
    """Queries look at a level, then at each other, then each at itself."""

    def __init__(self, width: int, head: int) -> None:
        super().__init__()
        self.head = head
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(4))
        self.across = nn.ModuleList(nn.Linear(width, width) for _ in range(4))  # query, key, value, out
        self.within = nn.ModuleList(nn.Linear(width, width) for _ in range(4))
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width))

    def forward(self, q: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """[b queries width], twice [b n width] -> [b queries width]."""
        n = self.norms
        q = q + self._attend(self.across, n[0](q), n[1](keys), n[1](values))
        h = n[2](q)
        q = q + self._attend(self.within, h, h, h)
        return q + self.feed(n[3](q))

    def _attend(self, layers: nn.ModuleList, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        parts = (f(x).unflatten(2, (-1, self.head)).transpose(1, 2) for f, x in zip(layers, (q, k, v), strict=False))
        return layers[3](F.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2))
