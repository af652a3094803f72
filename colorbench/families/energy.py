"""Energy: one network pass is one draw, and a proper scoring rule trains the draws.

    x_k = net(L, z_k),   z_k ~ N(0, I),   k = 1..K
    theta* = argmin  E [ sum over r of weight_r S_r ]
    S_r = (1/K) sum_k d_r(x_k, y) - alpha sum_{k<l} d_r(x_k, x_l),     alpha = (1 - a) / K^2 + a / (K (K - 1))

S is the energy score (Gneiting & Raftery 2007): draws are pulled to the truth and pushed from each other, and no
distribution of draws beats the truth's own. No discriminator, no noise levels: a picture's color costs one pass. Two
draws suffice for an unbiased gradient (a = 1: the fair score of Ferro 2014); a = 0.95 keeps a little of the biased one,
because with a = 1 and one draw on the truth the other is free (almost fair: Lang et al. 2024, AIFS-CRPS, arXiv
2412.15832). As a generative model: engression (Shen & Meinshausen 2024, arXiv 2307.00835).

d_r looks at regions r of the small chroma map (see networks/smallchroma.py): ``pixel``, single cells; ``block``, 4 x 4
cells; ``field``, the whole map. It is the root of the mean squared distance in the a*b* plane over a region, in units
of the chroma's own deviation, averaged over the regions; the larger the region, the more the score asks that its cells
fit together.

The score is one of the numbers that the evaluation reports, so a table shows it beside others, above all what only a
known law can tell (data=scenes: tv_joint, clash, incoherence).
"""

from collections.abc import Iterable, Iterator, Mapping
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

REGIONS: Mapping[str, int | None] = {"pixel": 1, "block": 4, "field": None}
"""Term -> side of its regions, in cells of the small map; None: the map is one region."""
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
        self.weights = coefficients(weights, *REGIONS)

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
        for name, side in REGIONS.items():
            if weights[name]:
                error, spread = apart(x, y, side)
                terms[name] = error - repulsion(self.draws, self.fairness) * spread
                logs[f"{name}_error"], logs[f"{name}_spread"] = error, spread / (self.draws * (self.draws - 1) / 2)
        yield Objective(weigh(terms, weights), "network", {**terms, **logs})

    def colorize(self, L: Luma, noise: Noise) -> Chroma:
        z = noise.normal("z", 1, self.network.latent)  # type: ignore[arg-type]
        return self.small.chroma(self.network(L, z).float()[:, 0], L)


def repulsion(draws: int, fairness: float) -> float:
    """alpha: what the sum of the distances between ``draws`` draws counts. fairness: a in [0, 1]."""
    return (1.0 - fairness) / draws**2 + fairness / (draws * (draws - 1))


def apart(x: Tensor, y: Tensor, side: int | None) -> tuple[PerImage, PerImage]:
    """Draws [b k c h w] and truth [b c h w] -> (1/k) sum_k d(x_k, y) and sum_{k<l} d(x_k, x_l), both [b]."""
    k = x.shape[1]
    error = distance(x, y[:, None].expand_as(x), side).mean(dim=1)
    first, second = torch.triu_indices(k, k, 1, device=x.device)
    return error, distance(x[:, first], x[:, second], side).sum(dim=1)


def distance(x: Tensor, y: Tensor, side: int | None) -> Tensor:
    """[... c h w] twice -> [...]: mean over regions of sqrt(mean over cells |x - y|^2 + EPSILON) - sqrt(EPSILON).

    side: of the square regions, in cells (those at the border may be smaller); None: all of the map.
    """
    square = (x - y).square().sum(dim=-3)
    if side is None:
        square = square.mean(dim=(-2, -1), keepdim=True)
    elif side > 1:
        cells = F.avg_pool2d(square.flatten(0, -3)[:, None], side, ceil_mode=True)
        square = cells.view(*square.shape[:-2], *cells.shape[-2:])
    return ((square + EPSILON).sqrt() - EPSILON**0.5).mean(dim=(-2, -1))
