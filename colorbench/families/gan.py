"""GAN: a generator that regresses and also has to fool a discriminator who sees L.

    D:  min  adversary.discriminator(D(L, ab), D(L, G(L)))
    G:  min  weight_a adversary.generator(D(L, G(L))) + weight_d distance(G(L), ab) + weight_p perceptual(G(L), ab)

Isola et al. 2017 (pix2pix), without its dropout noise: the answer is one color for each L, and the game's part is to
make it a vivid one. With the distance alone (adversarial weight 0: a warm-up phase) the discriminator costs nothing.
"""

from collections.abc import Iterator, Mapping

from torch import nn

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


@register("family", "gan")
class GAN(Family):
    """generator: [b 1 h w] -> [b 2 h w] in [-1, 1]; discriminator: (L, ab) -> logits."""

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

    def trainable(self) -> Mapping[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator}

    def objectives(self, batch: Batch, noise: Noise, weights: Weights) -> Iterator[Objective]:
        """The discriminator's move, then the generator's."""
        ab_hat = self.generator(batch.L).float()
        game = Game(self.discriminator, self.adversary)
        yield from play(
            batch, ab_hat, noise, weights, game=game, distance=self.distance, perceptual=self.perceptual, logs={}
        )

    def colorize(self, L: Luma, noise: Noise) -> Chroma:
        """The generator's answer; noise is not used."""
        return self.generator(L).float()
