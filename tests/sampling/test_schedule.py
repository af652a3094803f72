"""Schedules."""

import math

import pytest
import torch

from colorbench import registry

SCHEDULES = [
    {"schedule": "cosine", "shift": 1.0}, {"schedule": "cosine", "shift": 4.0},
    {"schedule": "linear", "first": 1e-4, "last": 0.02},
]  # fmt: skip
each = pytest.mark.parametrize("config", SCHEDULES, ids=str)


@each
def test_variance_is_preserved_and_the_signal_only_falls(config):
    alpha, sigma = registry.build("schedule", config).alpha_sigma(torch.linspace(0, 1, 101))
    torch.testing.assert_close(alpha**2 + sigma**2, torch.ones(101))
    assert (alpha.diff() < 0).all()


@each
def test_it_starts_at_the_data_and_ends_at_no_signal_at_all(config):
    alpha, sigma = registry.build("schedule", config).alpha_sigma(torch.tensor([0.0, 1.0]))
    assert alpha.tolist() == pytest.approx([1.0, 0.0], abs=1e-7)
    assert alpha[1] == 0.0
    assert sigma[1] == 1.0


def test_a_shift_multiplies_the_noise_to_signal_ratio():
    t = torch.linspace(0.05, 0.95, 10)
    (a1, s1), (a4, s4) = (registry.build("schedule", c).alpha_sigma(t) for c in SCHEDULES[:2])
    torch.testing.assert_close(s4 / a4, 4.0 * s1 / a1)
    torch.testing.assert_close(s1 / a1, (math.pi / 2 * t).tan())


@each
def test_times_are_trailing(config):
    times = registry.build("schedule", config).times(4)
    assert times.tolist() == [1.0, 0.75, 0.5, 0.25, 0.0]
