"""The schedulers of diffusers as samplers: ``sampler=diffusers sampler.scheduler=UniPCMultistepScheduler``.

A denoiser of one path serves every other, because x on two paths with the same ratio sigma / alpha differs by a factor
only (see schedule.py). So a scheduler keeps its own path and its own equations, and before each of its questions x is
brought to the path that the model was trained on. What it is told of the noise levels depends on what it takes:

    trained_betas    a preserving path: the model's own levels, at 1000 times; it takes v           DDIM, UniPC ...
    sigma_data       an exploding path: the model's first and last level; it takes the output of
                     Karras et al.'s preconditioning                                                EDMEuler ...
    shift            a straight path: the model's own levels, or if it takes none its own; it takes
                     the velocity                                                                   FlowMatchEuler ...

All others (of masks, of text, of distilled models) do not fit. A ratio above 160 counts as 160: there these schedulers
divide by nearly nothing. What a scheduler draws on the way comes from one generator for each image; its scale is the
scheduler's own, so ``temperature`` is that of the start.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from colorbench.errors import UserError
from colorbench.noise import Noise
from colorbench.ranges import NotNegative, Several, Text
from colorbench.registry import register, suggest
from colorbench.sampling.parameterization import Parameterization, Preconditioned, V, Velocity
from colorbench.sampling.sampler import Denoiser, Sampler
from colorbench.sampling.schedule import Schedule, preserving

HIGHEST = 160.0
TIMES = 1000


@register("sampler", "diffusers")
class Borrowed(Sampler):
    """scheduler: a class of diffusers. options: what else its constructor takes ({use_karras_sigmas: true})."""

    def __init__(
        self,
        *,
        scheduler: Text,
        steps: Several,
        guidance: NotNegative,
        temperature: NotNegative,
        options: Mapping[str, Any],
    ) -> None:
        super().__init__(steps=steps, guidance=guidance, temperature=temperature)
        self.kind, self.options = _scheduler(scheduler), dict(options)
        known = list(inspect.signature(self.kind).parameters)
        for key in options:
            if key not in known:
                raise UserError(f"sampler.options.{key}: {scheduler} has no such option{suggest(key, known)}")
        self.path = next((path for path in PATHS if path.mark in known), None)
        if self.path is None or "noise_sampler_seed" in known:
            raise UserError(
                f"sampler.scheduler: {scheduler} does not fit a denoiser of images; try UniPCMultistepScheduler"
            )

    @property
    def asks(self) -> int:
        """As many as the scheduler has timesteps: for some, more than steps."""
        scheduler = self.kind(**self.options)
        scheduler.set_timesteps(self.steps)
        return len(scheduler.timesteps)

    def sample(
        self, denoise: Denoiser, noise: Noise, shape: tuple[int, ...], schedule: Schedule, last: float
    ) -> Tensor:
        assert self.path is not None
        device = noise.keys.device
        path = self.path(self.kind, self.options, schedule, self.steps, _last(schedule, last))
        scheduler = path.scheduler
        taken = inspect.signature(scheduler.step).parameters
        generators = [torch.Generator(device).manual_seed(int(key)) for key in noise.keys]
        extra = {"generator": generators} if "generator" in taken else {}
        x = self.temperature * scheduler.init_noise_sigma * noise.normal("start", *shape)
        for t in scheduler.timesteps:
            seen, alpha, sigma = path.level(x, t)
            ours = schedule.on_path(alpha.clamp_min(float(sigma) / HIGHEST), sigma)
            x0 = denoise(seen * (ours[1] / sigma), ours[0].to(device), ours[1].to(device))
            x = scheduler.step(path.answer(x0, seen, alpha, sigma), t, x, **extra).prev_sample
        return x


class Path(ABC):
    """One scheduler, set to a model's noise levels."""

    mark: str
    """The constructor's parameter by which schedulers of this path are known."""
    scheduler: Any
    parameterization: Parameterization

    @abstractmethod
    def __init__(self, kind: Any, options: Mapping[str, Any], schedule: Schedule, steps: int, last: float):
        """kind: the scheduler's class. last: the greatest time to ask at."""

    @abstractmethod
    def level(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x on the scheduler's path as the network should see it, and alpha and sigma there (scalars)."""

    def answer(self, x0: Tensor, seen: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """What the scheduler takes for the network's output, given that x_0 is ``x0``."""
        eps = (seen - alpha * x0) / sigma
        return self.parameterization.target(x0, eps, alpha, sigma)


class PreservingPath(Path):
    """Of most schedulers; those of exploding variance inside scale their input back."""

    mark, parameterization = "trained_betas", V()

    def __init__(self, kind: Any, options: Mapping[str, Any], schedule: Schedule, steps: int, last: float):
        times = schedule.times(TIMES, last)[:-1].flip(0)
        alpha, sigma = preserving(*(s.double() for s in schedule.alpha_sigma(times)))
        products = alpha.square()
        betas = 1.0 - products / torch.cat([torch.ones(1, dtype=torch.float64), products[:-1]])
        wanted = {
            "trained_betas": betas.numpy(),
            "prediction_type": "v_prediction",
            "timestep_spacing": "trailing",
            "clip_sample": False,
            "set_alpha_to_one": True,
            **options,
        }
        taken = inspect.signature(kind).parameters
        self.scheduler = kind(**{key: value for key, value in wanted.items() if key in taken})
        self.scheduler.set_timesteps(steps)
        self.log = (sigma / alpha).log()

    def level(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Between two of the 1000 times the logarithm of the ratio is interpolated, as the schedulers do."""
        place = float(t)
        low = min(max(int(place), 0), TIMES - 2)
        ratio = torch.lerp(self.log[low], self.log[low + 1], place - low).exp()
        alpha, sigma = preserving(torch.ones_like(ratio), ratio)
        return self.scheduler.scale_model_input(x, t), alpha.float(), sigma.float()


class ExplodingPath(Path):
    """Of Karras et al. as diffusers has them, with data of deviation 1."""

    mark, parameterization = "sigma_data", Preconditioned(data=1.0)

    def __init__(self, kind: Any, options: Mapping[str, Any], schedule: Schedule, steps: int, last: float):
        alpha, sigma = schedule.alpha_sigma(schedule.times(steps, last))
        ratio = sigma / alpha
        ends = {"sigma_min": max(float(ratio[-2]), 0.002), "sigma_max": float(ratio[0]), "sigma_data": 1.0}
        self.scheduler = kind(**{**ends, **options})
        self.scheduler.set_timesteps(steps)

    def level(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The scheduler's time is ln(sigma) / 4; x as it is, since the model scales its input itself."""
        self.scheduler.scale_model_input(x, t)  # it insists to be asked
        sigma = torch.exp(4.0 * torch.as_tensor(t, dtype=torch.float32))
        return x, torch.ones_like(sigma), sigma


class StraightPath(Path):
    """Of rectified flows; the time is 1000 sigma."""

    mark, parameterization = "shift", Velocity()

    def __init__(self, kind: Any, options: Mapping[str, Any], schedule: Schedule, steps: int, last: float):
        self.scheduler = kind(**options)
        if "sigmas" in inspect.signature(self.scheduler.set_timesteps).parameters:
            alpha, sigma = schedule.alpha_sigma(schedule.times(steps, last)[:-1])
            self.scheduler.set_timesteps(sigmas=(sigma / (alpha + sigma)).numpy())
        else:
            self.scheduler.set_timesteps(steps)
        self.scheduler.init_noise_sigma = 1.0

    def level(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """alpha + sigma = 1."""
        sigma = torch.as_tensor(t, dtype=torch.float32) / self.scheduler.config.num_train_timesteps
        return x, 1.0 - sigma, sigma


PATHS: tuple[type[Path], ...] = (PreservingPath, ExplodingPath, StraightPath)
"""In the order in which a scheduler's signature is read."""


def _scheduler(name: str) -> Any:
    import diffusers  # late: it takes seconds

    kind = getattr(diffusers, name, None)
    if not (inspect.isclass(kind) and issubclass(kind, diffusers.SchedulerMixin)):
        known = [n for n in dir(diffusers) if n.endswith("Scheduler") and not n.startswith("Flax")]
        raise UserError(f"sampler.scheduler: diffusers has no {name!r}{suggest(name, known)}")
    return kind


def _last(schedule: Schedule, last: float) -> float:
    """The greatest time up to ``last`` at which sigma / alpha is at most HIGHEST."""
    low, high = 0.0, last
    for _ in range(40):
        middle = (low + high) / 2
        alpha, sigma = schedule.alpha_sigma(torch.tensor([middle]))
        low, high = (middle, high) if float(sigma) <= HIGHEST * float(alpha) else (low, middle)
    return low
