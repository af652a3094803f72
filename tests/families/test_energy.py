"""The energy family: the laws of a proper score, and draws that come as often as the truth."""

import math

import pytest
import torch
from families.conftest import _composed, _shrunk, pictures, small
from torch import nn

from colorbench.batch import Batch
from colorbench.errors import UserError
from colorbench.families.energy import EPSILON, Energy, apart, distance, repulsion
from colorbench.noise import Noise
from colorbench.registry import build


class Painter(nn.Module):
    """z alone decides one color for the whole map."""

    latent, scale = 2, 1

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 32), nn.SiLU(), nn.Linear(32, 32), nn.SiLU(), nn.Linear(32, 2))

    def forward(self, L, z):
        return self.layers(z)[..., None, None].expand(-1, -1, 2, *L.shape[-2:])


def trained(shares, steps=800):
    """A painter that saw ab = (0.5, 0) in ``shares`` of its pictures, the negative of it in the others."""
    torch.manual_seed(0)
    family = Energy(network=Painter(), draws=4, fairness=0.95, weights={"pixel": 1, "block": 1, "field": 1})
    optimizer = torch.optim.Adam(family.parameters(), 5e-3)
    n = 64
    sign = torch.where(torch.arange(n) < shares * n, 1.0, -1.0).view(-1, 1, 1, 1)
    ab = sign * torch.tensor([0.5, 0.0]).view(1, 2, 1, 1).expand(n, 2, 1, 1)
    batch = Batch(torch.zeros(n, 1, 1, 1), ab, torch.arange(n), torch.zeros(n, dtype=torch.int64))
    family.prepare([batch])
    for visit in range(steps):
        (objective,) = family.objectives(batch, Noise.of(0, batch.ids, visit), family.weights)
        optimizer.zero_grad()
        objective.loss.mean().backward()
        optimizer.step()
    with torch.no_grad():
        return family.colorize(torch.zeros(2048, 1, 1, 1), Noise.of(1, torch.arange(2048)))[:, 0, 0, 0]


@pytest.mark.parametrize("side", [1, 4, None])
def test_identical_draws_score_their_distance_from_the_truth(side):
    x, y = torch.randn(3, 2, 7, 9), torch.randn(3, 2, 7, 9)
    error, spread = apart(x[:, None].expand(-1, 4, -1, -1, -1), y, side)
    torch.testing.assert_close(error, distance(x, y, side))
    assert not spread.any()


@pytest.mark.parametrize("k", [2, 3, 4])
def test_the_score_is_the_one_written_out_between_the_biased_and_the_fair_one(k):
    x, y = torch.randn(5, k, 2, 6, 6, dtype=torch.float64), torch.randn(5, 2, 6, 6, dtype=torch.float64)
    error, spread = apart(x, y, None)

    def d(a, b):
        return math.sqrt(float((a - b).square().sum(0).mean()) + EPSILON) - math.sqrt(EPSILON)

    for b in range(5):
        pairs = sum(d(x[b, i], x[b, j]) for i in range(k) for j in range(k) if i != j)
        near = sum(d(x[b, i], y[b]) for i in range(k)) / k
        for fairness, pair in ((0.0, 1 / (2 * k * k)), (1.0, 1 / (2 * k * (k - 1)))):
            ours = float(error[b] - repulsion(k, fairness) * spread[b])
            assert ours == pytest.approx(near - pair * pairs, abs=1e-9)
    assert repulsion(k, 0.0) < repulsion(k, 0.95) < repulsion(k, 1.0)


def test_regions_are_cells_blocks_and_the_field():
    x, y = torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 8, 8)
    x[0, 0, 0, 0] = 10.0  # one cell of 64, in one block of 4
    expected = {1: 10 / 64, 4: 2.5 / 4, None: 10 / 8}
    for side, value in expected.items():
        assert float(distance(x, y, side)) == pytest.approx(value, rel=0.01)


def test_two_colors_are_drawn_as_often_as_they_are_true():
    a = trained(0.25)
    assert float((a > 0).float().mean()) == pytest.approx(0.25, abs=0.06)
    assert float((a.abs() > 0.3).float().mean()) > 0.75  # the two colors, and little between them


def test_a_certain_truth_is_drawn_without_spread():
    a = trained(1.0, 200)
    assert float((a - 0.5).abs().mean()) < 0.02


def test_draws_differ_before_the_first_step_so_that_they_repel_each_other():
    batch, spreads = pictures(4), []
    tree = _shrunk(_composed("energy", ())["model"])
    for start in (0.0, 0.1):
        torch.manual_seed(0)
        family = build("family", {**tree, "network": {**tree["network"], "start": start}}).train()
        family.prepare([batch])
        (objective,) = family.objectives(batch, Noise.of(0, batch.ids), family.weights)
        spreads.append(float(objective.logs["field_spread"].detach().mean()))
    assert spreads[0] == pytest.approx(0.0, abs=1e-6)
    assert spreads[1] > EPSILON**0.5


def test_the_encoder_runs_once_for_all_draws_and_a_draw_alone_is_the_same():
    batch, family = pictures(4), small("energy").eval()
    calls = []
    family.network.encoder.register_forward_hook(lambda *_: calls.append(1))
    z = torch.randn(4, 3, family.network.latent)
    with torch.no_grad():
        together = family.network(batch.L, z)
        assert len(calls) == 1
        torch.testing.assert_close(family.network(batch.L, z[:, 1:2]), together[:, 1:2], atol=1e-5, rtol=1e-4)


def test_a_term_of_weight_zero_is_not_computed():
    batch, family = pictures(4), small("energy").train()
    (objective,) = family.objectives(batch, Noise.of(0, batch.ids), family.weights.but(block=0.0))
    assert "block" not in objective.logs


def test_one_draw_is_refused_and_so_are_widths_that_do_not_fit_the_encoder():
    with pytest.raises(UserError, match=r"model\.draws: expected draws from 2 to 100, .* got 1"):
        small("energy", draws=1)
    network = {**_shrunk(_composed("energy", ())["model"])["network"], "widths": [16, 16, 16]}
    with pytest.raises(UserError, match=r"network\.widths: the encoder gives 2 maps"):
        build("network", network)
