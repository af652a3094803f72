"""Parameterizations."""

import pytest
import torch

from colorbench import registry

each = pytest.mark.parametrize("name", ["x0", "eps", "v"])


def mixed(t=0.4):
    x0, eps = torch.randn(3, 2, 4, 4, dtype=torch.float64), torch.randn(3, 2, 4, 4, dtype=torch.float64)
    angle = torch.full((3, 1, 1, 1), t * torch.pi / 2, dtype=torch.float64)
    return x0, eps, angle.cos(), angle.sin()


@each
def test_the_target_gives_back_the_image(name):
    p = registry.build("parameterization", {"parameterization": name})
    x0, eps, alpha, sigma = mixed()
    torch.testing.assert_close(p.x0(p.target(x0, eps, alpha, sigma), alpha * x0 + sigma * eps, alpha, sigma), x0)


@each
def test_emphasis_is_the_factor_between_squared_errors(name):
    p = registry.build("parameterization", {"parameterization": name})
    x0, eps, alpha, sigma = mixed()
    x_t = alpha * x0 + sigma * eps
    wrong = p.target(x0, eps, alpha, sigma) + 0.3
    error = (p.x0(wrong, x_t, alpha, sigma) - x0).square()
    snr = (alpha / sigma).square()
    torch.testing.assert_close(error * p.emphasis(snr.flatten()).view(-1, 1, 1, 1), torch.full_like(error, 0.09))


@each
def test_min_snr_weights_cap_the_weight_of_the_image_error(name):
    p = registry.build("parameterization", {"parameterization": name})
    angle = torch.tensor([0.1, 0.5, 0.9]) * torch.pi / 2
    weight = p.min_snr_weight(angle.cos(), angle.sin(), 5.0)
    snr = angle.tan() ** -2
    torch.testing.assert_close(weight * p.emphasis(snr), snr.clamp_max(5.0), rtol=1e-4, atol=1e-6)
    assert p.min_snr_weight(torch.zeros(1), torch.ones(1), 5.0).isfinite().all()


def test_v_determines_the_image_from_pure_noise_and_eps_starts_earlier():
    v, eps = (registry.build("parameterization", {"parameterization": n}) for n in ("v", "eps"))
    assert v.last == 1.0
    assert eps.last < 1.0
