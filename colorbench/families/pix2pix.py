"""pix2pix: image-to-image translation with a conditional GAN (Isola et al. 2017), noise included.

    D:  min  (softplus(-D(L, ab)) + softplus(D(L, G(L, z)))) / 2
    G:  min  softplus(-D(L, G(L, z))) + 100 |G(L, z) - ab|_1                               equations 1 to 4

z is dropout: masks of zeros and twos that multiply three maps of the generator, in training and in coloring alike, so
that two colorings of one image differ (a little: the paper says so itself). Each image draws its own masks.
"""

from collections.abc import Iterator, Mapping

from torch import Tensor, nn

from colorbench.arrays import Chroma, Luma
from colorbench.batch import Batch
from colorbench.family import Family, Objective, Weights
from colorbench.losses.adversary import Adversary
from colorbench.losses.distance import Distance
from colorbench.losses.game import Game, play
from colorbench.losses.terms import coefficients
from colorbench.noise import Noise
from colorbench.ranges import NotNegative
from colorbench.registry import register


@register("family", "pix2pix")
class Pix2Pix(Family):
    """generator: forward(L, masks) and shapes(h, w), as of networks/pix2pix.py; discriminator: (L, ab) -> logits."""

    def __init__(
        self,
        *,
        generator: nn.Module,
        discriminator: nn.Module,
        distance: Distance,
        adversary: Adversary,
        perceptual: Distance | None,
        weights: Mapping[str, NotNegative],
    ) -> None:
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.distance, self.adversary, self.perceptual = distance, adversary, perceptual
        self.weights = coefficients(weights, "distance", "adversarial", "perceptual")

    @property
    def stochastic(self) -> bool:
        return True

    def trainable(self) -> Mapping[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator}

    def objectives(self, batch: Batch, noise: Noise, weights: Weights) -> Iterator[Objective]:
        """The discriminator's move, then the generator's."""
        ab_hat = self.colorize(batch.L, noise)
        game = Game(self.discriminator, self.adversary)
        yield from play(
            batch, ab_hat, noise, weights, game=game, distance=self.distance, perceptual=self.perceptual, logs={}
        )

    def colorize(self, L: Luma, noise: Noise) -> Chroma:
        """One draw of the masks for each image."""
        return self.generator(L, self._masks(L, noise)).float()

    def _masks(self, L: Luma, noise: Noise) -> list[Tensor]:
        shapes = self.generator.shapes(*L.shape[-2:])  # type: ignore[operator]
        return [2.0 * (noise.uniform(f"dropout {i}", *shape) < 0.5) for i, shape in enumerate(shapes)]
