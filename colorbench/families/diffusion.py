"""Diffusion: learn to take noise away from a chroma map, given L; then start from nothing but noise.

    x_0 = (shrink(ab) - mean) / std,   x_t = alpha(t) x_0 + sigma(t) eps,   eps ~ N(0, I)
    theta* = argmin  E [ w(t) |net(x_t, t, L) - target(x_0, eps, t)|^2 ]                 Ho et al. 2020, equation 14

One vector field, many paths: ddpm, rectified flow and Karras et al.'s edm differ in the schedule (which path, which
times), the parameterization (what the network predicts) and the sampler (how the field is followed), and in nothing
else (Karras et al. 2022; Gao et al. 2024, "Diffusion meets flow matching"). So they are one family, and every
combination is a yaml:

    model     schedule        parameterization    samplers
    ddpm      cosine          v                   ddpm, ddim, dpmpp, euler, heun, diffusers'
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
- chroma needs less resolution than L: the map is ``chroma_scale`` times smaller, and enlarged along the edges of L;
- the estimate of x_0 is clipped where the limits are known, which is ab in [-1, 1], not x.

With ``drop`` > 0 the network sometimes sees nothing of L (its maps are zeros), so that it also learns colors as such;
a sampler's ``guidance`` weighs the two answers (Ho & Salimans 2022).
"""

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from colorbench import color
from colorbench.arrays import Chroma, Luma
from colorbench.batch import Batch
from colorbench.errors import UserError
from colorbench.family import Family, Objective, Weights, weigh
from colorbench.losses.terms import checked
from colorbench.networks.guided import enlarge, shrink
from colorbench.noise import Noise
from colorbench.ranges import Factor, Memory, NotNegative, Positive, Several
from colorbench.registry import register
from colorbench.sampling.parameterization import Parameterization
from colorbench.sampling.sampler import Sampler
from colorbench.sampling.schedule import Schedule


@register("family", "diffusion")
class Diffusion(Family):
    """network: forward(x, t, L, times), and its halves encode(L) and denoise(x, t, maps), as of networks/denoiser.py.

    min_snr: gamma of min-SNR weights, or nothing for the parameterization's own. times: noise levels of each image in a
    step of training. drop: share of them at which L is hidden.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, *, network: nn.Module, schedule: Schedule, parameterization: Parameterization, sampler: Sampler,
        chroma_scale: Factor, min_snr: Positive | None, times: Several, drop: Memory,
        weights: Mapping[str, NotNegative],
    ) -> None:  # fmt: skip
        super().__init__()
        if sampler.guidance != 1.0 and drop == 0.0:
            raise UserError(f"sampler.guidance: {sampler.guidance} needs a model trained without L too: model.drop=0.1")
        _check_inverse(schedule, parameterization)
        self.network, self.schedule, self.sampler, self.times, self.drop = network, schedule, sampler, times, drop
        self.parameterization, self.chroma_scale, self.min_snr = parameterization, chroma_scale, min_snr
        self.weights = checked(weights, "denoising")
        self.register_buffer("mean", torch.zeros(1, 2, 1, 1))
        self.register_buffer("std", torch.full((1, 2, 1, 1), 0.12))

    @property
    def stochastic(self) -> bool:
        """Yes."""
        return True

    def evaluations(self, height: int, width: int) -> int:
        """The sampler's, at any size."""
        return self.sampler.evaluations

    def trainable(self) -> Mapping[str, nn.Module]:
        """One network."""
        return {"network": self.network}

    def prepare(self, batches: Iterable[Batch]) -> None:
        """Mean and standard deviation of the small chroma maps, over the training split."""
        count, total, squares = 0, torch.zeros(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
        for batch in batches:
            small = shrink(batch.ab, self.chroma_scale).double().cpu()
            count += small[:, 0].numel()
            total += small.sum(dim=(0, 2, 3))
            squares += small.square().sum(dim=(0, 2, 3))
        mean = total / count
        std = (squares / count - mean.square()).clamp_min(1e-6).sqrt()
        self.mean.copy_(mean.float().view(1, 2, 1, 1))
        self.std.copy_(std.float().view(1, 2, 1, 1))

    def objectives(self, batch: Batch, noise: Noise, weights: Weights) -> Iterator[Objective]:
        """The error of the predictions, at ``times`` times for each image."""
        k = self.times
        x0 = ((shrink(batch.ab, self.chroma_scale) - self.mean) / self.std).repeat_interleave(k, dim=0)
        u = (noise.uniform("time")[:, None] + torch.arange(k, device=x0.device)) / k  # b k
        t = self.schedule.drawn(u.flatten())
        alpha, sigma = (s[:, None, None, None] for s in self.schedule.alpha_sigma(t))
        eps = noise.normal("noise", k, *x0.shape[1:]).flatten(0, 1)
        x_t = alpha * x0 + sigma * eps
        seen = self.parameterization.sees(x_t, alpha, sigma)
        if self.drop and self.training:
            maps = self.network.encode(batch.L)  # type: ignore[operator]
            kept = (noise.uniform("drop", k) >= self.drop).flatten()[:, None, None, None]
            maps = [known.repeat_interleave(k, dim=0) * kept for known in maps]
            output = self.network.denoise(seen, self._clock(alpha, sigma), maps).float()  # type: ignore[operator]
        else:
            output = self.network(seen, self._clock(alpha, sigma), batch.L, k).float()
        error = (output - self.parameterization.target(x0, eps, alpha, sigma)).square().mean(dim=(1, 2, 3))
        logs = {"denoising": error, "drift": self._drift(x0, output, x_t, alpha, sigma)}
        if self.min_snr is None:
            error = error * self.parameterization.weight(alpha.flatten(), sigma.flatten())
        else:
            error = error * self.parameterization.min_snr_weight(alpha.flatten(), sigma.flatten(), self.min_snr)
        error = error.view(-1, k).mean(dim=1)
        yield Objective(weigh({"denoising": error}, weights), "network", logs)

    def colorize(self, L: Luma, noise: Noise) -> Chroma:
        """One draw for each image."""
        maps = self.network.encode(L)  # type: ignore[operator]
        h, w = (-(-side // self.chroma_scale) for side in L.shape[-2:])
        guidance = self.sampler.guidance
        hidden = [torch.zeros_like(known) for known in maps] if guidance != 1.0 else []

        def denoise(x: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
            x0 = self.estimate(x, alpha, sigma, maps)
            if hidden:
                null = self.estimate(x, alpha, sigma, hidden)
                x0 = null + guidance * (x0 - null)
            return ((x0 * self.std + self.mean).clamp(-1.0, 1.0) - self.mean) / self.std

        x = self.sampler.sample(denoise, noise, (2, h, w), self.schedule, self.parameterization.last)
        return enlarge(x * self.std + self.mean, L, self.chroma_scale).clamp(-1.0, 1.0)

    def estimate(self, x: Tensor, alpha: Tensor, sigma: Tensor, maps: list[Tensor]) -> Tensor:
        """x0_hat [b 2 h w] of x at one moment, given the condition's maps. alpha and sigma are scalars."""
        alpha, sigma = (s.expand(len(x))[:, None, None, None] for s in (alpha, sigma))
        seen = self.parameterization.sees(x, alpha, sigma)
        output = self.network.denoise(seen, self._clock(alpha, sigma), maps).float()  # type: ignore[operator]
        return self.parameterization.x0(output, x, alpha, sigma)

    def _clock(self, alpha: Tensor, sigma: Tensor) -> Tensor:
        """What the network is told of the time, whatever the schedule: the angle from signal to noise, in [0, 1]."""
        return torch.atan2(sigma, alpha).flatten() * (2.0 / torch.pi)

    def _drift(self, x0: Tensor, output: Tensor, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """Scalar: distance of the mean color of the estimates from that of the truth, in units of a* and b*."""
        with torch.no_grad():
            error = (self.parameterization.x0(output, x_t, alpha, sigma) - x0) * self.std
            return error.mean(dim=(0, 2, 3)).norm() * color.AB_UNIT


def _check_inverse(schedule: Schedule, parameterization: Parameterization) -> None:
    """Does the right output give back x_0 on this path? UserError otherwise (v on a path that is not preserving)."""
    t = torch.linspace(0.05, parameterization.last, 8, device="cpu")  # also of a model on paper (schema.py)
    alpha, sigma = (s.view(-1, 1, 1, 1) for s in schedule.alpha_sigma(t))
    x0, eps = torch.full_like(alpha, 0.7), torch.full_like(alpha, -1.3)
    output = parameterization.target(x0, eps, alpha, sigma)
    found = parameterization.x0(output, alpha * x0 + sigma * eps, alpha, sigma)
    if not torch.allclose(found, x0, atol=1e-2):
        raise UserError(
            "model.parameterization: this one does not give back the image on this schedule's path; v needs a variance "
            "preserving one (cosine, linear); velocity and karras fit all"
        )
