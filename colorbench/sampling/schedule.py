"""Schedule: how data and noise are mixed at time t in [0, 1], which times are trained, and which are sampled at.

    x_t = alpha(t) x_0 + sigma(t) eps,   eps ~ N(0, I)

from (1, 0) at t = 0 to pure noise at t = 1. Two things make a schedule (Karras et al. 2022, section 3):
the noise-to-signal ratio n(t) = sigma / alpha, which only rises, and the path, which fixes the scale of both:

    preserving    alpha^2 + sigma^2 = 1    x_t keeps its variance                        Ho et al. 2020
    straight      alpha + sigma = 1        x_t goes straight from noise to data          Liu et al., Lipman et al. 2022
    exploding     alpha = 1                the data keeps its scale                      Karras et al. 2022

    cosine      n(t) = shift tan(pi t / 2), preserving           Nichol & Dhariwal 2021; shift: Hoogeboom et al. 2023
    linear      n(t)^2 = (exp(b_min t + (b_max - b_min) t^2 / 2) - 1), rescaled so that n(1) is infinite, preserving
                Ho et al. 2020 in continuous time (Song et al. 2021), Lin et al. 2024 algorithm 1 for the rescaling
    straight    n(t) = shift t / (1 - t), straight               rectified flow; shift: Esser et al. 2024, equation 23
    karras      n(t) = highest t^rho, exploding                  Karras et al. 2022, equation 5

All but the last end at alpha(1) = 0: a zero terminal signal-to-noise ratio, without which a sampler starts from noise
that the network has never seen and the mean color drifts (Lin et al. 2024); karras ends at a ratio so high (160) that
the data does not show. Chroma maps are smooth: averaged over N pixels noise shrinks by sqrt(N) and the picture's mean
color does not, so under plain ``cosine`` nearly all times have the mean color settled, and the few that decide it are
hardly trained. ``shift`` > 1 moves training and sampling to them.
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from colorbench.arrays import Time
from colorbench.ranges import Finite, Positive
from colorbench.registry import register


class Schedule(ABC):
    """t [b] in [0, 1] -> (alpha, sigma)."""

    @abstractmethod
    def alpha_sigma(self, t: Time) -> tuple[Time, Time]:
        """[b] each, float32; (1, 0) at t = 0 up to rounding; sigma / alpha rises with t."""

    def on_path(self, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """The pair of this path with the same ratio sigma / alpha, which may be infinite; here the preserving path."""
        return preserving(alpha, sigma)

    def drawn(self, u: Time) -> Time:
        """The times that are trained, from u uniform in (0, 1); rising with u, so that parts of (0, 1) stay apart."""
        return u

    def times(self, steps: int, last: float = 1.0) -> Tensor:
        """``steps`` + 1 times from ``last`` down to 0, evenly spaced and trailing: the first one is pure noise."""
        return torch.linspace(last, 0.0, steps + 1, dtype=torch.float64).float()


def preserving(alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """The pair with the same ratio and alpha^2 + sigma^2 = 1."""
    norm = (alpha.square() + sigma.square()).sqrt()
    return alpha / norm, sigma / norm


@register("schedule", "cosine")
class Cosine(Schedule):
    """The shifted cosine; shift 1 is the original."""

    def __init__(self, *, shift: Positive) -> None:
        self.shift = shift

    def alpha_sigma(self, t: Time) -> tuple[Time, Time]:
        """[b], [b]."""
        angle = t.double() * (math.pi / 2)
        signal, noise = angle.cos().clamp_min(0.0), self.shift * angle.sin()
        signal = torch.where(t >= 1.0, torch.zeros_like(signal), signal)
        norm = (signal.square() + noise.square()).sqrt()
        return (signal / norm).float(), (noise / norm).float()


@register("schedule", "linear")
class Linear(Schedule):
    """The variances of Ho et al. (2020): beta grows from ``first`` to ``last`` over 1000 steps (1e-4, 0.02)."""

    def __init__(self, *, first: Positive, last: Positive) -> None:
        self.first, self.last = 1000.0 * first, 1000.0 * last

    def alpha_sigma(self, t: Time) -> tuple[Time, Time]:
        """[b], [b]."""
        alpha, end = self._alpha(t.double()), self._alpha(torch.ones((), dtype=torch.float64, device=t.device))
        alpha = (alpha - end) / (1.0 - end)
        return alpha.float(), (1.0 - alpha.square()).clamp_min(0.0).sqrt().float()

    def _alpha(self, t: Tensor) -> Tensor:
        return torch.exp(-0.5 * (self.first * t + 0.5 * (self.last - self.first) * t.square()))


@register("schedule", "straight")
class Straight(Schedule):
    """Rectified flow. spread: None trains all times alike, a number sigmoid(N(0, spread^2)) (Esser et al. 2024)."""

    def __init__(self, *, shift: Positive, spread: Positive | None) -> None:
        self.shift, self.spread = shift, spread

    def alpha_sigma(self, t: Time) -> tuple[Time, Time]:
        """[b], [b]."""
        t = t.double()
        signal, noise = 1.0 - t, self.shift * t
        return (signal / (signal + noise)).float(), (noise / (signal + noise)).float()

    def on_path(self, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """alpha + sigma = 1."""
        return alpha / (alpha + sigma), sigma / (alpha + sigma)

    def drawn(self, u: Time) -> Time:
        """Uniform or logit-normal."""
        return u if self.spread is None else (self.spread * torch.special.ndtri(u.double())).sigmoid().float()


@register("schedule", "karras")
class Karras(Schedule):
    """highest and lowest: sigma of the first and the last step but one of a sampler (160, 0.004); rho: how much the
    steps are drawn towards low noise (7). Trained is ln sigma ~ N(mean, deviation^2)."""

    def __init__(
        self, *, highest: Positive, lowest: Positive, rho: Positive, mean: Finite, deviation: Positive
    ) -> None:
        self.highest, self.lowest, self.rho = highest, lowest, rho
        self.mean, self.deviation = mean, deviation

    def alpha_sigma(self, t: Time) -> tuple[Time, Time]:
        """[b], [b]."""
        return torch.ones_like(t, dtype=torch.float32), (self.highest * t.double() ** self.rho).float()

    def on_path(self, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        return torch.ones_like(alpha), sigma / alpha

    def drawn(self, u: Time) -> Time:
        """Log-normal, up to ``highest``."""
        sigma = (self.mean + self.deviation * torch.special.ndtri(u.double())).exp()
        return ((sigma / self.highest) ** (1.0 / self.rho)).clamp_max(1.0).float()

    def times(self, steps: int, last: float = 1.0) -> Tensor:
        """Evenly from ``last`` to ``lowest``, and 0 (Karras et al. 2022, equation 5)."""
        lowest = (self.lowest / self.highest) ** (1.0 / self.rho)
        return torch.cat([torch.linspace(last, lowest, steps, dtype=torch.float64), torch.zeros(1)]).float()
