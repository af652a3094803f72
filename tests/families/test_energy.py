"""The energy family: the laws of a proper score, and draws that come as often as the truth."""

import math
from functools import partial

import pytest
import torch
from families.conftest import _composed, _shrunk, pictures, small
from torch import nn

from colorbench.batch import Batch
from colorbench.errors import UserError
from colorbench.families.energy import EPSILON, LAGS, TERMS, Energy, apart, flats, gaps, regions, repulsion
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
    family = Energy(network=Painter(), draws=4, fairness=0.95, weights=dict.fromkeys(TERMS, 1))
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


@pytest.mark.parametrize("term", TERMS)
def test_identical_draws_score_their_distance_from_the_truth(term):
    x, y = torch.randn(3, 2, 7, 9), torch.randn(3, 2, 7, 9)
    look = partial(TERMS[term], L=torch.randn(3, 1, 7, 9))
    error, spread = apart(x[:, None].expand(-1, 4, -1, -1, -1), y, look)
    torch.testing.assert_close(error, look(x - y))
    assert not spread.any()


@pytest.mark.parametrize("k", [2, 3, 4])
def test_the_score_is_the_one_written_out_between_the_biased_and_the_fair_one(k):
    x, y = torch.randn(5, k, 2, 6, 6, dtype=torch.float64), torch.randn(5, 2, 6, 6, dtype=torch.float64)
    error, spread = apart(x, y, TERMS["field"])

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
    apart = torch.zeros(1, 2, 8, 8)
    apart[0, 0, 0, 0] = 10.0  # one cell of 64, in one block of 4
    expected = {1: 10 / 64, 4: 2.5 / 4, None: 10 / 8}
    for side, value in expected.items():
        assert float(regions(apart, side=side)) == pytest.approx(value, rel=0.01)


def test_gaps_do_not_see_a_cast_over_all_and_see_one_cell_in_every_gap_that_it_ends():
    assert float(gaps(torch.full((1, 2, 16, 16), 3.0))) == 0.0
    apart = torch.zeros(1, 2, 16, 16)
    apart[0, 1, 0, 0] = 6.0  # a corner: one gap of each lag, right and down
    expected = sum(6 / (16 * (16 - lag)) for lag in LAGS) / len(LAGS)
    assert float(gaps(apart)) == pytest.approx(expected, rel=0.01)
    assert float(gaps(torch.ones(1, 2, 1, 1))) == 0.0  # a map of one cell has no gaps


def test_gaps_tell_cells_that_vary_together_from_cells_that_vary_alone():
    """Two cells of +-1 that agree always: draws with the right single cells and no tie score worse by gaps alone."""
    generator = torch.Generator().manual_seed(0)

    def signs(*shape):
        return torch.randint(0, 2, shape, generator=generator) * 2.0 - 1.0

    y = signs(400, 1, 1, 1).expand(-1, 2, 1, 2)
    tied, loose = signs(400, 8, 1, 1, 1).expand(-1, -1, 2, 1, 2), signs(400, 8, 1, 1, 2).expand(-1, -1, 2, -1, -1)

    def score(x, term):
        error, spread = apart(x, y, TERMS[term])
        return float((error - repulsion(8, 1.0) * spread).mean())

    assert score(loose, "pixel") == pytest.approx(score(tied, "pixel"), abs=0.1)
    assert score(tied, "gap") == pytest.approx(0.0, abs=1e-6)
    assert score(loose, "gap") == pytest.approx(2**0.5 / 4, abs=0.05)  # E|g| - E|g - h| / 2, g and h of {-2, 0, 2}


def test_flats_are_gaps_where_all_looks_alike_and_see_nothing_between_black_and_white():
    generator = torch.Generator().manual_seed(0)
    apart = torch.randn(2, 3, 2, 16, 16, generator=generator)
    gray = torch.zeros(2, 1, 16, 16)
    torch.testing.assert_close(flats(apart, gray), gaps(apart), atol=0.05, rtol=0.05)
    torch.testing.assert_close(flats(apart[:, 0], gray), flats(apart, gray)[:, 0])
    half = torch.where(torch.arange(16) < 8, -1.0, 1.0).expand(1, 1, 16, 16)  # two things, black and white
    things = torch.where(torch.arange(16) < 8, 5.0, -5.0).expand(1, 2, 16, 16)  # each even
    assert float(flats(things, half)) == pytest.approx(0.0, abs=1e-4)
    assert float(gaps(things)) > 1.0
    assert float(flats(apart[:1, 0], half)) > 1.0  # uneven within a thing


@pytest.mark.parametrize("shade", [0.0, 1.0])
def test_flats_are_a_proper_score_whatever_the_gray_picture(shade):
    """Gaps of deviation 1 are the truth's: draws of 1 score better than even ones (0) and than rougher ones (2)."""
    generator = torch.Generator().manual_seed(0)
    L = shade * torch.randn(200, 1, 6, 6, generator=generator)
    y = torch.randn(200, 2, 6, 6, generator=generator)
    score = {}
    for deviation in (0.0, 1.0, 2.0):
        x = deviation * torch.randn(200, 6, 2, 6, 6, generator=generator)
        error, spread = apart(x, y, partial(flats, L=L))
        score[deviation] = float((error - repulsion(6, 1.0) * spread).mean())
    assert score[1.0] < min(score[0.0], score[2.0]) - 0.1


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
        objective, *_ = family.objectives(batch, Noise.of(0, batch.ids), family.weights)
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
    objective, *_ = family.objectives(batch, Noise.of(0, batch.ids), family.weights.but(block=0.0))
    assert "block" not in objective.logs


def test_a_model_from_before_gaps_were_scored_opens_and_scores_none():
    tree = _shrunk(_composed("energy", ())["model"])
    del tree["weights"]["gap"]
    assert build("family", tree, "model").weights["gap"] == 0
    del tree["weights"]["field"]
    with pytest.raises(UserError, match=r"weights\.field: missing"):
        build("family", tree, "model")


def test_one_draw_is_refused_and_so_are_widths_that_do_not_fit_the_encoder():
    with pytest.raises(UserError, match=r"model\.draws: expected draws from 2 to 100, .* got 1"):
        small("energy", draws=1)
    network = {**_shrunk(_composed("energy", ())["model"])["network"], "widths": [16, 16, 16]}
    with pytest.raises(UserError, match=r"network\.widths: the encoder gives 2 maps"):
        build("network", network)
