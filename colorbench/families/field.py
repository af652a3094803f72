"""Field: what the families share that learn a vector field from noise to chroma, given L.

    x_0 = (shrink(ab) - mean) / std,   x_t = alpha x_0 + sigma eps,   x0_hat = x0_hat(x_t, t, L)

A schedule says which (alpha, sigma), a parameterization what the network's output says of x_0, a sampler how a picture
comes of it. The estimate is clipped where the limits are known, which is ab in [-1, 1], not x. How the network learns
is the family's: see diffusion.py and consistency.py.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from colorbench import color
from colorbench.arrays import Chroma, Luma
from colorbench.batch import Batch
from colorbench.errors import UserError
from colorbench.families.enlarging import Enlarged, Enlarging
from colorbench.family import Family, Loop
from colorbench.networks.guided import shrink
from colorbench.networks.smallchroma import moments
from colorbench.noise import Noise
from colorbench.ranges import Factor, Memory, Several
from colorbench.sampling.parameterization import Parameterization
from colorbench.sampling.sampler import Sampler
from colorbench.sampling.schedule import Schedule


class Field(Family):
    """network: forward(x, t, L, times), and its halves encode(L) and denoise(x, t, maps), as of networks/denoiser.py.

    preview: the few steps that validation draws with. times: noise levels of each image in a step of training. drop:
    share of them at which L is hidden.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        network: nn.Module,
        schedule: Schedule,
        parameterization: Parameterization,
        sampler: Sampler,
        preview: Sampler,
        chroma_scale: Factor,
        times: Several,
        drop: Memory,
        weights: Mapping[str, float],
        enlarge: Enlarged,
    ) -> None:
        super().__init__()
        for key, drawn in (("sampler", sampler), ("model.preview", preview)):
            if drawn.guidance != 1.0 and drop == 0.0:
                raise UserError(f"{key}.guidance: {drawn.guidance} needs a model trained without L too: model.drop=0.1")
        _check_inverse(schedule, parameterization)
        self.network, self.schedule, self.sampler, self.times, self.drop = network, schedule, sampler, times, drop
        self.parameterization, self.chroma_scale, self.weights = parameterization, chroma_scale, weights
        self.quick, self.enlarging = preview, Enlarging(chroma_scale, enlarge)
        self.register_buffer("mean", torch.zeros(1, 2, 1, 1))
        self.register_buffer("std", torch.full((1, 2, 1, 1), 0.12))

    @property
    def stochastic(self) -> bool:
        return True

    def standardized(self, batch: Batch) -> Tensor:
        """x_0 [b 2 h w]: the small chroma, of mean 0 and deviation 1, ``times`` of each image in a row."""
        return ((shrink(batch.ab, self.chroma_scale) - self.mean) / self.std).repeat_interleave(self.times, dim=0)

    def quantiles(self, noise: Noise) -> Tensor:
        """[b times], flat, in (0, 1): one from each of as many equal parts for each image."""
        u = noise.uniform("time")
        return ((u[:, None] + torch.arange(self.times, device=u.device)) / self.times).flatten()  # b k

    def shown(self, L: Luma, noise: Noise) -> list[Tensor]:
        """The maps of L, ``times`` of each image in a row; zeros where L is hidden, which is in training only."""
        k = self.times
        maps = [known.repeat_interleave(k, dim=0) for known in self.network.encode(L)]  # type: ignore[operator]
        if self.drop and self.training:
            kept = (noise.uniform("drop", k) >= self.drop).flatten()[:, None, None, None]
            maps = [known * kept for known in maps]
        return maps

    def evaluations(self, height: int, width: int) -> int:
        """The sampler's, at any size."""
        return self.sampler.evaluations

    def trainable(self) -> Mapping[str, nn.Module]:
        return {"network": self.network, **self.enlarging.trainable()}

    def prepare(self, batches: Iterable[Batch]) -> None:
        """Mean and standard deviation of the small chroma maps, over the training split."""
        mean, std = moments(batches, self.chroma_scale)
        self.mean.copy_(mean)
        self.std.copy_(std)
        self.enlarging.fit(std)

    def colorize(self, L: Luma, noise: Noise) -> Chroma:
        return self.drawn(L, noise, self.sampler)

    def vivid(self, amount: float) -> bool:
        """Guidance, of a model that was trained without L too."""
        if self.drop > 0.0:
            self.sampler.guidance = amount
        return self.drop > 0.0

    def preview(self, L: Luma, noise: Noise) -> Chroma:
        return self.drawn(L, noise, self.quick)

    def drawn(self, L: Luma, noise: Noise, sampler: Sampler) -> Chroma:
        """A coloring, as this sampler makes it."""
        maps = self.network.encode(L)  # type: ignore[operator]
        h, w = (-(-side // self.chroma_scale) for side in L.shape[-2:])
        guidance = sampler.guidance
        hidden = [torch.zeros_like(known) for known in maps] if guidance != 1.0 else []

        def denoise(x: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
            x0 = self.estimate(x, alpha, sigma, maps)
            if hidden:
                null = self.estimate(x, alpha, sigma, hidden)
                x0 = null + guidance * (x0 - null)
            return ((x0 * self.std + self.mean).clamp(-1.0, 1.0) - self.mean) / self.std

        x = sampler.sample(denoise, noise, (2, h, w), self.schedule, self.parameterization.last)
        return self.enlarging(x * self.std + self.mean, L)

    def exported(self) -> Loop:
        if self.enlarging.learned:
            raise UserError("model.enlarge=learned is no part of the loop in numbers; guided can be exported")
        start, steps = self.sampler.in_numbers(self.schedule, self.parameterization, self.clock)
        return Loop(self.network, self.chroma_scale, self.mean, self.std, start, steps)

    def estimate(self, x: Tensor, alpha: Tensor, sigma: Tensor, maps: list[Tensor]) -> Tensor:
        """x0_hat [b 2 h w] of x, given the condition's maps. alpha and sigma are scalars or [b 1 1 1]."""
        alpha, sigma = (s.reshape(-1, 1, 1, 1).expand(len(x), 1, 1, 1) for s in (alpha, sigma))
        seen = self.parameterization.sees(x, alpha, sigma)
        output = self.network.denoise(seen, self.clock(alpha, sigma), maps).float()  # type: ignore[operator]
        return self.parameterization.x0(output, x, alpha, sigma)

    def clock(self, alpha: Tensor, sigma: Tensor) -> Tensor:
        """What the network is told of the time, whatever the schedule: the angle from signal to noise, in [0, 1]."""
        return torch.atan2(sigma, alpha).flatten() * (2.0 / torch.pi)

    def drift(self, x0: Tensor, output: Tensor, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
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
