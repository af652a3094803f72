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
``flat`` is ``gap`` of cells that look alike in gray: a gap counts exp(-(L_i - L_j)^2 / ALIKE^2). One thing mostly has
one lightness and one color, so it asks for even things. Weights that depend on L alone leave the score proper.

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
from colorbench.families.enlarging import Enlarged, Enlarging
from colorbench.family import Family, Objective, Weights, weigh
from colorbench.losses.terms import coefficients
from colorbench.networks.guided import shrink
from colorbench.networks.smallchroma import SmallChroma
from colorbench.noise import Noise
from colorbench.ranges import NotNegative, Share, within
from colorbench.registry import register

LAGS = (1, 2, 4, 8)
"""Of the gaps, in cells of the small map."""
ALIKE = 0.06
"""How far apart two cells may be in gray, of [-1, 1] (3 of L*'s 100), and count as one thing by a third or more."""
EPSILON = 1e-4  # added under the root, so that its slope at 0 is finite


Draws = Annotated[int, within("draws from 2 to 100, for a rule that scores their spread", lambda n: 2 <= n <= 100)]


@register("family", "energy")
class Energy(Family):
    """network: forward(L, z [b k latent]) -> [b k 2 y x], the standardized small chroma, ``latent`` and ``scale``, as
    of networks/film.py. draws: K of a step of training. fairness: a."""

    def __init__(
        self,
        *,
        network: nn.Module,
        draws: Draws,
        fairness: Share,
        weights: Mapping[str, NotNegative],
        enlarge: Enlarged = "guided",
    ) -> None:
        super().__init__()
        self.network, self.draws, self.fairness = network, draws, fairness
        self.small = SmallChroma(int(network.scale))  # type: ignore[arg-type]
        self.enlarging = Enlarging(self.small.scale, enlarge)
        self.weights = coefficients({"gap": 0.0, "flat": 0.0, **weights}, *TERMS)  # models of before name neither

    @property
    def stochastic(self) -> bool:
        return True

    def trainable(self) -> Mapping[str, nn.Module]:
        return {"network": self.network, **self.enlarging.trainable()}

    def prepare(self, batches: Iterable[Batch]) -> None:
        """Mean and deviation of the small chroma maps."""
        self.small.fit(batches)
        self.enlarging.fit(self.small.std)

    def objectives(self, batch: Batch, noise: Noise, weights: Weights) -> Iterator[Objective]:
        """The score of K draws for each image."""
        plane = self.small.std / self.small.std.square().mean().sqrt()  # a* and b* in one unit
        y = self.small.of(batch.ab).float() * plane
        z = noise.normal("z", self.draws, self.network.latent)  # type: ignore[arg-type]
        x = self.network(batch.L, z).float() * plane
        low = shrink(batch.L, self.small.scale).float()
        terms, logs = {}, {}
        for name, look in TERMS.items():
            if weights[name]:
                error, spread = apart(x, y, partial(look, L=low))
                terms[name] = error - repulsion(self.draws, self.fairness) * spread
                logs[f"{name}_error"], logs[f"{name}_spread"] = error, spread / (self.draws * (self.draws - 1) / 2)
        yield Objective(weigh(terms, weights), "network", {**terms, **logs})
        yield from self.enlarging.objectives(batch, noise)

    def colorize(self, L: Luma, noise: Noise) -> Chroma:
        z = noise.normal("z", 1, self.network.latent)  # type: ignore[arg-type]
        return self.enlarging(self.small.small(self.network(L, z).float()[:, 0]), L)


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


def regions(apart: Tensor, L: Tensor | None = None, *, side: int | None) -> Tensor:
    """A difference of two maps [b k c h w], or [b c h w] -> [b k], [b]: mean over regions of sqrt(mean over cells
    |apart|^2 + EPSILON) - sqrt(EPSILON).

    side: of the square regions, in cells (those at the border may be smaller); None: all of the map.
    """
    square = apart.square().sum(dim=-3)
    if side is None:
        square = square.mean(dim=(-2, -1), keepdim=True)
    elif side > 1:
        cells = F.avg_pool2d(square.flatten(0, -3)[:, None], side, ceil_mode=True)
        square = cells.view(*square.shape[:-2], *cells.shape[-2:])
    return _root(square).mean(dim=(-2, -1))


def gaps(apart: Tensor, L: Tensor | None = None) -> Tensor:
    """A difference of two maps [b k c h w], or [b c h w] -> [b k], [b]: :func:`regions` of single cells, of the
    difference's own gaps at each of ``LAGS`` that the map has, right and down, averaged."""
    found = [regions(gap, side=1) for gap in _lagged(apart)]
    return torch.stack(found).mean(0) if found else apart.new_zeros(apart.shape[:-3])


def flats(apart: Tensor, L: Tensor) -> Tensor:
    """As :func:`gaps`, where each gap counts by how alike its cells are in the gray map L [b 1 h w], and all of a
    picture by their mean."""
    total, count = apart.new_zeros(apart.shape[:-3]), apart.new_zeros(apart.shape[0])
    if apart.dim() == 5:
        L, count = L[:, None], count[:, None]
    for gap, change in zip(_lagged(apart), _lagged(L), strict=True):
        alike = torch.exp(-(change.squeeze(-3) / ALIKE).square())
        length = _root(gap.square().sum(dim=-3))
        total, count = total + (alike * length).mean(dim=(-2, -1)), count + alike.mean(dim=(-2, -1))
    return total / count.clamp_min(1e-3)


def _root(square: Tensor) -> Tensor:
    """Its root, 0 at 0 and with a finite slope there."""
    return (square + EPSILON).sqrt() - EPSILON**0.5


def _lagged(x: Tensor) -> Iterator[Tensor]:
    """The map's own gaps at each of ``LAGS`` that it has, right and down."""
    for lag in LAGS:
        for axis in (-1, -2):
            if lag < x.shape[axis]:
                size = x.shape[axis] - lag
                yield x.narrow(axis, lag, size) - x.narrow(axis, 0, size)


TERMS: Mapping[str, Callable[..., Tensor]] = {
    "pixel": partial(regions, side=1),
    "block": partial(regions, side=4),
    "field": partial(regions, side=None),
    "gap": gaps,
    "flat": flats,
}
"""Term -> its distance, of a difference of two maps and L's own small map."""
