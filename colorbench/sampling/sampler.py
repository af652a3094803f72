"""Sampler: from noise to data, given an estimate of x_0 at every time.

One step goes from time t to the earlier time s, with (alpha_t, sigma_t) and (alpha_s, sigma_s) of the schedule; the
first t is 1, pure noise ("trailing" times, Lin et al. 2024). Of an estimate x0_hat of x_0 follows that of the noise,
eps_hat = (x_t - alpha_t x0_hat) / sigma_t.

    ddpm    x_s ~ q(x_s | x_t, x0_hat), the Gaussian posterior of Ho et al. 2020, equations 6 and 7:
                a = alpha_t / alpha_s,  v = sigma_t^2 - a^2 sigma_s^2
                mean = (a sigma_s^2 x_t + alpha_s v x0_hat) / sigma_t^2,   variance = v sigma_s^2 / sigma_t^2
    ddim    x_s = alpha_s x0_hat + sqrt(sigma_s^2 - e^2) eps_hat + e z,
                Song, Meng & Ermon 2021, equation 12; e = eta (ddpm's standard deviation), eta 0 is deterministic
    dpmpp   DPM-Solver++(2M), Lu et al. 2022, algorithm 2: with lambda = log(alpha / sigma), h = lambda_s - lambda_t,
                x_s = (sigma_s / sigma_t) x_t - alpha_s (exp(-h) - 1) D,   D = x0_hat + (x0_hat - previous) h / (2 h')

euler and heun are in ode.py. None of them asks which path the schedule takes.

A sampler holds no parameters. Its random numbers are drawn from the noise of each image for each step, so a sample does
not depend on the batch around it. Two dials belong to every sampler:

    temperature    the standard deviation of all that is drawn; 1 is the distribution that was learned, 0 its center
    guidance       w in x0_hat = null + w (conditional - null), Ho & Salimans 2022, equation 6 (their w is one less):
                   1 is the conditional distribution, more is more vivid and less various, at two passes a step
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from colorbench.errors import UserError
from colorbench.noise import Noise
from colorbench.ranges import NotNegative, Several, Share
from colorbench.registry import register
from colorbench.sampling.parameterization import Parameterization
from colorbench.sampling.schedule import Schedule

Denoiser = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(x [b c h w], alpha, sigma: scalars) -> x0_hat [b c h w]."""
Clock = Callable[[Tensor, Tensor], Tensor]
"""(alpha, sigma) -> what the network is told of the time."""


@dataclass
class Walk:
    """Where a sampler stands: about to make step ``i``, from time i to time i + 1 of ``alphas`` and ``sigmas``.

    past: the estimates of x_0 at the beginning of all steps so far. temperature: of what is drawn.
    """

    denoise: Denoiser
    schedule: Schedule
    alphas: Tensor
    sigmas: Tensor
    noise: Noise
    temperature: float = 1.0
    i: int = 0
    past: list[Tensor] = field(default_factory=list)

    @property
    def final(self) -> bool:
        """Is this the last step, to the data itself?"""
        return self.i + 2 == len(self.alphas)

    def estimate(self, x: Tensor) -> Tensor:
        """x0_hat of ``x`` at time i, remembered."""
        self.past.append(self.denoise(x, self.alphas[self.i], self.sigmas[self.i]))
        return self.past[-1]

    def draw(self, purpose: str, like: Tensor) -> Tensor:
        """Normal numbers of the step, of this temperature."""
        return self.temperature * self.noise.normal(purpose, *like.shape[1:])


class Sampler(ABC):
    """steps: from noise to data. guidance, temperature: see above."""

    def __init__(self, *, steps: Several, guidance: NotNegative, temperature: NotNegative) -> None:
        self.steps, self.guidance, self.temperature = steps, guidance, temperature

    @property
    @abstractmethod
    def asks(self) -> int:
        """How often an estimate of x_0 is asked for."""

    @property
    def evaluations(self) -> int:
        """Passes of the network: two for each estimate where guidance is at work."""
        return self.asks if self.guidance == 1.0 else 2 * self.asks

    @abstractmethod
    def sample(
        self, denoise: Denoiser, noise: Noise, shape: tuple[int, ...], schedule: Schedule, last: float
    ) -> Tensor:
        """[b, *shape] at time 0, from noise at time ``last``."""

    def in_numbers(
        self, schedule: Schedule, parameterization: Parameterization, clock: Clock
    ) -> tuple[float, list[dict[str, Any]]]:
        """(deviation of the first x, what each step asks and makes of the answers), for programs without PyTorch.

        Raises UserError where the steps are not linear in what they know, or guidance asks twice: most samplers.
        """
        raise UserError("sampler: this one cannot be exported, only colorbench's own steps can; choose sampler=euler")


class StepSampler(Sampler):
    """A step is a linear combination of x, the estimates of x_0 and noise, at the schedule's times.

    Linear, so that a program without PyTorch can make it from a few numbers (see inference/standalone.py).
    """

    @property
    def asks(self) -> int:
        return self.steps

    def sample(
        self, denoise: Denoiser, noise: Noise, shape: tuple[int, ...], schedule: Schedule, last: float
    ) -> Tensor:
        times = schedule.times(self.steps, last).to(noise.keys.device)
        alphas, sigmas = schedule.alpha_sigma(times)
        # the data's part of x_t is not zero everywhere; its mean, which is 0, stands for it
        x = sigmas[0] * (self.temperature * noise.normal("start", *shape))
        walk = Walk(denoise, schedule, alphas, sigmas, noise, self.temperature)
        for walk.i in range(self.steps):
            x = self.step(x, walk)
        return x

    @abstractmethod
    def step(self, x: Tensor, walk: Walk) -> Tensor:
        """x at time i + 1 from x at time i."""

    def in_numbers(
        self, schedule: Schedule, parameterization: Parameterization, clock: Clock
    ) -> tuple[float, list[dict[str, Any]]]:
        """With the basis (x, x0 before, z, x0 first, x0 second ...) a step is

        x0 = p point + q network(c point, t, L), clipped, at each point = at . basis it asks at;   x <- next . basis
        """
        if self.guidance != 1.0:
            raise UserError("sampler.guidance: a guided sampler cannot be exported; choose sampler.guidance=1")
        alphas, sigmas = schedule.alpha_sigma(schedule.times(self.steps, parameterization.last))
        most = 5
        basis = list(torch.eye(most).view(most, 1, most, 1, 1))  # what unit vectors become tells a linear map
        one, nothing = torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1)
        unit = _Unit(torch.zeros(1, dtype=torch.int64), basis[2])
        steps = []
        for i in range(self.steps):
            asks: list[dict[str, Any]] = []

            def estimate(point: Tensor, alpha: Tensor, sigma: Tensor, asks: list[dict[str, Any]] = asks) -> Tensor:
                moment = alpha.view(1, 1, 1, 1), sigma.view(1, 1, 1, 1)
                asks.append(
                    {
                        "t": float(clock(*moment)),
                        "at": point.flatten().tolist(),
                        "c": float(parameterization.sees(one, *moment)),
                        "p": float(parameterization.x0(nothing, one, *moment)),
                        "q": float(parameterization.x0(one, nothing, *moment)),
                    }
                )
                return basis[2 + len(asks)]

            past = [basis[1]] if i else []
            walk = Walk(estimate, schedule, alphas, sigmas, unit, self.temperature, i, past)
            after = self.step(basis[0], walk)
            steps.append({"asks": asks, "next": after.flatten().tolist()})
        return float(sigmas[0]) * self.temperature, steps


@dataclass(frozen=True)
class _Unit(Noise):
    """Noise whose numbers are all one vector."""

    vector: Tensor

    def normal(self, purpose: str, *shape: int) -> Tensor:
        return self.vector


@register("sampler", "none")
def none() -> None:
    """This model draws nothing step by step."""
    return


@register("sampler", "ddpm")
class DDPM(StepSampler):
    """Ancestral sampling."""

    def step(self, x: Tensor, walk: Walk) -> Tensor:
        """A draw from the posterior."""
        i, x0 = walk.i, walk.estimate(x)
        alpha_s, sigma_t, sigma_s = walk.alphas[i + 1], walk.sigmas[i], walk.sigmas[i + 1]
        a = walk.alphas[i] / alpha_s
        mean = (a * sigma_s**2 * x + alpha_s * (sigma_t**2 - a**2 * sigma_s**2) * x0) / sigma_t**2
        return mean + _deviation(walk) * walk.draw(f"step {i}", x)


@register("sampler", "ddim")
class DDIM(StepSampler):
    """Implicit sampling; eta in [0, 1], 0 draws the start only."""

    def __init__(self, *, steps: Several, eta: Share, guidance: NotNegative, temperature: NotNegative) -> None:
        super().__init__(steps=steps, guidance=guidance, temperature=temperature)
        self.eta = eta

    def step(self, x: Tensor, walk: Walk) -> Tensor:
        """Equation 12."""
        i, x0 = walk.i, walk.estimate(x)
        eps = (x - walk.alphas[i] * x0) / walk.sigmas[i]
        e = self.eta * _deviation(walk)
        x = walk.alphas[i + 1] * x0 + (walk.sigmas[i + 1] ** 2 - e**2).clamp_min(0.0).sqrt() * eps
        return x + e * walk.draw(f"step {i}", x) if self.eta else x


@register("sampler", "dpmpp")
class DPMSolver(StepSampler):
    """Second order, multistep; the first and the last step are of first order, where lambda is infinite."""

    def step(self, x: Tensor, walk: Walk) -> Tensor:
        """Algorithm 2."""
        i, alphas, sigmas = walk.i, walk.alphas, walk.sigmas
        x0 = walk.estimate(x)
        decay = alphas[i] * sigmas[i + 1] / (sigmas[i] * alphas[i + 1])  # exp(-h), 0 where h is infinite
        if i and not walk.final:
            lambdas = (alphas[i - 1 : i + 2] / sigmas[i - 1 : i + 2]).log()
            before, ahead = lambdas[1] - lambdas[0], lambdas[2] - lambdas[1]
            x0 = x0 + (x0 - walk.past[-2]) * (ahead / (2.0 * before))
        return sigmas[i + 1] / sigmas[i] * x + alphas[i + 1] * (1.0 - decay) * x0


def _deviation(walk: Walk) -> Tensor:
    """Standard deviation of ddpm's posterior."""
    i, alphas, sigmas = walk.i, walk.alphas, walk.sigmas
    a = alphas[i] / alphas[i + 1]
    variance = (sigmas[i] ** 2 - a**2 * sigmas[i + 1] ** 2).clamp_min(0.0) * sigmas[i + 1] ** 2 / sigmas[i] ** 2
    return torch.sqrt(variance)
