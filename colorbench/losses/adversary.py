"""Adversary: the two losses of a game, from the logits of a discriminator D.

With r = D(real) and f = D(fake), a mean over the patches of one image:

    bce      D: (softplus(-r) + softplus(f)) / 2        G: softplus(-f)        Goodfellow et al. 2014, non-saturating
    hinge    D: (max(0, 1 - r) + max(0, 1 + f)) / 2     G: -f                  Lim & Ye 2017
    lsgan    D: ((r - 1)^2 + f^2) / 2                   G: (f - 1)^2           Mao et al. 2017
    wgangp   D: f - r + weight (|grad D| - 1)^2         G: -f                  Gulrajani et al. 2017, equation 3
    r3gan    D: softplus(f - r) + gamma / 2 (|grad_r D|^2 + |grad_f D|^2)
                                                        G: softplus(r - f)     Huang et al. 2024, arXiv 2501.05441

The last is relativistic (Jolicoeur-Martineau 2018): only the difference of the two logits counts, both of the same L,
so D cannot win by liking nothing, and G's loss has no direction in which all samples agree on one mode. The penalties
on real and on fake pictures make it converge where the others circle (Mescheder et al. 2018); it wants no normalization
in D: model.discriminator.norm=none model.discriminator.spectral=false.

The halves of D's losses are pix2pix's: D learns at half the rate of G.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from colorbench.arrays import Chroma, PerImage
from colorbench.ranges import NotNegative
from colorbench.registry import register


class Adversary(ABC):
    """A pair of losses."""

    @abstractmethod
    def discriminator(self, real: Tensor, fake: Tensor) -> PerImage:
        """[b], from logits [b 1 h w] of real and of fake images."""

    @abstractmethod
    def generator(self, fake: Tensor, real: Callable[[], Tensor]) -> PerImage:
        """[b], from logits [b 1 h w] of fake images, and of the real ones if it asks for them."""

    def penalty(self, critic: Callable[[Chroma], Tensor], real: Chroma, fake: Chroma, mix: Tensor) -> PerImage | None:
        """[b] or nothing: what is added to D's loss; ``mix`` [b 1 1 1] in (0, 1) places a point between the two."""
        return None


@register("adversary", "none")
def none() -> None:
    """No game."""
    return


@register("adversary", "bce")
class BCE(Adversary):
    """Binary cross-entropy."""

    def discriminator(self, real: Tensor, fake: Tensor) -> PerImage:
        """[b]."""
        return 0.5 * (_cross_entropy(real, 1.0) + _cross_entropy(fake, 0.0))

    def generator(self, fake: Tensor, real: Callable[[], Tensor]) -> PerImage:
        """[b]."""
        return _cross_entropy(fake, 1.0)


@register("adversary", "hinge")
class Hinge(Adversary):
    """Hinge."""

    def discriminator(self, real: Tensor, fake: Tensor) -> PerImage:
        """[b]."""
        return 0.5 * (per_image(F.relu(1.0 - real)) + per_image(F.relu(1.0 + fake)))

    def generator(self, fake: Tensor, real: Callable[[], Tensor]) -> PerImage:
        """[b]."""
        return -per_image(fake)


@register("adversary", "lsgan")
class LSGAN(Adversary):
    """Least squares."""

    def discriminator(self, real: Tensor, fake: Tensor) -> PerImage:
        """[b]."""
        return 0.5 * (per_image((real - 1.0).square()) + per_image(fake.square()))

    def generator(self, fake: Tensor, real: Callable[[], Tensor]) -> PerImage:
        """[b]."""
        return per_image((fake - 1.0).square())


@register("adversary", "wgangp")
class WGANGP(Adversary):
    """Wasserstein distance with a gradient penalty; use a discriminator without batch normalization."""

    def __init__(self, *, weight: NotNegative) -> None:
        self.weight = weight

    def discriminator(self, real: Tensor, fake: Tensor) -> PerImage:
        """[b]."""
        return per_image(fake) - per_image(real)

    def generator(self, fake: Tensor, real: Callable[[], Tensor]) -> PerImage:
        """[b]."""
        return -per_image(fake)

    def penalty(self, critic: Callable[[Chroma], Tensor], real: Chroma, fake: Chroma, mix: Tensor) -> PerImage | None:
        """[b]."""
        with torch.enable_grad():
            between = (mix * real + (1.0 - mix) * fake).detach().requires_grad_()
            (slope,) = torch.autograd.grad(per_image(critic(between)).sum(), between, create_graph=True)
        return self.weight * (slope.flatten(1).norm(dim=1) - 1.0).square()


@register("adversary", "r3gan")
class R3GAN(Adversary):
    """gamma: of both penalties, for chroma in units of ab/128 and the logit's mean over patches."""

    def __init__(self, *, gamma: NotNegative) -> None:
        self.gamma = gamma

    def discriminator(self, real: Tensor, fake: Tensor) -> PerImage:
        """[b]."""
        return per_image(F.softplus(fake - real))

    def generator(self, fake: Tensor, real: Callable[[], Tensor]) -> PerImage:
        """[b]."""
        return per_image(F.softplus(real() - fake))

    def penalty(self, critic: Callable[[Chroma], Tensor], real: Chroma, fake: Chroma, mix: Tensor) -> PerImage | None:
        """[b]."""
        total = torch.zeros(len(real), device=real.device)
        with torch.enable_grad():
            for at in (real, fake):
                at = at.detach().requires_grad_()
                (slope,) = torch.autograd.grad(per_image(critic(at)).sum(), at, create_graph=True)
                total = total + slope.square().sum(dim=(1, 2, 3))
        return 0.5 * self.gamma * total


def per_image(values: Tensor) -> PerImage:
    """Mean over everything but the batch."""
    return values.flatten(1).mean(dim=1)


def _cross_entropy(logits: Tensor, label: float) -> PerImage:
    """-log sigmoid(logit) for label 1, -log(1 - sigmoid(logit)) for label 0: softplus of -+ the logit."""
    return per_image(F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label), reduction="none"))
