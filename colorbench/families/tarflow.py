"""TarFlow: a normalizing flow of the small chroma map, with its exact density (see networks/tarflow.py).

    y = x + sigma eps                                       x: the standardized small map; eps ~ N(0, I)
    theta* = argmin  E [ -log p(y | L) ],    log p(y | L) = log N(f(y, L); 0, I) + log |det df/dy|
    x = f^-1(z, L),   z ~ N(0, I)

Maximum likelihood and nothing else: no bound (VAE), no schedule (diffusion), no bins. The noise ``sigma`` is needed
because pictures are 8-bit and much of them has exactly one color: a density without it grows without end on what never
varies. So what is measured is the density of the map with that noise (0.05 of the chroma's deviation, under one CIELAB
unit), and draws have it too.

``bits_per_dim`` is -log2 p / D with ab in CIELAB units: about what one number costs when it is coded to one unit. It is
a density's, so it may be negative, and it compares with other densities of the same map and noise, not with the bits
of a bin (families/maskedbins.py).
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

from torch import Tensor, nn

from colorbench import color
from colorbench.arrays import Chroma, Luma, PerImage
from colorbench.batch import Batch
from colorbench.column import Column
from colorbench.families.enlarging import Enlarged, Enlarging
from colorbench.family import Family, Objective, Weights, weigh
from colorbench.losses.terms import coefficients
from colorbench.networks.blocks import pad
from colorbench.networks.smallchroma import SmallChroma
from colorbench.noise import Noise
from colorbench.ranges import NotNegative, Positive
from colorbench.registry import register


@register("family", "tarflow")
class Flow(Family):
    """network: encode(L), forward(x, known) -> (z, log det), back(z, known), ``scale``, ``patch`` and ``flows``.

    sigma: of the noise, in units of the chroma's deviation. temperature: deviation of z in a draw; 1 is calibrated.
    Maps whose sides ``patch`` does not divide are extended by their edge.
    """

    columns: ClassVar = {
        "bits_per_dim": Column(
            "bits/dim", "lower", 3, "", "exact, of the true small map with a little noise, density", kind="draws"
        ),
    }

    def __init__(
        self,
        *,
        network: nn.Module,
        sigma: Positive,
        temperature: Positive,
        weights: Mapping[str, NotNegative],
        enlarge: Enlarged = "guided",
    ) -> None:
        super().__init__()
        self.network, self.sigma, self.temperature = network, sigma, temperature
        self.small, self.patch = SmallChroma(int(network.scale)), int(network.patch)  # type: ignore[arg-type]
        self.enlarging = Enlarging(self.small.scale, enlarge)
        self.weights = coefficients(weights, "likelihood")

    @property
    def stochastic(self) -> bool:
        return True

    def evaluations(self, height: int, width: int) -> int:
        """Steps of one patch, in all flows."""
        side = self.small.scale * self.patch
        return -(-height // side) * -(-width // side) * len(self.network.flows)  # type: ignore[arg-type]

    def trainable(self) -> Mapping[str, nn.Module]:
        return {"network": self.network, **self.enlarging.trainable()}

    def prepare(self, batches: Iterable[Batch]) -> None:
        """Mean and deviation of the small chroma maps."""
        self.small.fit(batches)
        self.enlarging.fit(self.small.std)

    def objectives(self, batch: Batch, noise: Noise, weights: Weights) -> Iterator[Objective]:
        """The negative log-density, in nats a number of the standardized map."""
        nats = self.nats(batch, noise)
        logs = {"likelihood": nats, "bits_per_dim": self._bits(nats)}
        yield Objective(weigh({"likelihood": nats}, weights), "network", logs)
        yield from self.enlarging.objectives(batch, noise)

    def likelihood(self, batch: Batch, noise: Noise) -> Mapping[str, PerImage]:
        return {"bits_per_dim": self._bits(self.nats(batch, noise))}

    def nats(self, batch: Batch, noise: Noise) -> PerImage:
        """-log p(y | L) / D, [b]."""
        x = pad(self.small.of(batch.ab), self.patch).float()
        y = x + self.sigma * noise.normal("sigma", *x.shape[1:])
        z, change = self.network(y, self.network.encode(batch.L))  # type: ignore[operator]
        numbers = y[0].numel()
        squares = z.float().square().flatten(1).sum(dim=1)
        return 0.5 * (squares / numbers + math.log(2.0 * math.pi)) - change.float() / numbers

    def colorize(self, L: Luma, noise: Noise) -> Chroma:
        """One draw for each image."""
        known = self.network.encode(L)  # type: ignore[operator]
        rows, columns = (side * self.patch for side in known.shape[-2:])
        z = self.temperature * noise.normal("z", 2, rows, columns)
        x = self.network.back(z, known).float()  # type: ignore[operator]
        h, w = (-(-side // self.small.scale) for side in L.shape[-2:])
        return self.enlarging(self.small.small(x[..., :h, :w]), L)

    def _bits(self, nats: Tensor) -> PerImage:
        """Of ab in CIELAB units: the standardized map's density, by what standardizing divides."""
        return (nats + (self.small.std * color.AB_UNIT).log().mean()) / math.log(2.0)
