"""Sampler: from noise to data, given an estimate of x_0 at every time.

``denoise(x_t, t)`` estimates x_0. One step goes from time t to the earlier time s, with (alpha_t, sigma_t) and
(alpha_s, sigma_s) of the schedule; the first t is 1, pure noise ("trailing" times, Lin et al. 2024).

    ddpm    x_s ~ q(x_s | x_t, x0_hat), the Gaussian posterior of Ho et al. 2020, equations 6 and 7:
                a = alpha_t / alpha_s,  v = sigma_t^2 - a^2 sigma_s^2
                mean = (a sigma_s^2 x_t + alpha_s v x0_hat) / sigma_t^2,   variance = v sigma_s^2 / sigma_t^2
    ddim    x_s = alpha_s x0_hat + sqrt(sigma_s^2 - e^2) eps_hat + e z,  eps_hat = (x_t - alpha_t x0_hat) / sigma_t,
                Song, Meng & Ermon 2021, equation 12; e = eta (ddpm's standard deviation), eta 0 is deterministic
    dpmpp   DPM-Solver++(2M), Lu et al. 2022, algorithm 2: with lambda = log(alpha / sigma), h = lambda_s - lambda_t,
                x_s = (sigma_s / sigma_t) x_t - alpha_s (exp(-h) - 1) D,   D = x0_hat + (x0_hat - previous) h / (2 h')

A sampler holds no parameters. Its random numbers are drawn from the noise of each image for each step, so a sample does
not depend on the batch around it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from colorbench.noise import Noise
from colorbench.registry import register
from colorbench.sampling.schedule import Schedule

Denoiser = Callable[[Tensor, Tensor], Tensor]
"""(x_t [b c h w], t [b]) -> x0_hat [b c h w]."""


class Sampler(ABC):
    """steps: how often the network is asked."""

    def __init__(self, *, steps: int) -> None:
        self.steps = steps

    def sample(
        self, denoise: Denoiser, noise: Noise, shape: tuple[int, ...], schedule: Schedule, last: float
    ) -> Tensor:
        """[b, *shape] at time 0, from noise at time ``last``."""
        times = schedule.times(self.steps, last).to(noise.keys.device)
        alphas, sigmas = schedule.alpha_sigma(times)
        x = noise.normal("start", *shape)
        if last < 1.0:  # the data's part of x_t is not zero there; its mean, which is 0, stands for it
            x = sigmas[0] * x
        past: list[Tensor] = []
        for i in range(self.steps):
            x0 = denoise(x, times[i].expand(len(x)))
            x = self.step(x, x0, alphas, sigmas, i, noise, past)
            past = [x0]
        return x

    @abstractmethod
    def step(
        self, x: Tensor, x0: Tensor, alphas: Tensor, sigmas: Tensor, i: int, noise: Noise, past: list[Tensor]
    ) -> Tensor:
        """x at time i + 1 from x at time i; ``past`` holds the previous x0, after the first step."""


@register("sampler", "none")
def none() -> None:
    """This model draws nothing step by step."""
    return


@register("sampler", "ddpm")
class DDPM(Sampler):
    """Ancestral sampling."""

    def step(
        self, x: Tensor, x0: Tensor, alphas: Tensor, sigmas: Tensor, i: int, noise: Noise, past: list[Tensor]
    ) -> Tensor:
        """A draw from the posterior."""
        alpha_s, sigma_t, sigma_s = alphas[i + 1], sigmas[i], sigmas[i + 1]
        a = alphas[i] / alpha_s
        mean = (a * sigma_s**2 * x + alpha_s * (sigma_t**2 - a**2 * sigma_s**2) * x0) / sigma_t**2
        return mean + _deviation(alphas, sigmas, i) * noise.normal(f"step {i}", *x.shape[1:])


@register("sampler", "ddim")
class DDIM(Sampler):
    """Implicit sampling; eta in [0, 1], 0 draws the start only."""

    def __init__(self, *, steps: int, eta: float) -> None:
        super().__init__(steps=steps)
        self.eta = eta

    def step(
        self, x: Tensor, x0: Tensor, alphas: Tensor, sigmas: Tensor, i: int, noise: Noise, past: list[Tensor]
    ) -> Tensor:
        """Equation 12."""
        eps = (x - alphas[i] * x0) / sigmas[i]
        e = self.eta * _deviation(alphas, sigmas, i)
        x = alphas[i + 1] * x0 + (sigmas[i + 1] ** 2 - e**2).clamp_min(0.0).sqrt() * eps
        return x + e * noise.normal(f"step {i}", *x.shape[1:]) if self.eta else x


@register("sampler", "dpmpp")
class DPMSolver(Sampler):
    """Second order, multistep; the first and the last step are of first order, where lambda is infinite."""

    def step(
        self, x: Tensor, x0: Tensor, alphas: Tensor, sigmas: Tensor, i: int, noise: Noise, past: list[Tensor]
    ) -> Tensor:
        """Algorithm 2."""
        decay = alphas[i] * sigmas[i + 1] / (sigmas[i] * alphas[i + 1])  # exp(-h), 0 where h is infinite
        if past and i + 1 < self.steps:
            lambdas = (alphas[i - 1 : i + 2] / sigmas[i - 1 : i + 2]).log()
            before, ahead = lambdas[1] - lambdas[0], lambdas[2] - lambdas[1]
            x0 = x0 + (x0 - past[0]) * (ahead / (2.0 * before))
        return sigmas[i + 1] / sigmas[i] * x + alphas[i + 1] * (1.0 - decay) * x0


def _deviation(alphas: Tensor, sigmas: Tensor, i: int) -> Tensor:
    """Standard deviation of ddpm's posterior."""
    a = alphas[i] / alphas[i + 1]
    variance = (sigmas[i] ** 2 - a**2 * sigmas[i + 1] ** 2).clamp_min(0.0) * sigmas[i + 1] ** 2 / sigmas[i] ** 2
    return torch.sqrt(variance)
