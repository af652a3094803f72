"""Neighbors: the chroma of one of the training pictures that look most alike in gray.

    ab_hat = lay(c_J, L),   J ~ U(the ``among`` nearest of the embedder),   c_j = chroma of training picture j, 16 x 16

What memory and a ruler give without any learning, as a sampler: the zero of "place". Each draw is of its own J, with
replacement, so draws are independent given the picture. With a trained trunk as its embedder it is the same row, better
informed; its name must say so.
"""

from collections.abc import Iterable, Iterator, Mapping

from torch import nn

from colorbench.arrays import Chroma, Luma
from colorbench.batch import Batch
from colorbench.family import Family, Objective, Weights
from colorbench.networks.guided import lay
from colorbench.noise import Noise
from colorbench.ranges import Several, Side
from colorbench.registry import register
from colorbench.retrieval.bank import Bank
from colorbench.retrieval.index import Index


@register("family", "neighbors")
class Neighbors(Family):
    """Nothing to train; the whole training split is remembered. embedder: L [b 1 h w] -> [b d]. among: how many
    pictures a draw is chosen from. side: of the chroma maps that are kept."""

    def __init__(self, *, embedder: nn.Module, index: Index, among: Several, side: Side) -> None:
        super().__init__()
        self.weights = Weights({})
        self.among = among
        self.bank = Bank(embedder=embedder, index=index, size=side, limit=None, duplicate=0.0)

    @property
    def stochastic(self) -> bool:
        """Unless there is one neighbor only."""
        return self.among > 1

    def trainable(self) -> Mapping[str, nn.Module]:
        return {}

    def objectives(self, batch: Batch, noise: Noise, weights: Weights) -> Iterator[Objective]:
        yield from ()

    def prepare(self, batches: Iterable[Batch]) -> None:
        """Remember every training picture."""
        self.bank.fill(batches)

    def colorize(self, L: Luma, noise: Noise) -> Chroma:
        rows = self.bank.nearest(L, self.among)
        choice = (noise.uniform("neighbors", 1) * rows.shape[1]).long()
        return lay(self.bank.chroma[rows.gather(1, choice)[:, 0]].float(), L).clamp(-1.0, 1.0)
