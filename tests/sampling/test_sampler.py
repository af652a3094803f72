"""Samplers against diffusers' schedulers, step by step, and against what is known of a Gaussian."""

import numpy as np
import pytest
import torch

from colorbench import registry
from colorbench.noise import Noise

SAMPLERS = [
    {"sampler": "ddpm", "steps": 8}, {"sampler": "ddim", "steps": 8, "eta": 0.0},
    {"sampler": "ddim", "steps": 8, "eta": 0.7}, {"sampler": "dpmpp", "steps": 8},
]  # fmt: skip
each = pytest.mark.parametrize("config", SAMPLERS, ids=lambda c: f"{c['sampler']}-{c.get('eta', '')}")
SCHEDULE = registry.build("schedule", {"schedule": "cosine", "shift": 2.0})


def guess(x, t):
    """Any smooth function: what a network might think x_0 is."""
    return torch.tanh(0.7 * x + t.view(-1, 1, 1, 1)) * 0.8


def reference(scheduler, steps, x, normals=None):
    """diffusers' loop; scheduler times are 1..1000, ours t / 1000."""
    scheduler.set_timesteps(steps)
    alphas, sigmas = scheduler.alphas_cumprod.sqrt(), (1 - scheduler.alphas_cumprod).sqrt()
    for i, t in enumerate(scheduler.timesteps):
        x0 = guess(x, ((t + 1) / 1000).expand(len(x)).float())
        output = (alphas[t] * x - x0) / sigmas[t]  # v
        noise = {} if normals is None else {"variance_noise": normals(i)}
        x = scheduler.step(output, t, x, **noise).prev_sample
    return x


def common():
    alpha, _ = SCHEDULE.alpha_sigma(torch.arange(1, 1001) / 1000.0)
    products = alpha.double() ** 2
    products[-1] = 1e-12  # diffusers cannot divide by it
    betas = 1 - products / torch.cat([torch.ones(1, dtype=torch.float64), products[:-1]])
    return {
        "trained_betas": betas.numpy().astype(np.float64), "prediction_type": "v_prediction",
        "timestep_spacing": "trailing",
    }  # fmt: skip


def test_ddim_equals_diffusers():
    from diffusers import DDIMScheduler

    noise = Noise.of(0, torch.arange(3))
    scheduler = DDIMScheduler(**common(), clip_sample=False, set_alpha_to_one=True)
    expected = reference(scheduler, 8, noise.normal("start", 2, 4, 4))
    sampler = registry.build("sampler", SAMPLERS[1])
    found = sampler.sample(guess, noise, (2, 4, 4), SCHEDULE, 1.0)
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=1e-3)


def test_ddim_with_noise_equals_diffusers():
    from diffusers import DDIMScheduler

    noise = Noise.of(0, torch.arange(3))
    scheduler = DDIMScheduler(**common(), clip_sample=False, set_alpha_to_one=True)
    step = scheduler.step
    scheduler.step = lambda *a, **k: step(*a, eta=0.7, **k)
    expected = reference(scheduler, 8, noise.normal("start", 2, 4, 4), lambda i: noise.normal(f"step {i}", 2, 4, 4))
    found = registry.build("sampler", SAMPLERS[2]).sample(guess, noise, (2, 4, 4), SCHEDULE, 1.0)
    torch.testing.assert_close(found, expected, atol=5e-4, rtol=1e-3)


def test_dpmpp_equals_diffusers():
    from diffusers import DPMSolverMultistepScheduler

    noise = Noise.of(0, torch.arange(3))
    scheduler = DPMSolverMultistepScheduler(
        **common(), algorithm_type="dpmsolver++", solver_order=2, lower_order_final=True, final_sigmas_type="zero",
        euler_at_final=True,
    )  # fmt: skip
    expected = reference(scheduler, 8, noise.normal("start", 2, 4, 4))
    found = registry.build("sampler", SAMPLERS[3]).sample(guess, noise, (2, 4, 4), SCHEDULE, 1.0)
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=5e-3)


def test_ddpm_equals_diffusers_given_its_noise(monkeypatch):
    from diffusers import DDPMScheduler
    from diffusers.schedulers import scheduling_ddpm

    noise = Noise.of(0, torch.arange(3))
    scheduler = DDPMScheduler(**common(), clip_sample=False)
    draws = iter([noise.normal(f"step {i}", 2, 4, 4) for i in range(8)])
    monkeypatch.setattr(scheduling_ddpm, "randn_tensor", lambda *a, **k: next(draws))
    expected = reference(scheduler, 8, noise.normal("start", 2, 4, 4))
    found = registry.build("sampler", SAMPLERS[0]).sample(guess, noise, (2, 4, 4), SCHEDULE, 1.0)
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=5e-3)


def exact(variance):
    """The best estimate of x_0 ~ N(0, variance)."""

    def denoise(x, t):
        alpha, sigma = (s.view(-1, 1, 1, 1) for s in SCHEDULE.alpha_sigma(t))
        return alpha * variance * x / (alpha**2 * variance + sigma**2)

    return denoise


@each
def test_with_the_exact_denoiser_of_a_gaussian_the_samples_are_that_gaussian(config):
    sampler = registry.build("sampler", {**config, "steps": 500})
    x = sampler.sample(exact(0.25), Noise.of(0, torch.arange(64)), (2, 8, 8), SCHEDULE, 1.0)
    assert abs(x.mean().item()) < 0.03
    assert x.std().item() == pytest.approx(0.5, abs=0.02)


@each
def test_a_sample_depends_on_its_own_noise_only(config):
    sampler = registry.build("sampler", config)
    noise = Noise.of(7, torch.arange(5))
    together = sampler.sample(guess, noise, (2, 4, 4), SCHEDULE, 1.0)
    alone = torch.cat([sampler.sample(guess, n, (2, 4, 4), SCHEDULE, 1.0) for n in noise.split(1)])
    torch.testing.assert_close(together, alone)


def test_second_order_needs_fewer_steps():
    noise = Noise.of(0, torch.arange(16))
    ddim, dpmpp = SAMPLERS[1], SAMPLERS[3]

    def run(config, steps):
        sampler = registry.build("sampler", {**config, "steps": steps})
        return sampler.sample(exact(0.25), noise, (2, 4, 4), SCHEDULE, 1.0)

    limit = run(ddim, 2000)
    errors = [(run(config, 12) - limit).abs().mean() for config in (ddim, dpmpp)]
    assert errors[1] < 0.7 * errors[0]


def test_every_sampler_of_conf_builds():
    from colorbench.runs import config

    for name in config.options("sampler"):
        registry.build("sampler", config.compose(["data=photos", "model=ddim", f"sampler={name}"])["sampler"])
