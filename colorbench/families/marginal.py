"""Marginal: the chroma of a training picture drawn at random, whatever is to be colored.

    ab_hat = lay(c_J, L),   J ~ U{1..N},   c_j = the chroma of training picture j at 16 x 16

A sampler that learned nothing about L: it has the training split's colors, their spread and how they hang together,
laid along the edges of L, which it never looks at otherwise. Each draw is of its own J, with replacement: draws are
independent given the picture. (Pictures shown once each would be dependent, and the spread term of a score that
supposes independence would be K/(K-1) too large.)
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorbench.arrays import Chroma, Luma
from colorbench.batch import Batch
from colorbench.errors import UserError
from colorbench.family import Family, Objective, Weights
from colorbench.networks.guided import lay
from colorbench.noise import Noise
from colorbench.ranges import Side
from colorbench.registry import register


@register("family", "marginal")
class Marginal(Family):
    """Nothing to train; side: of the chroma maps [n 2 side side] that are kept of the whole training split."""

    chroma: Tensor

    def __init__(self, *, side: Side) -> None:
        super().__init__()
        self.weights = Weights({})
        self.side = side
        self.register_buffer("chroma", torch.zeros(0, 2, side, side, dtype=torch.float16))

    @property
    def stochastic(self) -> bool:
        return True

    def trainable(self) -> Mapping[str, nn.Module]:
        return {}

    def objectives(self, batch: Batch, noise: Noise, weights: Weights) -> Iterator[Objective]:
        yield from ()

    def prepare(self, batches: Iterable[Batch]) -> None:
        """Remember every training picture."""
        small = [F.adaptive_avg_pool2d(batch.ab, self.side).half() for batch in batches]
        self.chroma = torch.cat([maps.to(self.chroma.device) for maps in small])

    def colorize(self, L: Luma, noise: Noise) -> Chroma:
        if not len(self.chroma):
            raise UserError("model=marginal remembers nothing: it was not prepared on a training split")
        rows = (noise.uniform("marginal", 1)[:, 0] * len(self.chroma)).long()
        return lay(self.chroma[rows].float(), L).clamp(-1.0, 1.0)

    def _load_from_state_dict(self, state: Any, prefix: str, *rest: Any) -> None:
        if prefix + "chroma" in state:  # as large as the split it was filled from
            self.chroma = torch.empty_like(state[prefix + "chroma"], device=self.chroma.device)
        super()._load_from_state_dict(state, prefix, *rest)
