"""Diffusion: learn to take noise away from a chroma map, given L; then start from nothing but noise.

    x_0 = (shrink(ab) - mean) / std,   x_t = alpha(t) x_0 + sigma(t) eps,   eps ~ N(0, I)
    theta* = argmin  E [ w(t) |net(x_t, t, L) - target(x_0, eps, t)|^2 ]                 Ho et al. 2020, equation 14

One vector field, many paths: ddpm, rectified flow and Karras et al.'s edm differ in the schedule (which path, which
times), the parameterization (what the network predicts) and the sampler (how the field is followed), and in nothing
else (Karras et al. 2022; Gao et al. 2024, "Diffusion meets flow matching"). So they are one family, and every
combination is a yaml:

    model     schedule        parameterization    samplers
    ddpm      cosine          velocity            ddpm, ddim, dpmpp, euler, heun, diffusers'
    flow      straight        velocity            the same; euler follows the straight path
    edm       karras          karras              the same; heun with churn is EDM's stochastic sampler

A checkpoint serves every sampler. What makes it work at a small budget, each against a known cause of failure:

- the chroma of photographs has a standard deviation near 0.12, so unit noise would drown it: x_0 is standardized by the
  training split's own mean and deviation, measured in ``prepare`` and kept in the checkpoint;
- the schedule ends at no signal and the sampler's times are trailing, so the first step is one it was trained for;
- the schedule is shifted towards high noise, where the mean colors of a picture are decided (see schedule.py);
- the network predicts what is well conditioned at every time, and is told the time as the angle from signal to noise;
- every image is seen at ``times`` noise levels at once, one from each of as many equal parts of (0, 1): what the
  network learns of an image hangs less on one lucky time, and L is encoded once for all of them;
- batches are small (8; conf/by_model/default): a budget of 12,000 images is short of updates before it is of images;
- chroma needs less resolution than L: the map is ``chroma_scale`` times smaller, and enlarged along the edges of L;
- the estimate of x_0 is clipped where the limits are known, which is ab in [-1, 1], not x.

With ``drop`` > 0 the network sometimes sees nothing of L (its maps are zeros), so that it also learns colors as such;
a sampler's ``guidance`` weighs the two answers (Ho & Salimans 2022).
"""

from collections.abc import Iterator, Mapping

from torch import nn

from colorbench.batch import Batch
from colorbench.families.enlarging import Enlarged
from colorbench.families.field import Field
from colorbench.family import Objective, Weights, weigh
from colorbench.losses.terms import coefficients
from colorbench.noise import Noise
from colorbench.ranges import Factor, Memory, NotNegative, Positive, Several
from colorbench.registry import register
from colorbench.sampling.parameterization import Parameterization
from colorbench.sampling.sampler import Sampler
from colorbench.sampling.schedule import Schedule


@register("family", "diffusion")
class Diffusion(Field):
    """See Field. min_snr: gamma of min-SNR weights, or nothing for the parameterization's own."""

    def __init__(
        self,
        *,
        network: nn.Module,
        schedule: Schedule,
        parameterization: Parameterization,
        sampler: Sampler,
        preview: Sampler,
        chroma_scale: Factor,
        min_snr: Positive | None,
        times: Several,
        drop: Memory,
        weights: Mapping[str, NotNegative],
        enlarge: Enlarged = "guided",
    ) -> None:
        super().__init__(
            network=network,
            schedule=schedule,
            parameterization=parameterization,
            sampler=sampler,
            preview=preview,
            times=times,
            chroma_scale=chroma_scale,
            drop=drop,
            weights=coefficients(weights, "denoising"),
            enlarge=enlarge,
        )
        self.min_snr = min_snr

    def objectives(self, batch: Batch, noise: Noise, weights: Weights) -> Iterator[Objective]:
        """The error of the predictions, at ``times`` times for each image."""
        k = self.times
        x0 = self.standardized(batch)
        t = self.schedule.drawn(self.quantiles(noise))
        alpha, sigma = (s[:, None, None, None] for s in self.schedule.alpha_sigma(t))
        eps = noise.normal("noise", k, *x0.shape[1:]).flatten(0, 1)
        x_t = alpha * x0 + sigma * eps
        seen = self.parameterization.sees(x_t, alpha, sigma)
        if self.drop and self.training:
            maps = self.shown(batch.L, noise)
            output = self.network.denoise(seen, self.clock(alpha, sigma), maps).float()  # type: ignore[operator]
        else:
            output = self.network(seen, self.clock(alpha, sigma), batch.L, k).float()
        error = (output - self.parameterization.target(x0, eps, alpha, sigma)).square().mean(dim=(1, 2, 3))
        logs = {"denoising": error, "drift": self.drift(x0, output, x_t, alpha, sigma)}
        if self.min_snr is None:
            error = error * self.parameterization.weight(alpha.flatten(), sigma.flatten())
        else:
            error = error * self.parameterization.min_snr_weight(alpha.flatten(), sigma.flatten(), self.min_snr)
        error = error.view(-1, k).mean(dim=1)
        yield Objective(weigh({"denoising": error}, weights), "network", logs)
        yield from self.enlarging.objectives(batch, noise)
