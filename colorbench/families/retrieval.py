"""Retrieval: a GAN whose generator is shown the colors of a training picture that looks like this one.

    h = chroma of argmin_i |f(L) - f(L_i)|^2 over the training split      (while training: not itself, no duplicate)
    blend       ab_hat = (1 - w) G(L) + w h
    channels    ab_hat = G(L, h)

f is a frozen embedding (see networks/embedder.py), the bank is filled from the training split in ``prepare`` and
travels in the checkpoint. The game and its losses are those of gan.py, on ab_hat.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import torch
from torch import nn

from colorbench.arrays import Chroma, Luma, Tensor
from colorbench.batch import Batch
from colorbench.errors import UserError
from colorbench.family import Family, Objective, Weights
from colorbench.losses.adversary import Adversary
from colorbench.losses.distance import Distance
from colorbench.losses.game import Game, play
from colorbench.losses.terms import coefficients
from colorbench.noise import Noise
from colorbench.ranges import Count, NotNegative, Share, Side
from colorbench.registry import register
from colorbench.retrieval.bank import Bank
from colorbench.retrieval.index import Index
from colorbench.retrieval.reference import TakesReference


@register("family", "retrieval")
class Retrieval(Family, TakesReference):
    """generator: [b 1 h w] (blend) or [b 3 h w], L and hint (channels) -> [b 2 h w]; discriminator: (L, ab) -> logits.

    hint_weight: w of blend. bank_size: side of the stored chroma maps; bank_limit and duplicate: see retrieval/bank.py.
    """

    def __init__(
        self,
        *,
        generator: nn.Module,
        discriminator: nn.Module,
        embedder: nn.Module,
        index: Index,
        distance: Distance,
        adversary: Adversary,
        perceptual: Distance | None,
        hint: Literal["blend", "channels"],
        hint_weight: Share,
        bank_size: Side,
        bank_limit: Count | None,
        duplicate: NotNegative,
        weights: Mapping[str, NotNegative],
    ) -> None:
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.bank = Bank(embedder=embedder, index=index, size=bank_size, limit=bank_limit, duplicate=duplicate)
        self.distance, self.adversary, self.perceptual = distance, adversary, perceptual
        self.hint, self.hint_weight = hint, hint_weight
        self.weights = coefficients(weights, "distance", "adversarial", "perceptual")

    def trainable(self) -> Mapping[str, nn.Module]:
        """Two players; the embedder is frozen."""
        return {"generator": self.generator, "discriminator": self.discriminator}

    def prepare(self, batches: Iterable[Batch]) -> None:
        """Fill the bank from the training split."""
        self.bank.fill(batches)

    def objectives(self, batch: Batch, noise: Noise, weights: Weights) -> Iterator[Objective]:
        """The discriminator's move, then the generator's."""
        h = self.bank.recall(batch.L, exclude=batch.ids if self.training else None)  # validation is not in the bank
        yield from play(
            batch,
            self._generate(batch.L, h),
            noise,
            weights,
            game=Game(self.discriminator, self.adversary),
            distance=self.distance,
            perceptual=self.perceptual,
            logs={"hint_distance": (h - batch.ab).abs().mean(dim=(1, 2, 3))},
        )

    def colorize(self, L: Luma, noise: Noise) -> Chroma:
        """With the nearest training picture's colors; noise is not used."""
        return self._generate(L, self.bank.recall(L))

    def colorize_like(self, L: Luma, reference: Tensor, noise: Noise) -> Chroma:
        """With the colors of a given picture in the place of the nearest one's; noise is not used."""
        return self._generate(L, self.bank.shown(reference, L))

    def exported(self) -> Family:
        raise UserError("this family searches a bank of pictures for each answer: it cannot be exported")

    def _generate(self, L: Luma, h: Chroma) -> Chroma:
        if self.hint == "channels":
            return self.generator(torch.cat([L, h], dim=1)).float()
        return torch.lerp(self.generator(L).float(), h, self.hint_weight)
