"""VAE: a latent vector holds what L leaves open (Kingma & Welling 2014; conditional: Sohn, Lee & Yan 2015).

    q(z | L, ab) = N(mu, diag sigma^2),   p(z | L) = N(mu_0, diag sigma_0^2),   z = mu + sigma eps
    theta* = argmin  E [ weight_d distance(decoder(L, z), ab) + weight_k KL(q || p) ]
    KL = 1/2 sum over the latents of ((mu - mu_0)^2 + sigma^2) / sigma_0^2 - 1 - log(sigma^2 / sigma_0^2), in nats

The prior is learned from L, as in Sohn et al.: it starts as N(0, I) and follows what the posterior does with pictures
like this one. Draws from a fixed N(0, I) (model.network.prior=standard) were paler (see experiments/01_families).

The distance is a mean over channels and pixels, in units of ab/128, where gray errs by about 0.013. So with weights 10
and 1e-4 a nat must lower the mean square by 1e-5 to be worth its price. Latents are few (16). Of 256 each holds a
fraction of a nat and all say a little of the same few factors: the posterior moves them together, p(z | L) draws each
for itself, and their sum is nearly the same in every draw. Measured on photographs
(experiments/03_ablations/latents.md): 256 latents with 44 nats reconstruct as well as 16 with 28, and draw half as
unlike pictures. A KL that is a mean over 256 latents, as a program easily writes it, is worse still: draws are gray (a
chroma ratio of 0.3, against 0.8 of the reconstructions).

A coloring draws z ~ p(z | L). Logged are both ways to fail: z says nothing (``kl_per_latent`` and ``active_latents``
near 0: posterior collapse, the draws are equal), or it says little in many places (all active, each with a fraction of
a nat: the draws agree).
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

from torch import nn

from colorbench.arrays import Chroma, Luma
from colorbench.batch import Batch
from colorbench.family import Family, Objective, Weights, weigh
from colorbench.losses.distance import Distance
from colorbench.losses.terms import chroma_ratio, coefficients
from colorbench.noise import Noise
from colorbench.ranges import NotNegative
from colorbench.registry import register


@register("family", "vae")
class VAE(Family):
    """network: forward(L, ab, eps) -> (ab_hat, moments of q, of p), and draw(L, eps), as of networks/latent.py.

    divergence: the KL is the sum over the latents, or their mean. temperature: what the prior's deviation is multiplied
    by when a coloring is drawn; training knows nothing of it.
    """

    drawing: ClassVar = ("temperature",)

    def __init__(
        self,
        *,
        network: nn.Module,
        distance: Distance,
        perceptual: Distance | None,
        weights: Mapping[str, NotNegative],
        divergence: Literal["sum", "mean"],
        temperature: NotNegative = 1.0,
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.network, self.distance, self.perceptual, self.divergence = network, distance, perceptual, divergence
        self.weights = coefficients(weights, "distance", "kl", "perceptual")

    @property
    def stochastic(self) -> bool:
        return True

    def trainable(self) -> Mapping[str, nn.Module]:
        return {"vae": self.network}

    def objectives(self, batch: Batch, noise: Noise, weights: Weights) -> Iterator[Objective]:
        eps = noise.normal("posterior", self.network.latent)  # type: ignore[arg-type]
        ab_hat, (mu, logvar), (mu_0, logvar_0) = self.network(batch.L, batch.ab, eps)
        ab_hat = ab_hat.float()
        kl = 0.5 * (((mu - mu_0).square() + logvar.exp()) * (-logvar_0).exp() - 1.0 + logvar_0 - logvar)
        terms = {"kl": kl.sum(dim=1) if self.divergence == "sum" else kl.mean(dim=1)}
        if weights["distance"]:
            terms["distance"] = self.distance(batch.L, ab_hat, batch.ab)
        if weights["perceptual"] and self.perceptual is not None:
            terms["perceptual"] = self.perceptual(batch.L, ab_hat, batch.ab)
        logs = {
            "kl_per_latent": kl.mean(),
            "active_latents": (kl.mean(dim=0) > 0.01).float().sum(),
            "chroma_ratio": chroma_ratio(ab_hat, batch.ab),
        }
        yield Objective(weigh(terms, weights), "vae", {**terms, **logs})

    def colorize(self, L: Luma, noise: Noise) -> Chroma:
        """Decode a draw from the prior, at the temperature."""
        eps = self.temperature * noise.normal("prior", self.network.latent)  # type: ignore[arg-type]
        return self.network.draw(L, eps).float()  # type: ignore[operator]
