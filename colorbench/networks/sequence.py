"""Sequence: a transformer over the cells of a small map, all at once or one after another.

    h <- h + attention(h),  h <- h + feed-forward(h)          the blocks of networks/dit.py without a time

Root mean squares as norm, also of queries and keys, rotary positions in two dimensions (they hold at any size), gated
linear units. All branches start at zero. ``causal``: a cell sees those before it in raster order, itself included.
:meth:`Sequence.step` computes one cell more and keeps the keys and values of those before (:class:`Memory`), so a
picture of n cells costs n steps of one cell instead of n passes over all.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from colorbench.errors import UserError
from colorbench.networks.dit import rms, rotations, turn
from colorbench.ranges import Channels, Layers
from colorbench.registry import register


class Memory:
    """Keys and values [b heads n head] of every layer, and how many cells they hold so far."""

    def __init__(self, layers: int, b: int, heads: int, rows: int, columns: int, head: int, like: Tensor) -> None:
        shape = (layers, b, heads, rows * columns, head)
        self.keys, self.values = like.new_zeros(shape), like.new_zeros(shape)
        self.turns, self.cells = rotations(rows, columns, head, like.device), 0


@register("network", "sequence")
class Sequence(nn.Module):
    """[b n width] -> [b n width], of root mean square 1. head: channels of one head of attention, a multiple of 4."""

    def __init__(self, *, width: Channels, layers: Layers, head: Channels) -> None:
        super().__init__()
        self.width, self.head = width, min(head, width)
        if width % self.head or self.head % 4:
            raise UserError(f"network.head: {self.head} must divide width {width} and be a multiple of 4")
        self.blocks = nn.ModuleList(Block(width, self.head) for _ in range(layers))

    def forward(self, h: Tensor, rows: int, columns: int, *, causal: bool = False) -> Tensor:
        """All cells of a map, in raster order."""
        turns = rotations(rows, columns, self.head, h.device)
        for block in self.blocks:
            q, k, v = block.look(h, turns)  # type: ignore[operator]
            h = block.go_on(h, F.scaled_dot_product_attention(q, k, v, is_causal=causal))  # type: ignore[operator]
        return rms(h)

    def memory(self, b: int, rows: int, columns: int, like: Tensor) -> Memory:
        """Of nothing yet, for maps of this size."""
        return Memory(len(self.blocks), b, self.width // self.head, rows, columns, self.head, like)

    def step(self, h: Tensor, memory: Memory) -> Tensor:
        """The next cell [b 1 width], after those that ``memory`` holds; it is added to them."""
        i = memory.cells
        for block, keys, values in zip(self.blocks, memory.keys, memory.values, strict=True):
            q, k, v = block.look(h, memory.turns[i : i + 1])  # type: ignore[operator]
            keys[:, :, i], values[:, :, i] = k[:, :, 0], v[:, :, 0]
            seen = F.scaled_dot_product_attention(q, keys[:, :, : i + 1], values[:, :, : i + 1])
            h = block.go_on(h, seen)  # type: ignore[operator]
        memory.cells = i + 1
        return rms(h)


class Block(nn.Module):
    """Attention in two halves, between which a memory can be read."""

    def __init__(self, width: int, head: int) -> None:
        super().__init__()
        self.head, hidden = head, 8 * width // 3
        self.qkv, self.mix = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.up, self.down = nn.Linear(width, 2 * hidden, bias=False), nn.Linear(hidden, width, bias=False)
        nn.init.zeros_(self.mix.weight)
        nn.init.zeros_(self.down.weight)

    def look(self, h: Tensor, turns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[b n width] -> queries, keys, values [b heads n head]."""
        q, k, v = self.qkv(rms(h)).unflatten(2, (3, -1, self.head)).permute(2, 0, 3, 1, 4)
        return turn(rms(q), turns), turn(rms(k), turns), v

    def go_on(self, h: Tensor, seen: Tensor) -> Tensor:
        """What was seen [b heads n head] is added to h, then the feed-forward."""
        h = h + self.mix(seen.transpose(1, 2).flatten(2))
        gate, value = self.up(rms(h)).chunk(2, dim=-1)
        return h + self.down(F.silu(gate) * value)
