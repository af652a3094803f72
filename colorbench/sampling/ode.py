"""Solvers of the probability flow: no noise on the way (or, by ``churn``, as much as is wanted).

Along dx = x0_hat(x, t) d alpha + eps_hat(x, t) d sigma every x_t keeps the distribution of the diffusion (Song et al.
2021, equation 13, in the variables of Karras et al. 2022). On a straight path that is dx/dt = eps_hat - x0_hat, the
velocity of a rectified flow; where alpha = 1 it is Karras et al.'s dx/dsigma = (x - x0_hat) / sigma.

    euler    x_s = x_t + x0_hat d_alpha + eps_hat d_sigma                          first order; equals ddim of eta 0
    heun     the mean of the two slopes of this step and of its end                second order, two passes a step
             (the last step, which ends at sigma = 0, is of euler's kind)          Karras et al. 2022, algorithm 1

With ``churn`` > 0 heun first goes back in time by adding noise, n_hat = n (1 + gamma), gamma = min(churn / steps,
sqrt(2) - 1) where ``lowest`` <= n <= ``highest``, n = sigma / alpha: algorithm 2, "EDM's stochastic sampler".
"""

import math

from torch import Tensor

from colorbench.ranges import NotNegative, Positive, Several
from colorbench.registry import register
from colorbench.sampling.sampler import StepSampler, Walk


def slope(x: Tensor, x0: Tensor, alpha: Tensor, sigma: Tensor, d_alpha: Tensor, d_sigma: Tensor) -> Tensor:
    """The way from (alpha, sigma) by (d_alpha, d_sigma), along the tangent."""
    return x0 * d_alpha + (x - alpha * x0) / sigma * d_sigma


@register("sampler", "euler")
class Euler(StepSampler):
    """First order."""

    def step(self, x: Tensor, walk: Walk) -> Tensor:
        i, alphas, sigmas = walk.i, walk.alphas, walk.sigmas
        d_alpha, d_sigma = alphas[i + 1] - alphas[i], sigmas[i + 1] - sigmas[i]
        return x + slope(x, walk.estimate(x), alphas[i], sigmas[i], d_alpha, d_sigma)


@register("sampler", "heun")
class Heun(StepSampler):
    """Second order; churn 0 draws the start only. inflation: of the noise added (Karras et al. take 1.003 or 1.007)."""

    def __init__(
        self,
        *,
        steps: Several,
        guidance: NotNegative,
        temperature: NotNegative,
        churn: NotNegative,
        lowest: NotNegative,
        highest: Positive,
        inflation: Positive,
    ) -> None:
        super().__init__(steps=steps, guidance=guidance, temperature=temperature)
        self.churn, self.lowest, self.highest, self.inflation = churn, lowest, highest, inflation

    @property
    def asks(self) -> int:
        """Two for each step but the last."""
        return 2 * self.steps - 1

    def step(self, x: Tensor, walk: Walk) -> Tensor:
        i = walk.i
        end = walk.alphas[i + 1], walk.sigmas[i + 1]
        x, alpha, sigma = self._churned(x, walk)
        d_alpha, d_sigma = end[0] - alpha, end[1] - sigma
        first = slope(x, walk.denoise(x, alpha, sigma), alpha, sigma, d_alpha, d_sigma)
        if walk.final:
            return x + first
        guess = x + first
        second = slope(guess, walk.denoise(guess, *end), *end, d_alpha, d_sigma)
        return x + 0.5 * (first + second)

    def _churned(self, x: Tensor, walk: Walk) -> tuple[Tensor, Tensor, Tensor]:
        alpha, sigma = walk.alphas[walk.i], walk.sigmas[walk.i]
        if self.churn == 0.0 or not self.lowest * alpha <= sigma <= self.highest * alpha:
            return x, alpha, sigma
        gamma = min(self.churn / self.steps, math.sqrt(2.0) - 1.0)
        to_alpha, to_sigma = walk.schedule.on_path(alpha, sigma * (1.0 + gamma))
        scale = to_alpha / alpha
        added = self.inflation * (to_sigma**2 - (scale * sigma) ** 2).clamp_min(0.0).sqrt()
        return scale * x + added * walk.draw(f"step {walk.i}", x), to_alpha, to_sigma
