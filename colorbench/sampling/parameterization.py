"""Parameterization: what the network of a diffusion predicts, and how x_0 follows from it.

With x_t = alpha x_0 + sigma eps:

    x0     the clean image                  x0_hat = output
    eps    the noise                        x0_hat = (x_t - sigma output) / alpha          Ho et al. 2020
    v      alpha eps - sigma x_0            x0_hat = alpha x_t - sigma output              Salimans & Ho 2022, app. D

eps says nothing about x_0 where alpha = 0: its sampler must start a little earlier (``last``), and errors at high noise
are multiplied by sigma / alpha, which shifts the color of the whole picture. v is well conditioned at every time.
Squared errors of the three differ by a factor only; in terms of x_0 it is 1, SNR and SNR + 1, with SNR = alpha^2 /
sigma^2. min-SNR-gamma (Hang et al. 2023) caps it: min(SNR, gamma).
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from colorbench.arrays import Time
from colorbench.registry import register


class Parameterization(ABC):
    """alpha and sigma are [b 1 1 1], the rest [b c h w]."""

    last: float = 1.0
    """The greatest time at which an output determines x_0."""

    @abstractmethod
    def target(self, x0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """What the network should put out."""

    @abstractmethod
    def x0(self, output: Tensor, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """The estimate of x_0."""

    @abstractmethod
    def emphasis(self, snr: Time) -> Time:
        """The factor of |x0_hat - x0|^2 in the squared error of outputs."""

    def min_snr_weight(self, alpha: Time, sigma: Time, gamma: float) -> Time:
        """min(SNR, gamma) / emphasis: the weight of min-SNR-gamma, for squared errors of outputs; 0 where SNR is 0."""
        snr = alpha.square() / sigma.square().clamp_min(1e-8)
        return snr.clamp_max(gamma) / self.emphasis(snr).clamp_min(1e-8)


@register("parameterization", "x0")
class X0(Parameterization):
    """The clean image."""

    def target(self, x0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """x0."""
        return x0

    def x0(self, output: Tensor, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """The output."""
        return output

    def emphasis(self, snr: Time) -> Time:
        """1."""
        return torch.ones_like(snr)


@register("parameterization", "eps")
class Eps(Parameterization):
    """The noise."""

    last = 0.995

    def target(self, x0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """eps."""
        return eps

    def x0(self, output: Tensor, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """(x_t - sigma output) / alpha."""
        return (x_t - sigma * output) / alpha.clamp_min(1e-4)

    def emphasis(self, snr: Time) -> Time:
        """SNR."""
        return snr


@register("parameterization", "v")
class V(Parameterization):
    """The velocity."""

    def target(self, x0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """alpha eps - sigma x0."""
        return alpha * eps - sigma * x0

    def x0(self, output: Tensor, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """alpha x_t - sigma output."""
        return alpha * x_t - sigma * output

    def emphasis(self, snr: Time) -> Time:
        """SNR + 1."""
        return snr + 1.0
