"""Samplers against diffusers' schedulers, step by step, and against what is known of a Gaussian."""

import itertools

import numpy as np
import pytest
import torch

from colorbench import registry
from colorbench.errors import UserError
from colorbench.noise import Noise
from colorbench.sampling.sampler import StepSampler

from .cases import build, options

OWN = [name for name in options("sampler") if isinstance(build("sampler", name), StepSampler)]
each = pytest.mark.parametrize("name", OWN)
paths = pytest.mark.parametrize("path", options("schedule"))
SCHEDULE = registry.build("schedule", {"schedule": "cosine", "shift": 2.0})


def drawn(name, denoise, noise, schedule=SCHEDULE, size=4, **changes):
    return build("sampler", name, **changes).sample(denoise, noise, (2, size, size), schedule, 1.0)


def guess(x, alpha, sigma):
    """Any smooth function: what a network might think x_0 is."""
    return torch.tanh(0.7 * x + torch.atan2(sigma, alpha)) * 0.8


def reference(scheduler, steps, x, normals=None):
    """diffusers' loop; scheduler times are 1..1000, ours t / 1000."""
    scheduler.set_timesteps(steps)
    alphas, sigmas = scheduler.alphas_cumprod.sqrt(), (1 - scheduler.alphas_cumprod).sqrt()
    for i, t in enumerate(scheduler.timesteps):
        x0 = guess(x, alphas[t].float(), sigmas[t].float())
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
        "trained_betas": betas.numpy().astype(np.float64),
        "prediction_type": "v_prediction",
        "timestep_spacing": "trailing",
    }


def test_ddim_equals_diffusers():
    from diffusers import DDIMScheduler

    noise = Noise.of(0, torch.arange(3))
    scheduler = DDIMScheduler(**common(), clip_sample=False, set_alpha_to_one=True)
    expected = reference(scheduler, 8, noise.normal("start", 2, 4, 4))
    found = drawn("ddim", guess, noise, steps=8)
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=1e-3)


def test_ddim_with_noise_equals_diffusers():
    from diffusers import DDIMScheduler

    noise = Noise.of(0, torch.arange(3))
    scheduler = DDIMScheduler(**common(), clip_sample=False, set_alpha_to_one=True)
    step = scheduler.step
    scheduler.step = lambda *a, **k: step(*a, eta=0.7, **k)
    expected = reference(scheduler, 8, noise.normal("start", 2, 4, 4), lambda i: noise.normal(f"step {i}", 2, 4, 4))
    found = drawn("ddim", guess, noise, steps=8, eta=0.7)
    torch.testing.assert_close(found, expected, atol=5e-4, rtol=1e-3)


def test_dpmpp_equals_diffusers():
    from diffusers import DPMSolverMultistepScheduler

    noise = Noise.of(0, torch.arange(3))
    scheduler = DPMSolverMultistepScheduler(
        **common(),
        algorithm_type="dpmsolver++",
        solver_order=2,
        lower_order_final=True,
        final_sigmas_type="zero",
        euler_at_final=True,
    )
    expected = reference(scheduler, 8, noise.normal("start", 2, 4, 4))
    found = drawn("dpmpp", guess, noise, steps=8)
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=5e-3)


def test_ddpm_equals_diffusers_given_its_noise(monkeypatch):
    from diffusers import DDPMScheduler
    from diffusers.schedulers import scheduling_ddpm

    noise = Noise.of(0, torch.arange(3))
    scheduler = DDPMScheduler(**common(), clip_sample=False)
    draws = iter([noise.normal(f"step {i}", 2, 4, 4) for i in range(8)])
    monkeypatch.setattr(scheduling_ddpm, "randn_tensor", lambda *a, **k: next(draws))
    expected = reference(scheduler, 8, noise.normal("start", 2, 4, 4))
    found = drawn("ddpm", guess, noise, steps=8)
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=5e-3)


def exact(variance):
    """The best estimate of x_0 ~ N(0, variance)."""
    return lambda x, alpha, sigma: alpha * variance * x / (alpha**2 * variance + sigma**2)


def two_points(share):
    """The best estimate of x_0 that is 1 with probability ``share`` and -1 otherwise."""
    odds = float(np.log(share / (1 - share)))
    return lambda x, alpha, sigma: 2.0 * torch.sigmoid(odds + 2.0 * alpha * x / sigma**2) - 1.0


@each
@paths
def test_with_the_exact_denoiser_of_a_gaussian_the_samples_are_that_gaussian(name, path):
    x = drawn(name, exact(0.25), Noise.of(0, torch.arange(64)), build("schedule", path), size=8, steps=600)
    assert abs(x.mean().item()) < 0.03
    assert x.std().item() == pytest.approx(0.5, abs=0.02)


@each
@paths
def test_of_a_truth_of_two_points_the_frequencies_come_out(name, path):
    x = drawn(name, two_points(0.3), Noise.of(1, torch.arange(64)), build("schedule", path), size=8, steps=100)
    assert (x > 0).float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert (x.abs() - 1).abs().mean() < 0.05


@each
def test_a_sample_depends_on_its_own_noise_only(name):
    noise = Noise.of(7, torch.arange(5))
    together = drawn(name, guess, noise, steps=8)
    torch.testing.assert_close(together, torch.cat([drawn(name, guess, n, steps=8) for n in noise.split(1)]))


@each
def test_evaluations_are_counted_as_they_happen(name):
    asked = []

    def count(x, alpha, sigma):
        asked.append(sigma)
        return guess(x, alpha, sigma)

    drawn(name, count, Noise.of(0, torch.arange(1)), steps=5)
    assert len(asked) == build("sampler", name, steps=5).evaluations
    assert build("sampler", name, steps=5, guidance=2.0).evaluations == 2 * len(asked)


@each
def test_at_temperature_0_all_draws_are_the_center(name):
    x = drawn(name, exact(0.25), Noise.of(0, torch.arange(3)), steps=6, temperature=0.0)
    assert torch.equal(x, torch.zeros_like(x))
    with pytest.raises(UserError, match=r"sampler\.temperature"):
        build("sampler", name, temperature=-1.0)
    with pytest.raises(UserError, match=r"sampler\.steps"):
        build("sampler", name, steps=0)


def test_second_order_needs_fewer_steps():
    noise = Noise.of(0, torch.arange(16))
    limit = drawn("ddim", exact(0.25), noise, steps=2000)
    errors = [(drawn(name, exact(0.25), noise, steps=12) - limit).abs().mean() for name in ("ddim", "dpmpp")]
    assert errors[1] < 0.7 * errors[0]


@paths
def test_euler_is_ddim_without_noise_on_every_path(path):
    noise, schedule = Noise.of(0, torch.arange(4)), build("schedule", path)
    euler, ddim = (drawn(name, guess, noise, schedule, steps=8) for name in ("euler", "ddim"))
    torch.testing.assert_close(euler, ddim, atol=2e-5 * float(schedule.alpha_sigma(torch.ones(1))[1]), rtol=1e-4)


@pytest.mark.parametrize(("name", "order"), [("euler", 1), ("heun", 2)])
def test_the_order_of_a_solver_is_seen_on_an_equation_whose_solution_is_known(name, order):
    """Along the flow of N(0, v) x_t = eps sqrt(alpha^2 v + sigma^2), so x_0 = sqrt(v) eps."""
    noise, straight = Noise.of(0, torch.arange(16)), build("schedule", "straight", shift=1.0)
    truth = 0.5 * noise.normal("start", 2, 4, 4)
    errors = [(drawn(name, exact(0.25), noise, straight, steps=n) - truth).abs().mean() for n in (20, 40, 80)]
    for coarse, fine in itertools.pairwise(errors):
        assert torch.log2(coarse / fine).item() == pytest.approx(order, abs=0.3)


def test_the_straight_path_with_euler_equals_diffusers():
    from diffusers import FlowMatchEulerDiscreteScheduler

    noise, straight = Noise.of(0, torch.arange(3)), build("schedule", "straight", shift=3.0)
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1.0 / 8, 8))
    x = noise.normal("start", 2, 4, 4)
    for t, sigma in zip(scheduler.timesteps, scheduler.sigmas, strict=False):
        velocity = (x - guess(x, 1 - sigma, sigma)) / sigma
        x = scheduler.step(velocity, t, x).prev_sample
    torch.testing.assert_close(drawn("euler", guess, noise, straight, steps=8), x, atol=1e-5, rtol=1e-4)


def test_karras_levels_with_euler_equal_diffusers():
    from diffusers import EDMEulerScheduler

    noise, karras = Noise.of(0, torch.arange(3)), build("schedule", "karras", highest=80.0, lowest=0.002)
    scheduler = EDMEulerScheduler(sigma_min=0.002, sigma_max=80.0, sigma_data=1.0, rho=7.0)
    scheduler.set_timesteps(8)
    p = build("parameterization", "karras")
    x = 80.0 * noise.normal("start", 2, 4, 4)
    for t, sigma in zip(scheduler.timesteps, scheduler.sigmas, strict=False):
        one, s = torch.ones(1, 1, 1, 1), sigma.view(1, 1, 1, 1)
        seen = scheduler.scale_model_input(x, t)
        torch.testing.assert_close(seen, p.sees(x, one, s))
        x0 = guess(x, torch.ones(()), sigma)
        output = (x0 - x / (sigma**2 + 1)) * (sigma**2 + 1).sqrt() / sigma
        torch.testing.assert_close(p.x0(output, x, one, s), x0, atol=1e-4, rtol=1e-3)
        x = scheduler.step(output, t, x).prev_sample
    torch.testing.assert_close(drawn("euler", guess, noise, karras, steps=8), x, atol=2e-3, rtol=1e-3)


def test_heun_equals_diffusers_on_the_path_of_exploding_variance():
    from diffusers import HeunDiscreteScheduler

    noise, steps = Noise.of(0, torch.arange(3)), 8
    scheduler = HeunDiscreteScheduler(use_karras_sigmas=True)
    scheduler.set_timesteps(steps)
    levels = scheduler.sigmas
    karras = build("schedule", "karras", highest=float(levels[0]), lowest=float(levels[-2]))
    start = noise.normal("start", 2, 4, 4)
    x = float(levels[0]) * start
    for t in scheduler.timesteps:
        sigma = levels[scheduler.step_index] if scheduler.step_index is not None else levels[0]
        eps = (x - guess(x, torch.ones(()), sigma)) / sigma
        x = scheduler.step(eps, t, x).prev_sample
    torch.testing.assert_close(drawn("heun", guess, noise, karras, steps=steps, churn=0.0), x, atol=1e-3, rtol=1e-3)


def test_churn_goes_back_on_the_path_by_as_much_noise_as_is_missing():
    """With the exact denoiser of a Gaussian, going back and forth leaves the distribution: so does a lot of churn."""
    for path in options("schedule"):
        x = drawn(
            "churn",
            exact(1.0),
            Noise.of(0, torch.arange(64)),
            build("schedule", path),
            size=8,
            steps=60,
            churn=60.0,
            inflation=1.0,
        )
        assert x.std().item() == pytest.approx(1.0, abs=0.03)


def test_every_sampler_has_a_yaml():
    assert {c["sampler"] for c in options("sampler").values()} == set(registry.names("sampler")) - {"none"}
