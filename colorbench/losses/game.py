"""Game: the adversarial part of any family, written once.

Conditional GAN (Isola et al. 2017, equations 1 and 2): D learns to tell (L, ab) from (L, ab_hat), then G to be taken
for real by the D just updated. A family asks for D's objective, yields it, and adds G's loss to its own terms:

    yield from game.discriminate(L, ab, ab_hat, mix)       # D's move; nothing flows into G
    adversarial, logs = game.deceive(L, ab, ab_hat)        # after the yield: D's weights are the new ones

:func:`play` is the whole round of a family whose generator also minimizes a distance and a perceptual distance.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from colorbench.arrays import Chroma, Luma, PerImage
from colorbench.batch import Batch
from colorbench.family import Objective, Weights, weigh
from colorbench.losses.adversary import Adversary
from colorbench.losses.distance import Distance
from colorbench.losses.terms import chroma_ratio
from colorbench.noise import Noise


@dataclass
class Game:
    """One round between a generator's output and ``discriminator``, judged by ``adversary``."""

    discriminator: nn.Module
    adversary: Adversary
    loss: Tensor | None = None

    def discriminate(self, L: Luma, ab: Chroma, ab_hat: Chroma, mix: Tensor) -> Iterator[Objective]:
        """D's objective; ``mix`` [b 1 1 1] in (0, 1), used by gradient penalties only."""
        ab_hat = ab_hat.detach()
        fake = self.discriminator(L, ab_hat)
        real = self.discriminator(L, ab)
        loss = self.adversary.discriminator(real, fake)
        self.loss = loss.detach().mean()
        accuracy = 0.5 * ((real > 0).float().mean() + (fake < 0).float().mean())
        penalty = self.adversary.penalty(lambda x: self.discriminator(L, x), ab, ab_hat, mix)
        logs = {"d_loss": self.loss, "d_accuracy": accuracy}
        yield Objective(loss if penalty is None else loss + penalty, "discriminator", logs)

    def deceive(self, L: Luma, ab: Chroma, ab_hat: Chroma) -> tuple[PerImage, Mapping[str, Tensor]]:
        """G's adversarial loss [b], and logs: g_loss, and gd_ratio = g_loss / d_loss (balance is near 1 to 2)."""
        adversarial = self.adversary.generator(self.discriminator(L, ab_hat), lambda: self._real(L, ab))
        g_loss = adversarial.detach().mean()
        ratio = g_loss / self.loss.abs().clamp_min(1e-6) if self.loss is not None else torch.ones_like(g_loss)
        return adversarial, {"g_loss": g_loss, "gd_ratio": ratio}

    @torch.no_grad()
    def _real(self, L: Luma, ab: Chroma) -> Tensor:
        return self.discriminator(L, ab)


def play(
    batch: Batch,
    ab_hat: Chroma,
    noise: Noise,
    weights: Weights,
    *,
    game: Game,
    distance: Distance,
    perceptual: Distance | None,
    logs: Mapping[str, Tensor],
) -> Iterator[Objective]:
    """The discriminator's move, then the generator's: its adversarial, distance and perceptual terms, weighed.

    A term of weight 0 is not computed. logs: what else the generator's objective reports.
    """
    L, ab = batch.L, batch.ab
    logs = {"chroma_ratio": chroma_ratio(ab_hat, ab), **logs}
    terms = {}
    if weights["adversarial"]:
        yield from game.discriminate(L, ab, ab_hat, noise.uniform("penalty", 1, 1, 1))
        terms["adversarial"], balance = game.deceive(L, ab, ab_hat)
        logs.update(balance)
    if weights["distance"]:
        terms["distance"] = distance(L, ab_hat, ab)
    if weights["perceptual"] and perceptual is not None:
        terms["perceptual"] = perceptual(L, ab_hat, ab)
    yield Objective(weigh(terms, weights), "generator", {**logs, **terms})
