"""Parameterization: what the network of a diffusion predicts, and how x_0 follows from it.

With x_t = alpha x_0 + sigma eps and r^2 = alpha^2 s^2 + sigma^2, where s is the data's deviation:

    x0          the clean image           x0_hat = output
    x0v         the clean image, its error counted as that of the velocity                    Li & He 2025 (JiT)
    eps         the noise                 x0_hat = (x_t - sigma output) / alpha               Ho et al. 2020
    v           alpha eps - sigma x_0     x0_hat = alpha x_t - sigma output                   Salimans & Ho 2022, app. D
    velocity    eps - x_0                 x0_hat = (x_t - sigma output) / (alpha + sigma)     Liu et al. 2022
    karras      (sigma x_0 - alpha s^2 eps) / (s r)
                x0_hat = alpha s^2 x_t / r^2 + sigma s output / r; the network sees x_t / r  Karras et al. 2022, table 1

v holds on paths with alpha^2 + sigma^2 = 1 only. eps says nothing about x_0 where alpha = 0: its sampler must start a
little earlier (``last``), and errors at high noise are multiplied by sigma / alpha, which shifts the color of the whole
picture. v, velocity and karras are well conditioned at every time; velocity on a straight path is the path's own
direction, dx_t / dt; karras with s = 1 is -v of the preserving path with the same ratio, whatever the path.

Squared errors of all but x0v differ by a factor only: ``emphasis`` times that of x_0 is that of the output. With SNR =
alpha^2 / sigma^2, min-SNR-gamma (Hang et al. 2023) caps it: min(SNR, gamma).
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from colorbench.arrays import Time
from colorbench.ranges import Positive
from colorbench.registry import register


class Parameterization(ABC):
    """alpha and sigma are [b 1 1 1], the rest [b c h w]."""

    last: float = 1.0
    """The greatest time at which an output determines x_0."""

    def sees(self, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """What the network is given of x_t."""
        return x_t

    @abstractmethod
    def target(self, x0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """What the network should put out."""

    @abstractmethod
    def x0(self, output: Tensor, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """The estimate of x_0."""

    @abstractmethod
    def emphasis(self, snr: Time) -> Time:
        """The factor of |x0_hat - x0|^2 in the squared error of outputs."""

    def weight(self, alpha: Time, sigma: Time) -> Time:
        """What the squared error of outputs counts in training."""
        return torch.ones_like(alpha)

    def min_snr_weight(self, alpha: Time, sigma: Time, gamma: float) -> Time:
        """min(SNR, gamma) / emphasis: the weight of min-SNR-gamma, for squared errors of outputs; 0 where SNR is 0."""
        snr = alpha.square() / sigma.square().clamp_min(1e-8)
        return snr.clamp_max(gamma) / self.emphasis(snr).clamp_min(1e-8)


@register("parameterization", "x0")
class X0(Parameterization):
    """The clean image."""

    def target(self, x0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        return x0

    def x0(self, output: Tensor, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        return output

    def emphasis(self, snr: Time) -> Time:
        return torch.ones_like(snr)


@register("parameterization", "x0v")
class X0ByVelocity(X0):
    """The clean image; |v_hat - v|^2 with v_hat = (x_t - x0_hat) / max(t, 0.05), t = sigma / (alpha + sigma)."""

    def weight(self, alpha: Time, sigma: Time) -> Time:
        """1 / max(t, 0.05)^2."""
        return (sigma / (alpha + sigma)).clamp_min(0.05) ** -2


@register("parameterization", "eps")
class Eps(Parameterization):
    """The noise."""

    last = 0.995

    def target(self, x0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        return eps

    def x0(self, output: Tensor, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """(x_t - sigma output) / alpha."""
        return (x_t - sigma * output) / alpha.clamp_min(1e-4)

    def emphasis(self, snr: Time) -> Time:
        """SNR."""
        return snr


@register("parameterization", "v")
class V(Parameterization):
    """The velocity on the preserving path, by angle."""

    def target(self, x0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """alpha eps - sigma x0."""
        return alpha * eps - sigma * x0

    def x0(self, output: Tensor, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """alpha x_t - sigma output."""
        return alpha * x_t - sigma * output

    def emphasis(self, snr: Time) -> Time:
        """SNR + 1."""
        return snr + 1.0


@register("parameterization", "velocity")
class Velocity(Parameterization):
    """The velocity on the straight path."""

    def target(self, x0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """eps - x0."""
        return eps - x0

    def x0(self, output: Tensor, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """(x_t - sigma output) / (alpha + sigma)."""
        return (x_t - sigma * output) / (alpha + sigma)

    def emphasis(self, snr: Time) -> Time:
        """(sqrt(SNR) + 1)^2."""
        return (snr.sqrt() + 1.0).square()


@register("parameterization", "karras")
class Preconditioned(Parameterization):
    """Inputs and outputs of unit variance at every time. data: s, the deviation of x_0 (1 where it is standardized)."""

    def __init__(self, *, data: Positive) -> None:
        self.data = data

    def sees(self, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """x_t / r."""
        return x_t / self._norm(alpha, sigma)

    def target(self, x0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """(sigma x0 - alpha s^2 eps) / (s r)."""
        return (sigma * x0 - alpha * self.data**2 * eps) / (self.data * self._norm(alpha, sigma))

    def x0(self, output: Tensor, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """c_skip x_t + c_out output."""
        r = self._norm(alpha, sigma)
        return alpha * self.data**2 / r**2 * x_t + sigma * self.data / r * output

    def emphasis(self, snr: Time) -> Time:
        """1 / c_out^2 = SNR + 1 / s^2."""
        return snr + self.data**-2

    def _norm(self, alpha: Tensor, sigma: Tensor) -> Tensor:
        return (alpha.square() * self.data**2 + sigma.square()).sqrt()
