"""Consistency: denoising at first, one answer for a whole path at last."""

import itertools

import pytest
import torch
from families.conftest import pictures, small
from torch import nn

from colorbench.errors import UserError
from colorbench.family import Weights
from colorbench.noise import Noise


class Known(nn.Module):
    """The velocity that makes ``answer(x, n)`` the estimate of x_0, at any ratio n; the straight path."""

    def __init__(self, answer):
        super().__init__()
        self.answer, self.scale = answer, nn.Parameter(torch.ones(()))

    def encode(self, L):
        return [L]

    def denoise(self, x, t, maps):
        n = torch.tan(t * torch.pi / 2)[:, None, None, None]
        sigma = n / (1 + n)
        return (x - self.scale * self.answer(x * (1 + n), n)) / sigma.clamp_min(1e-6)  # in x0 + n eps


def family_of(answer):
    family = small("consistency")
    family.network = Known(answer)
    return family


def loss(family, progress, batch):
    (objective,) = family.objectives(batch, Noise.of(0, batch.ids), Weights(family.weights, progress))
    return objective


def test_the_second_level_is_none_at_first_and_comes_closer_with_the_budget():
    family, u = small("consistency"), torch.linspace(0.01, 0.99, 99)
    n, m = family.pairs(u, 0.0)
    assert (m[n < 3.8] == 0.0).all()
    torch.testing.assert_close(m[-1], n[-1] / 2)
    assert n.log().median().item() == pytest.approx(-0.4, abs=0.05)
    closeness = [(m / n).mean() for n, m in (family.pairs(u, p) for p in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0))]
    assert all(b > a for a, b in itertools.pairwise(closeness))
    n, m = family.pairs(u, 1.0)
    torch.testing.assert_close(m, n * (1 - 2.0**-8 * (1 + 8 * torch.sigmoid(-n / 2))))


def test_the_true_flow_of_a_gaussian_costs_nothing_and_a_plain_denoiser_costs_something():
    """Of x_0 ~ N(0, 1) the flow's end is x / sqrt(1 + n^2); the best denoiser says x / (1 + n^2)."""
    batch = pictures(8)
    consistent = family_of(lambda x, n: x / (1 + n**2).sqrt())
    denoiser = family_of(lambda x, n: x / (1 + n**2))
    for family in (consistent, denoiser):
        family.prepare([batch])

    def towards_a_path(family):
        """The loss where x really is on one path: x_n = sqrt(1 + n^2) x_0 for every n, that is eps chosen so."""
        n, m = family.pairs(torch.linspace(0.3, 0.9, 50), 0.9)
        x0 = torch.randn(50, 2, 4, 4)

        def answer(ratio):
            a, s = (v[:, None, None, None] for v in family.schedule.on_path(torch.ones_like(ratio), ratio))
            x = a * (1 + ratio**2).sqrt()[:, None, None, None] * x0
            return family.estimate(x, a, s, [])

        return (answer(n) - answer(m)).abs().mean()

    assert towards_a_path(consistent) < 1e-4
    assert towards_a_path(denoiser) > 1e-3


def test_at_first_the_loss_is_that_of_denoising_and_only_the_noisier_answer_learns():
    batch = pictures(4)
    family = family_of(lambda x, n: 0.3 * x / (1 + n))
    family.spread = (-1.5, 0.5)  # below the noise at which the first stage already looks for a neighbor
    family.prepare([batch])
    objective = loss(family, 0.0, batch)
    x0 = family.standardized(batch)
    eps = Noise.of(0, batch.ids).normal("noise", 4, *x0.shape[1:]).flatten(0, 1)
    n = family.pairs(family.quantiles(Noise.of(0, batch.ids)), 0.0)[0]
    wide = n[:, None, None, None]
    error = (0.3 * (x0 + wide * eps) / (1 + wide) - x0).square().mean(dim=(1, 2, 3)).sqrt() / n
    torch.testing.assert_close(objective.loss, error.view(-1, 4).mean(1), rtol=2e-2, atol=1e-3)
    (gradient,) = torch.autograd.grad(objective.loss.mean(), [family.network.scale])
    assert gradient.abs() > 0
    late = loss(family, 1.0, batch)
    assert float(late.logs["closeness"]) > 0.9


def test_two_points_come_out_as_often_as_they_are_after_one_leap_and_after_two():
    """The flow of x_0 = +-1 with shares 0.3 and 0.7: it keeps the order, so noise below its 0.7-quantile ends at -1."""
    noise = Noise.of(0, torch.arange(256))
    edge = torch.distributions.Normal(0, 1).icdf(torch.tensor(0.7))

    def flow(x, alpha, sigma):
        n = sigma / alpha
        grid = torch.linspace(-6, 6, 4001)
        normal = torch.distributions.Normal(0, 1)
        share = 0.3 * normal.cdf(grid - 1 / n) + 0.7 * normal.cdf(grid + 1 / n)  # of x / n below the grid's point
        below = torch.from_numpy(__import__("numpy").interp((x / alpha / n).numpy(), grid.numpy(), share.numpy()))
        return torch.where(below > normal.cdf(edge), 1.0, -1.0).float()

    for steps in (1, 2, 3):
        family = small("consistency")
        family.sampler.steps = steps
        x = family.sampler.sample(flow, noise, (1, 2, 2), family.schedule, 1.0)
        assert (x > 0).float().mean().item() == pytest.approx(0.3, abs=0.04)
        assert family.evaluations(32, 32) == steps


def test_a_trained_flow_is_taken_over_as_it_is():
    flow, tuned = small("flow", seed=1), small("consistency", seed=2)
    tuned.load_state_dict(flow.state_dict(), strict=True)
    batch = pictures(2)
    tuned.sampler = flow.sampler
    with torch.no_grad():
        ours, theirs = (f.eval().colorize(batch.L, Noise.of(0, batch.ids)) for f in (tuned, flow))
    assert torch.equal(ours, theirs)


def test_what_cannot_be_consistent_is_refused():
    with pytest.raises(UserError, match="take velocity or karras"):
        small("consistency", "parameterization@model.parameterization=x0")
    with pytest.raises(UserError, match=r"model\.base"):
        small("consistency", base=1.0)
    small("consistency", "schedule@model.schedule=karras", "parameterization@model.parameterization=karras")
