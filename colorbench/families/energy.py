"""Energy: one network pass is one draw, and a proper scoring rule trains the draws.

    x_k = net(L, z_k),   z_k ~ N(0, I),   k = 1..K
    theta* = argmin  E [ sum over r of weight_r S_r ]
    S_r = (1/K) sum_k d_r(x_k, y) - alpha sum_{k<l} d_r(x_k, x_l),     alpha = (1 - a) / K^2 + a / (K (K - 1))

S is the energy score (Gneiting & Raftery 2007): draws are pulled to the truth and pushed from each other, and no
distribution of draws beats the truth's own. No discriminator, no noise levels: a picture's color costs one pass. Two
draws suffice for an unbiased gradient (a = 1: the fair score of Ferro 2014); a = 0.95 keeps a little of the biased one,
because with a = 1 and one draw on the truth the other is free (almost fair: Lang et al. 2024, AIFS-CRPS, arXiv
2412.15832). As a generative model: engression (Shen & Meinshausen 2024, arXiv 2307.00835).

d_r looks at the small chroma map (see networks/smallchroma.py): ``pixel``, single cells; ``block``, 4 x 4 cells;
``field``, the whole map. It is the root of the mean squared distance in the a*b* plane over a region, in units of the
chroma's own deviation, averaged over the regions. ``gap`` is the same of what lies between two cells, x_i - x_j, 1,
2, 4 and 8 apart: it does not see a cast over the whole map, and asks that things differ from each other as the
truth's do. Without it draws differ by their light alone; what it buys is measured in experiments/03_ablations/gap.md.

The score is one of the numbers that the evaluation reports, so a table shows it beside others, above all what only a
known law can tell (data=scenes: tv_joint, clash, incoherence).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorbench.arrays import Chroma, Luma, PerImage
from colorbench.batch import Batch
from colorbench.family import Family, Objective, Weights, weigh
from colorbench.losses.terms import coefficients
from colorbench.networks.smallchroma import SmallChroma
from colorbench.noise import Noise
from colorbench.ranges import NotNegative, Share, within
from colorbench.registry import register

LAGS = (1, 2, 4, 8)
"""Of the gaps, in cells of the small map."""
EPSILON = 1e-4  # added under the root, so that its slope at 0 is finite


Draws = Annotated[int, within("draws from 2 to 100, for a rule that scores their spread", lambda n: 2 <= n <= 100)]


@register("family", "energy")
class Energy(Family):
    """network: forward(L, z [b k latent]) -> [b k 2 y x], the standardized small chroma, ``latent`` and ``scale``, as
    of networks/film.py. draws: K of a step of training. fairness: a."""

    def __init__(
        self, *, network: nn.Module, draws: Draws, fairness: Share, weights: Mapping[str, NotNegative]
    ) -> None:
        super().__init__()
        self.network, self.draws, self.fairness = network, draws, fairness
        self.small = SmallChroma(int(network.scale))  # type: ignore[arg-type]
        self.weights = coefficients({"gap": 0.0, **weights}, *TERMS)  # models from before gaps were scored name none

    @property
    def stochastic(self) -> bool:
        return True

    def trainable(self) -> Mapping[str, nn.Module]:
        return {"network": self.network}

    def prepare(self, batches: Iterable[Batch]) -> None:
        """Mean and deviation of the small chroma maps."""
        self.small.fit(batches)

    def objectives(self, batch: Batch, noise: Noise, weights: Weights) -> Iterator[Objective]:
        """The score of K draws for each image."""
        plane = self.small.std / self.small.std.square().mean().sqrt()  # a* and b* in one unit
        y = self.small.of(batch.ab).float() * plane
        z = noise.normal("z", self.draws, self.network.latent)  # type: ignore[arg-type]
        x = self.network(batch.L, z).float() * plane
        terms, logs = {}, {}
        for name, look in TERMS.items():
            if weights[name]:
                error, spread = apart(x, y, look)
                terms[name] = error - repulsion(self.draws, self.fairness) * spread
                logs[f"{name}_error"], logs[f"{name}_spread"] = error, spread / (self.draws * (self.draws - 1) / 2)
        yield Objective(weigh(terms, weights), "network", {**terms, **logs})

    def colorize(self, L: Luma, noise: Noise) -> Chroma:
        z = noise.normal("z", 1, self.network.latent)  # type: ignore[arg-type]
        return self.small.chroma(self.network(L, z).float()[:, 0], L)


def repulsion(draws: int, fairness: float) -> float:
    """alpha: what the sum of the distances between ``draws`` draws counts. fairness: a in [0, 1]."""
    return (1.0 - fairness) / draws**2 + fairness / (draws * (draws - 1))


def apart(x: Tensor, y: Tensor, look: Callable[[Tensor], Tensor]) -> tuple[PerImage, PerImage]:
    """Draws [b k c h w] and truth [b c h w] -> (1/k) sum_k d(x_k, y) and sum_{k<l} d(x_k, x_l), both [b]; ``look``
    gives the distance [...] of a difference [... c h w]."""
    k = x.shape[1]
    error = look(x - y[:, None]).mean(dim=1)
    first, second = torch.triu_indices(k, k, 1, device=x.device)
    return error, look(x[:, first] - x[:, second]).sum(dim=1)


def regions(apart: Tensor, side: int | None) -> Tensor:
    """A difference of two maps [... c h w] -> [...]: mean over regions of sqrt(mean over cells |apart|^2 + EPSILON) -
    sqrt(EPSILON).

    side: of the square regions, in cells (those at the border may be smaller); None: all of the map.
    """
    square = apart.square().sum(dim=-3)
    if side is None:
        square = square.mean(dim=(-2, -1), keepdim=True)
    elif side > 1:
        cells = F.avg_pool2d(square.flatten(0, -3)[:, None], side, ceil_mode=True)
        square = cells.view(*square.shape[:-2], *cells.shape[-2:])
    return ((square + EPSILON).sqrt() - EPSILON**0.5).mean(dim=(-2, -1))


def gaps(apart: Tensor) -> Tensor:
    """A difference of two maps [... c h w] -> [...]: :func:`regions` of single cells, of the difference's own gaps at
    each of ``LAGS`` that the map has, right and down, averaged."""
    found = []
    for lag in LAGS:
        for axis in (-1, -2):
            if lag < apart.shape[axis]:
                size = apart.shape[axis] - lag
                found.append(regions(apart.narrow(axis, lag, size) - apart.narrow(axis, 0, size), 1))
    return torch.stack(found).mean(0) if found else apart.new_zeros(apart.shape[:-3])


TERMS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "pixel": partial(regions, side=1),
    "block": partial(regions, side=4),
    "field": partial(regions, side=None),
    "gap": gaps,
}
"""Term -> its distance, of a difference of two maps."""
