"""diffusers' schedulers on models of every path."""

import pytest
import torch

from colorbench.errors import UserError
from colorbench.noise import Noise

from .cases import build, options
from .test_sampler import drawn, exact, guess

FIT = [
    f"{name}Scheduler"
    for name in (
        "DDPM",
        "DDIM",
        "UniPCMultistep",
        "DPMSolverMultistep",
        "DEISMultistep",
        "EulerDiscrete",
        "EulerAncestralDiscrete",
        "HeunDiscrete",
        "LMSDiscrete",
        "KDPM2Discrete",
        "PNDM",
        "EDMEuler",
        "EDMDPMSolverMultistep",
        "FlowMatchEulerDiscrete",
        "FlowMatchHeunDiscrete",
    )
]
each = pytest.mark.parametrize("scheduler", FIT)


@each
@pytest.mark.parametrize("path", options("schedule"))
def test_any_scheduler_that_fits_draws_a_gaussian_from_its_exact_denoiser_on_any_path(scheduler, path):
    noise = Noise.of(0, torch.arange(32))
    steps = 200 if scheduler in ("DDPMScheduler", "EulerAncestralDiscreteScheduler") else 60
    x = drawn("diffusers", exact(0.25), noise, build("schedule", path), size=8, scheduler=scheduler, steps=steps)
    assert abs(x.mean().item()) < 0.04
    assert x.std().item() == pytest.approx(0.5, abs=0.04)


@each
def test_evaluations_are_counted_as_they_happen_and_noise_is_the_image_s_own(scheduler):
    noise, asked, state = Noise.of(3, torch.arange(3)), [], torch.get_rng_state()

    def count(x, alpha, sigma):
        asked.append(sigma)
        return guess(x, alpha, sigma)

    together = drawn("diffusers", count, noise, scheduler=scheduler, steps=6)
    assert len(asked) == build("sampler", "diffusers", scheduler=scheduler, steps=6).evaluations
    alone = [drawn("diffusers", guess, n, scheduler=scheduler, steps=6) for n in noise.split(1)]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-4, rtol=1e-4)
    assert torch.equal(state, torch.get_rng_state())


def test_two_schedulers_are_our_own_samplers():
    noise, straight = Noise.of(0, torch.arange(3)), build("schedule", "straight", shift=3.0)
    theirs = drawn("diffusers", guess, noise, straight, scheduler="FlowMatchEulerDiscreteScheduler", steps=400)
    torch.testing.assert_close(theirs, drawn("euler", guess, noise, straight, steps=400), atol=2e-2, rtol=0)
    theirs = drawn("diffusers", guess, noise, scheduler="DDIMScheduler", steps=500)
    torch.testing.assert_close(theirs, drawn("ddim", guess, noise, steps=500), atol=2e-2, rtol=0)


def test_what_does_not_fit_is_refused_in_one_line():
    for name, words in (
        ("UniPCMultistepSchedule", "did you mean 'UniPCMultistepScheduler'"),
        ("VQDiffusionScheduler", "does not fit"),
        ("UNet2DModel", "diffusers has no"),
    ):
        with pytest.raises(UserError, match=words):
            build("sampler", "diffusers", scheduler=name)
    with pytest.raises(UserError, match="did you mean 'use_karras_sigmas'"):
        build("sampler", "diffusers", options={"use_karras_sigma": True})
    x = drawn("diffusers", exact(0.25), Noise.of(0, torch.arange(8)), steps=20, options={"use_karras_sigmas": True})
    assert x.std().item() == pytest.approx(0.5, abs=0.05)
