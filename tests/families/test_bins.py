"""Bins: the palette, the targets, and draws that follow the distribution that was named."""

import pytest
import torch
import torch.nn.functional as F
from families.conftest import pictures, small

from colorbench import color
from colorbench.errors import UserError
from colorbench.families.palette import SIGMA, STEP, Palette, drawn
from colorbench.networks.guided import shrink
from colorbench.noise import Noise

PALETTE = Palette()


def test_every_color_of_srgb_is_within_a_cell_of_its_center():
    rgb = torch.rand(1, 3, 300, 300, generator=torch.Generator().manual_seed(0))
    _, ab = color.encode(rgb)
    assert float(PALETTE.error(ab).max()) < STEP * 0.75  # half a diagonal, and a little where LEVELS saw no color
    assert torch.equal(
        PALETTE.nearest(PALETTE.colors(torch.arange(len(PALETTE)).view(1, 1, -1)))[0, 0], torch.arange(len(PALETTE))
    )


def test_soft_targets_are_gaussian_weights_of_the_five_nearest_centers():
    ab = torch.tensor([13.0, -21.0])
    soft = PALETTE.soft((ab / color.AB_UNIT).view(1, 2, 1, 1))[0, :, 0, 0]
    distance = (PALETTE.centers - ab).norm(dim=1)
    five = distance.argsort()[:5]
    expected = torch.zeros(len(PALETTE))
    expected[five] = torch.exp(-(distance[five] ** 2) / (2 * SIGMA**2))
    torch.testing.assert_close(soft, expected / expected.sum(), atol=1e-5, rtol=1e-4)


def test_the_mean_of_soft_targets_is_near_the_color():
    _, ab = color.encode(torch.rand(1, 3, 20, 20, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.25)
    back = PALETTE.mean(PALETTE.soft(ab))
    assert float(((back - ab) * color.AB_UNIT).norm(dim=1).mean()) < 3.0


def test_draws_come_as_often_as_their_probabilities():
    p = torch.tensor([0.1, 0.0, 0.6, 0.3])
    logits = p.log().view(1, 4, 1, 1).expand(1, 4, 100, 100)
    u = (torch.arange(10_000) + 0.5).view(1, 100, 100) / 10_000
    counts = torch.bincount(drawn(logits, u).flatten(), minlength=4) / 10_000
    torch.testing.assert_close(counts, p, atol=2e-4, rtol=0)


def test_rebalancing_has_mean_one_and_prefers_rare_bins():
    batch, family = pictures(8), small("bins")
    family.prepare([batch])
    bins = family.palette.nearest(shrink(batch.ab, family.scale)).flatten()
    p = family.palette.smooth(torch.bincount(bins, minlength=len(family.palette)))
    assert float((p * family.rebalance).sum()) == pytest.approx(1.0, abs=1e-5)
    assert family.rebalance[p.argmax()] < family.rebalance[p.argmin()]
    equal = small("bins", uniform=1.0)
    equal.prepare([batch])
    torch.testing.assert_close(equal.rebalance, torch.ones(len(p)))


def test_the_loss_without_rebalancing_is_the_cross_entropy_of_torch():
    batch, family = pictures(4), small("bins", uniform=1.0).eval()
    family.prepare([batch])
    (objective,) = family.objectives(batch, Noise.of(0, batch.ids), family.weights)
    target = family.palette.soft(shrink(batch.ab, family.scale))
    torch.testing.assert_close(objective.loss.mean(), F.cross_entropy(family.logits(batch.L), target))


def test_between_two_colors_a_cold_answer_is_the_likelier_one_and_a_warm_one_their_mean():
    batch, family = pictures(2), small("bins").eval()
    blue, orange = (
        int((PALETTE.centers - torch.tensor(ab)).norm(dim=1).argmin()) for ab in ((0.0, -40.0), (20.0, 50.0))
    )
    head, answers = family.classifier["head"], {}
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.constant_(head.bias, -1e4)
    with torch.no_grad():
        head.bias[blue], head.bias[orange] = torch.tensor([0.6, 0.4]).log()
        for temperature in (1e-3, 0.38, 1.0):
            family.temperature = temperature
            answers[temperature] = family.colorize(batch.L, Noise.of(0, batch.ids))[0, 1] * color.AB_UNIT
    torch.testing.assert_close(answers[1e-3], torch.full_like(answers[1.0], -40.0), atol=1e-2, rtol=0)
    torch.testing.assert_close(answers[1.0], torch.full_like(answers[1.0], 0.6 * -40.0 + 0.4 * 50.0), atol=1e-2, rtol=0)
    assert (answers[0.38] < answers[1.0]).all()


def test_draws_of_neighboring_cells_know_nothing_of_each_other():
    family = small("bins", decode="sample", temperature=1.0).eval()
    assert family.stochastic
    assert not small("bins").stochastic
    batch = pictures(2)
    with torch.no_grad():
        torch.nn.init.zeros_(family.classifier["head"].weight)  # the same wide distribution everywhere
        draws = torch.stack([shrink(family.colorize(batch.L, Noise.of(k, batch.ids)), family.scale) for k in range(40)])
    a = (draws - draws.mean(0))[:, :, 0]
    correlation = (a[..., 2:] * a[..., :-2]).mean() / a.square().mean()
    assert abs(float(correlation)) < 0.1


def test_impossible_settings_are_refused():
    with pytest.raises(UserError, match=r"model\.uniform"):
        small("bins", uniform=0.0)
    with pytest.raises(UserError, match=r"model\.temperature"):
        small("bins", temperature=0.0)
