"""Masked bins: orders, likelihoods that sum to one, and a memory that changes nothing but the time."""

import math

import pytest
import torch
from families.conftest import pictures, small
from torch.nn import functional as F

from colorbench.batch import Batch
from colorbench.families.maskedbins import _portions, halton, nucleus
from colorbench.networks.guided import shrink
from colorbench.noise import Noise


def alive(model, seed=0):
    """A family whose transformer does something (its branches start at zero)."""
    family = small(model, seed=seed).eval()
    for block in family.model["transformer"].blocks:
        torch.nn.init.normal_(block.mix.weight, 0.0, 0.5)
        torch.nn.init.normal_(block.down.weight, 0.0, 0.5)
    torch.nn.init.normal_(family.model["head"].weight, 0.0, 1.0)
    return family


def test_steps_with_a_memory_give_the_logits_of_a_pass_over_all_cells():
    family, batch = alive("autoregressive"), pictures(3, 24)
    transformer = family.model["transformer"]
    h = torch.randn(3, 15, transformer.width)
    with torch.no_grad():
        together = transformer(h, 3, 5, causal=True)
        memory = transformer.memory(3, 3, 5, h)
        steps = torch.cat([transformer.step(h[:, i : i + 1], memory) for i in range(15)], dim=1)
        torch.testing.assert_close(steps, together, atol=1e-4, rtol=1e-4)
        known, u = family._features(batch.L), Noise.of(0, batch.ids).uniform("bins", 6, 6)
        bins = family._write(known, u)
        before = F.pad(bins.flatten(1)[:, :-1], (1, 0), value=family.unknown).view_as(bins)
        logits = family._guess(known, before, causal=True)
        again = family._draw(logits.flatten(1, 2), u.flatten(1)).view_as(bins)
    assert float((again == bins).float().mean()) > 0.98  # a tie of rounding may fall to either side


def test_the_probabilities_of_all_pictures_of_two_cells_sum_to_one():
    family = alive("autoregressive")
    q, L = family.unknown, torch.rand(1, 1, 4, 8) * 2 - 1
    total = 0.0
    with torch.no_grad():
        for first in torch.arange(q).split(37):
            pairs = torch.cartesian_prod(first, torch.arange(q)).view(-1, 1, 2)
            nats = family.nats(L.expand(len(pairs), -1, -1, -1), pairs)
            total += float((-nats.double().sum(dim=(1, 2))).exp().sum())
    assert total == pytest.approx(1.0, abs=1e-4)


def test_a_nucleus_is_the_likeliest_bins_that_hold_the_share_and_one_at_least():
    p = torch.tensor([[0.5, 0.3, 0.15, 0.05], [0.1, 0.2, 0.3, 0.4]])
    for share, kept in ((0.5, (1, 2)), (0.51, (2, 2)), (0.79, (2, 3)), (0.81, (3, 3)), (0.001, (1, 1))):
        left = nucleus(p.log(), share).isfinite()
        assert tuple(left.sum(1).tolist()) == kept
        for row, n in enumerate(kept):
            assert set(left[row].nonzero().flatten().tolist()) == set(p[row].argsort(descending=True)[:n].tolist())
    assert torch.equal(nucleus(p.log(), 1.0), p.log())


def test_draws_come_from_the_nucleus_with_its_frequencies():
    family = alive("maskedbins")
    family.top_p, family.temperature, q = 0.9, 1.0, family.unknown
    p = torch.full((q,), 0.05 / (q - 2))
    p[3], p[8] = 0.7, 0.25
    found = family._draw(p.log().expand(1, 20000, q), torch.rand(1, 20000)).flatten()
    assert set(found.tolist()) == {3, 8}
    assert float((found == 3).float().mean()) == pytest.approx(0.7 / 0.95, abs=0.015)


def test_a_preview_takes_ten_passes_at_most_and_changes_nothing():
    family, batch = alive("maskedbins"), pictures(2)
    family.steps = 30
    passes = []
    family.model["transformer"].register_forward_hook(lambda *_: passes.append(1))
    with torch.no_grad():
        family.preview(batch.L, Noise.of(0, batch.ids))
        assert len(passes) <= 10
        assert family.steps == 30
        passes.clear()
        family.colorize(batch.L, Noise.of(0, batch.ids))
    height, width = batch.L.shape[-2:]
    assert len(passes) == family.evaluations(height, width) > 10


def test_a_cell_sees_those_before_it_and_none_after():
    family, batch = alive("autoregressive"), pictures(2)
    bins = family.palette.nearest(shrink(batch.ab, family.scale))
    other = bins.clone()
    other.flatten(1)[:, 20] = (bins.flatten(1)[:, 20] + 7) % family.unknown
    with torch.no_grad():
        same = (family.nats(batch.L, bins) - family.nats(batch.L, other)).flatten(1).abs() < 1e-5
    assert same[:, :20].all()
    assert not same[:, 20:].all(dim=1).any()


def test_the_loss_of_raster_order_is_the_likelihood_in_nats():
    family, batch = alive("autoregressive"), pictures(2)
    with torch.no_grad():
        (objective,) = family.objectives(batch, Noise.of(0, batch.ids), family.weights)
        bits = family.likelihood(batch, Noise.of(0, batch.ids))["bits_per_cell"]
    torch.testing.assert_close(objective.loss, bits * math.log(2.0))
    assert alive("maskedbins").likelihood(batch, Noise.of(0, batch.ids)) == {}


def test_as_many_cells_are_hidden_as_the_cosine_says_and_never_none():
    family = small("maskedbins")
    bins = torch.zeros(2000, 8, 8, dtype=torch.int64)
    hidden = family._hidden(bins, Noise.of(0, torch.arange(2000))).float().mean(dim=(1, 2))
    assert float(hidden.mean()) == pytest.approx(2 / math.pi, abs=0.03)
    assert float(hidden.min()) >= 1 / 64


def test_only_hidden_cells_count_and_only_their_own_words_are_unknown():
    family, batch = alive("maskedbins"), pictures(2)
    noise = Noise.of(0, batch.ids)
    bins = family.palette.nearest(shrink(batch.ab, family.scale))
    hidden = family._hidden(bins, noise)
    with torch.no_grad():
        (objective,) = family.objectives(batch, noise, family.weights)
        logits = family._guess(family._features(batch.L), bins.masked_fill(hidden, family.unknown))
    for b in range(2):
        expected = F.cross_entropy(logits[b][hidden[b]], bins[b][hidden[b]])
        torch.testing.assert_close(objective.loss[b], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("model", ["maskedbins", "autoregressive"])
def test_a_draw_asks_the_transformer_as_often_as_it_says(model):
    family, batch, asked = alive(model), pictures(2, 24), []
    family.model["head"].register_forward_hook(lambda *_: asked.append(1))
    with torch.no_grad():
        family.colorize(batch.L, Noise.of(0, batch.ids))
    assert len(asked) == family.evaluations(24, 24)


def test_portions_draw_every_cell_once_few_first():
    portions = _portions(256, 10)
    assert sum(portions) == 256
    assert portions == sorted(portions)
    assert sum(_portions(3, 10)) == 3


@pytest.mark.parametrize("shape", [(16, 16), (5, 7), (1, 1)])
def test_the_halton_order_meets_every_cell_and_spreads_them(shape):
    order = halton(*shape)
    assert sorted(order.tolist()) == list(range(shape[0] * shape[1]))
    if shape == (16, 16):
        first = order[:16]
        quarter = (first // 16 >= 8).long() * 2 + (first % 16 >= 8).long()
        assert torch.bincount(quarter, minlength=4).min() >= 3


def test_a_bin_is_painted_in_the_mean_of_its_training_colors():
    family = small("autoregressive")
    ab = torch.tensor([[0.08, 0.02], [0.09, 0.03]]).view(2, 2, 1, 1).expand(2, 2, 8, 8)
    batch = Batch(torch.zeros(2, 1, 8, 8), ab, torch.arange(2), torch.zeros(2, dtype=torch.int64))
    family.prepare([batch])
    bins = family.palette.nearest(ab[:1, :, :1, :1])
    assert torch.equal(bins, family.palette.nearest(ab[1:, :, :1, :1]))
    torch.testing.assert_close(family.painted[bins[0, 0, 0]], torch.tensor([0.085, 0.025]))
