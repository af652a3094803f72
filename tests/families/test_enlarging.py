"""Learned enlarging: guided before the first step, evener things after, and no other weight's business."""

import pytest
import torch
from families.conftest import _composed, _shrunk, pictures

from colorbench.batch import Batch
from colorbench.errors import UserError
from colorbench.families.enlarging import Enlarging, rough
from colorbench.networks.guided import enlarge, shrink
from colorbench.noise import Noise
from colorbench.registry import build

DRAWN = ("energy", "flow", "edm", "ddpm", "tarflow", "maskedbins", "autoregressive", "consistency")


def family(name, how):
    torch.manual_seed(0)
    return build("family", {**_shrunk(_composed(name, ())["model"]), "enlarge": how})


def two_things(count, size=32):
    """Left and right are two things of one lightness but for a bright line between them, each of a color of its own."""
    generator = torch.Generator().manual_seed(0)
    L = torch.zeros(count, 1, size, size)
    L[..., size // 2] = 0.8
    colors = 0.3 * torch.randn(count, 2, 2, 1, 1, generator=generator)
    left = (torch.arange(size) < size // 2).view(1, 1, 1, size)
    ab = torch.where(left, colors[:, 0], colors[:, 1]).expand(-1, -1, size, -1).contiguous()
    return Batch(L, ab.clamp(-1, 1), torch.arange(count), torch.zeros(count, dtype=torch.int64))


@pytest.mark.parametrize("size", [(32, 32), (33, 30)])
def test_before_the_first_step_it_is_the_guided_one(size):
    small, L = 0.2 * torch.randn(2, 2, -(-size[0] // 4), -(-size[1] // 4)), torch.rand(2, 1, *size)
    torch.manual_seed(1)
    learned = Enlarging(4, "learned")
    learned.fit(torch.full((1, 2, 1, 1), 0.3))
    torch.testing.assert_close(learned(small, L), enlarge(small, L, 4).clamp(-1, 1))
    torch.testing.assert_close(Enlarging(4, "guided")(small, L), learned(small, L))


def test_things_are_evener_and_nearer_to_the_truth_after_some_steps():
    torch.manual_seed(0)
    stage, batch, new = Enlarging(4, "learned"), two_things(64), two_things(128).split(64)[1]
    stage.fit(torch.full((1, 2, 1, 1), 0.3))
    optimizer = torch.optim.Adam(stage.parameters(), 3e-3)
    for visit in range(200):
        (objective,) = stage.objectives(batch, Noise.of(0, batch.ids, visit))
        optimizer.zero_grad()
        objective.loss.mean().backward()
        optimizer.step()
    small = shrink(new.ab, 4)
    mottled = small + 0.1 * rough(Noise.of(1, new.ids), *small.shape[-2:])
    with torch.no_grad():
        ours, plain = stage(mottled, new.L), enlarge(mottled, new.L, 4)
    half = slice(1, 14)
    assert ours[..., half].std(dim=(-2, -1)).mean() < 0.8 * plain[..., half].std(dim=(-2, -1)).mean()
    assert (ours - new.ab).abs().mean() < 0.8 * (plain - new.ab).abs().mean()


def test_the_noise_it_learns_from_has_deviation_1_and_ties_neighbors():
    noise = rough(Noise.of(0, torch.arange(500)), 9, 10)
    assert noise.shape == (500, 2, 9, 10)
    assert float(noise.std()) == pytest.approx(1.0, abs=0.03)
    pairs = (noise[..., 0] * noise[..., 1]).mean(), (noise[..., 0] * noise[..., 5]).mean()
    assert float(pairs[0]) == pytest.approx(2 / 3, abs=0.05)  # two octaves of three are shared
    assert float(pairs[1]) == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("name", DRAWN)
def test_it_is_a_group_of_its_own_that_moves_no_other_weight(name):
    batch, learner, plain = pictures(4), family(name, "learned").train(), family(name, "guided").train()
    assert list(learner.trainable()) == [*plain.trainable(), "enlarger"]
    for one in (learner, plain):
        one.prepare([batch])
    *others, mine = learner.objectives(batch, Noise.of(0, batch.ids), learner.weights)
    assert [o.groups for o in others] == [
        o.groups for o in plain.objectives(batch, Noise.of(0, batch.ids), plain.weights)
    ]
    assert mine.groups == ("enlarger",)
    assert mine.loss.shape == (4,)
    mine.loss.mean().backward()
    inside = {id(p) for p in learner.trainable()["enlarger"].parameters()}
    assert all((p.grad is not None) == (id(p) in inside) for p in learner.parameters() if p.requires_grad)


def test_a_learned_enlarger_cannot_be_part_of_a_loop_in_numbers():
    family("flow", "guided").exported()
    with pytest.raises(UserError, match=r"model\.enlarge=learned"):
        family("flow", "learned").exported()
