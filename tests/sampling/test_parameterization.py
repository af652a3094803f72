"""Parameterizations."""

import pytest
import torch

from colorbench import registry

from .cases import build, options

each = pytest.mark.parametrize("name", options("parameterization"))


def test_every_parameterization_has_a_yaml():
    assert {c["parameterization"] for c in options("parameterization").values()} == set(
        registry.names("parameterization")
    )


def mixed(t=0.4):
    x0, eps = torch.randn(3, 2, 4, 4, dtype=torch.float64), torch.randn(3, 2, 4, 4, dtype=torch.float64)
    angle = torch.full((3, 1, 1, 1), t * torch.pi / 2, dtype=torch.float64)
    return x0, eps, angle.cos(), angle.sin()


@each
def test_the_target_gives_back_the_image(name):
    p = build("parameterization", name)
    x0, eps, alpha, sigma = mixed()
    torch.testing.assert_close(p.x0(p.target(x0, eps, alpha, sigma), alpha * x0 + sigma * eps, alpha, sigma), x0)


@each
def test_emphasis_is_the_factor_between_squared_errors(name):
    p = build("parameterization", name)
    x0, eps, alpha, sigma = mixed()
    x_t = alpha * x0 + sigma * eps
    wrong = p.target(x0, eps, alpha, sigma) + 0.3
    error = (p.x0(wrong, x_t, alpha, sigma) - x0).square()
    snr = (alpha / sigma).square()
    torch.testing.assert_close(error * p.emphasis(snr.flatten()).view(-1, 1, 1, 1), torch.full_like(error, 0.09))


@each
def test_min_snr_weights_cap_the_weight_of_the_image_error(name):
    p = build("parameterization", name)
    angle = torch.tensor([0.1, 0.5, 0.9]) * torch.pi / 2
    weight = p.min_snr_weight(angle.cos(), angle.sin(), 5.0)
    snr = angle.tan() ** -2
    torch.testing.assert_close(weight * p.emphasis(snr), snr.clamp_max(5.0), rtol=1e-4, atol=1e-6)
    assert p.min_snr_weight(torch.zeros(1), torch.ones(1), 5.0).isfinite().all()


def test_v_determines_the_image_from_pure_noise_and_eps_starts_earlier():
    v, eps = (build("parameterization", n) for n in ("v", "eps"))
    assert v.last == 1.0
    assert eps.last < 1.0


STRAIGHT_TOO = [name for name in options("parameterization") if name != "v"]


@pytest.mark.parametrize("name", STRAIGHT_TOO)
@pytest.mark.parametrize("scale", [0.6, 1.0, 40.0])
def test_all_but_v_give_back_the_image_on_every_path(name, scale):
    p = build("parameterization", name)
    x0, eps, alpha, sigma = mixed()
    alpha, sigma = scale * alpha, scale * sigma
    torch.testing.assert_close(p.x0(p.target(x0, eps, alpha, sigma), alpha * x0 + sigma * eps, alpha, sigma), x0)


def test_preconditioning_is_minus_v_of_the_preserving_path_and_sees_and_asks_for_unit_variance():
    karras, v = build("parameterization", "karras"), build("parameterization", "v")
    x0, eps, alpha, sigma = mixed()
    for scale in (1.0, 7.0):  # the same ratio on another path
        a, s = scale * alpha, scale * sigma
        torch.testing.assert_close(karras.target(x0, eps, a, s), -v.target(x0, eps, alpha, sigma))
        torch.testing.assert_close(karras.sees(a * x0 + s * eps, a, s), alpha * x0 + sigma * eps)
    half = build("parameterization", "karras", data=0.5)
    x0, eps = 0.5 * torch.randn(20_000, 1, 1, 1), torch.randn(20_000, 1, 1, 1)
    for sigma in (0.05, 1.0, 30.0):
        one, s = torch.ones(20_000, 1, 1, 1), torch.full((20_000, 1, 1, 1), sigma)
        assert half.sees(x0 + s * eps, one, s).std().item() == pytest.approx(1.0, abs=0.03)
        assert half.target(x0, eps, one, s).std().item() == pytest.approx(1.0, abs=0.03)


def test_x0v_counts_the_error_of_the_image_as_that_of_the_velocity():
    x0v, velocity = build("parameterization", "x0v"), build("parameterization", "velocity")
    x0, eps, _, _ = mixed()
    for t in (0.05, 0.3, 1.0):
        a, s = torch.full((3, 1, 1, 1), 1 - t), torch.full((3, 1, 1, 1), t)
        wrong = x0 + 0.1
        implied = (a * x0 + s * eps - wrong) / t  # JiT: v_hat = (x_t - x0_hat) / t
        expected = (implied - velocity.target(x0, eps, a, s)).square().mean(dim=(1, 2, 3))
        found = (wrong - x0).square().mean(dim=(1, 2, 3)) * x0v.weight(a.flatten(), s.flatten())
        torch.testing.assert_close(found.float(), expected.float())
