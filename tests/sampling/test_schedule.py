"""Schedules, and the paths that they take."""

import math

import pytest
import torch

from colorbench import registry

from .cases import build, options

each = pytest.mark.parametrize("name", options("schedule"))
U = torch.linspace(0.001, 0.999, 999)


def test_every_schedule_has_a_yaml():
    assert {c["schedule"] for c in options("schedule").values()} == set(registry.names("schedule"))


@each
def test_the_ratio_of_noise_to_signal_only_rises_from_none_to_nothing_else(name):
    alpha, sigma = build("schedule", name).alpha_sigma(torch.linspace(0, 1, 101))
    assert ((sigma / alpha).diff() > 0).all()
    assert (alpha[0].item(), sigma[0].item()) == pytest.approx((1.0, 0.0), abs=1e-7)
    assert sigma[-1] / alpha[-1] >= 80.0


@each
def test_a_point_of_a_path_is_put_on_the_path_where_it_is_and_any_other_keeps_its_ratio(name):
    schedule = build("schedule", name)
    alpha, sigma = schedule.alpha_sigma(torch.linspace(0.0, 0.99, 50))
    for scale in (1.0, 3.0):
        again = schedule.on_path(scale * alpha, scale * sigma)
        torch.testing.assert_close(torch.stack(again), torch.stack((alpha, sigma)), atol=1e-5, rtol=1e-4)


@each
def test_variance_is_preserved_where_it_is_said_to_be(name):
    schedule = build("schedule", name)
    alpha, sigma = schedule.alpha_sigma(torch.linspace(0, 1, 101))
    kept = {"cosine": alpha**2 + sigma**2, "linear": alpha**2 + sigma**2, "straight": alpha + sigma, "karras": alpha}
    torch.testing.assert_close(kept[options("schedule")[name]["schedule"]], torch.ones(101))


@pytest.mark.parametrize("name", ["cosine", "linear", "straight"])
def test_it_ends_at_no_signal_at_all(name):
    alpha, sigma = build("schedule", name).alpha_sigma(torch.ones(1))
    assert (alpha.item(), sigma.item()) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("name", "plain"), [("cosine", lambda t: (math.pi / 2 * t).tan()), ("straight", lambda t: t / (1 - t))]
)
def test_a_shift_multiplies_the_noise_to_signal_ratio(name, plain):
    t = torch.linspace(0.05, 0.95, 10)
    (a1, s1), (a4, s4) = (build("schedule", name, shift=shift).alpha_sigma(t) for shift in (1.0, 4.0))
    torch.testing.assert_close(s4 / a4, 4.0 * s1 / a1)
    torch.testing.assert_close(s1 / a1, plain(t))


@each
def test_times_are_trailing(name):
    times = build("schedule", name).times(4)
    assert times[0] == 1.0
    assert times[-1] == 0.0
    assert len(times) == 5
    assert (times.diff() < 0).all()


@each
def test_times_that_are_trained_lie_in_the_unit_interval_in_the_order_of_their_draws(name):
    t = build("schedule", name).drawn(U)
    assert (t.diff() > 0).all()
    assert t.min() >= 0.0
    assert t.max() <= 1.0


def test_the_karras_schedule_draws_log_normal_noise_and_samples_at_the_paper_s_levels():
    schedule = build("schedule", "karras", mean=-0.5, deviation=1.2)
    log = schedule.alpha_sigma(schedule.drawn(U))[1].log()
    assert log.mean().item() == pytest.approx(-0.5, abs=0.01)
    assert log.std().item() == pytest.approx(1.2, abs=0.03)
    n, low, high = 6, 0.004 ** (1 / 7), 160.0 ** (1 / 7)
    levels = [(high + i / (n - 1) * (low - high)) ** 7 for i in range(n)] + [0.0]  # Karras et al. 2022, equation 5
    torch.testing.assert_close(schedule.alpha_sigma(schedule.times(n))[1], torch.tensor(levels), rtol=1e-4, atol=1e-6)


def test_the_straight_schedule_may_train_middle_times_more():
    t = build("schedule", "straight", spread=1.0).drawn(U)
    assert t.logit().std().item() == pytest.approx(1.0, abs=0.02)
    assert build("schedule", "straight", spread=None).drawn(U).equal(U)
