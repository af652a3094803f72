"""Leaps: the sampler of a consistency model, whose every answer is a whole picture (Song et al. 2023, algorithm 1).

    x0 = x0_hat(sigma_0 z_0);   then for each further level   x = alpha x0 + sigma z,   x0 = x0_hat(x)

Each leap ends at a picture, and each further one mends it after drowning its finer part in new noise. With a plain
denoiser, whose answer is a mean, the draws are too gray.
"""

import torch
from torch import Tensor

from colorbench.errors import UserError
from colorbench.noise import Noise
from colorbench.ranges import NotNegative, Positive, Several
from colorbench.registry import register
from colorbench.sampling.sampler import Denoiser, Sampler
from colorbench.sampling.schedule import Schedule


@register("sampler", "consistency")
class Leaps(Sampler):
    """highest, lowest: sigma / alpha before the first and the last leap; others lie between by equal factors."""

    def __init__(
        self, *, steps: Several, highest: Positive, lowest: Positive, guidance: NotNegative, temperature: NotNegative
    ) -> None:
        super().__init__(steps=steps, guidance=guidance, temperature=temperature)
        if lowest > highest:
            raise UserError(f"sampler.lowest: expected at most sampler.highest, {highest}; got {lowest}")
        self.highest, self.lowest = highest, lowest

    @property
    def asks(self) -> int:
        """Once a leap."""
        return self.steps

    def sample(
        self, denoise: Denoiser, noise: Noise, shape: tuple[int, ...], schedule: Schedule, last: float
    ) -> Tensor:
        """All leaps."""
        share = torch.linspace(0.0, 1.0, self.steps, device=noise.keys.device)
        ratios = self.highest * (self.lowest / self.highest) ** share
        alphas, sigmas = schedule.on_path(torch.ones_like(ratios), ratios)
        x = torch.zeros(len(noise.keys), *shape, device=noise.keys.device)
        for i, (alpha, sigma) in enumerate(zip(alphas, sigmas, strict=True)):
            z = self.temperature * noise.normal(f"step {i}" if i else "start", *shape)
            x = denoise(alpha * x + sigma * z, alpha, sigma)
        return x
