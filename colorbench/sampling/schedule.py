"""Schedule: how a diffusion mixes data and noise at time t in [0, 1].

    x_t = alpha(t) x_0 + sigma(t) eps,   alpha^2 + sigma^2 = 1,   eps ~ N(0, I)                (variance preserving)

with the noise-to-signal ratio n(t) = sigma / alpha:

    cosine    n(t) = shift tan(pi t / 2)                         Nichol & Dhariwal 2021; shift: Hoogeboom et al. 2023
    linear    n(t)^2 = (exp(b_min t + (b_max - b_min) t^2 / 2) - 1), rescaled so that n(1) is infinite
              Ho et al. 2020 in continuous time (Song et al. 2021), Lin et al. 2024 algorithm 1 for the rescaling

Both end at alpha(1) = 0: a zero terminal signal-to-noise ratio, without which a sampler starts from noise that the
network has never seen and the mean color drifts (Lin et al. 2024). Chroma maps are smooth: averaged over N pixels noise
shrinks by sqrt(N) and the picture's mean color does not, so under plain ``cosine`` nearly all times have the mean color
settled, and the few that decide it are hardly trained. ``shift`` > 1 moves training and sampling to them.
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from colorbench.arrays import Time
from colorbench.registry import register


class Schedule(ABC):
    """t [b] in [0, 1] -> (alpha, sigma)."""

    @abstractmethod
    def alpha_sigma(self, t: Time) -> tuple[Time, Time]:
        """[b] each, float32, alpha^2 + sigma^2 = 1; (1, 0) at t = 0 up to rounding and (0, 1) at t = 1."""

    def times(self, steps: int, last: float = 1.0) -> Tensor:
        """``steps`` + 1 times from ``last`` down to 0, evenly spaced and trailing: the first one is pure noise."""
        return torch.linspace(last, 0.0, steps + 1, dtype=torch.float64).float()


@register("schedule", "cosine")
class Cosine(Schedule):
    """The shifted cosine; shift 1 is the original."""

    def __init__(self, *, shift: float) -> None:
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

    def __init__(self, *, first: float, last: float) -> None:
        self.first, self.last = 1000.0 * first, 1000.0 * last

    def alpha_sigma(self, t: Time) -> tuple[Time, Time]:
        """[b], [b]."""
        alpha, end = self._alpha(t.double()), self._alpha(torch.ones((), dtype=torch.float64, device=t.device))
        alpha = (alpha - end) / (1.0 - end)
        return alpha.float(), (1.0 - alpha.square()).clamp_min(0.0).sqrt().float()

    def _alpha(self, t: Tensor) -> Tensor:
        return torch.exp(-0.5 * (self.first * t + 0.5 * (self.last - self.first) * t.square()))
