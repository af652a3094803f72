"""Adversaries: what D and G want, and what the formulas say."""

import math

import pytest
import torch

from colorbench import registry
from colorbench.batch import Batch
from colorbench.family import Weights
from colorbench.losses.game import Game, play
from colorbench.noise import Noise

NAMES = [
    {"adversary": "bce"},
    {"adversary": "hinge"},
    {"adversary": "lsgan"},
    {"adversary": "wgangp", "weight": 10.0},
    {"adversary": "r3gan", "gamma": 0.1},
]
each = pytest.mark.parametrize("config", NAMES, ids=lambda c: c["adversary"])


def never():
    pytest.fail("the real logits were asked for")


def logits(value):
    return torch.full((3, 1, 4, 4), value)


@each
def test_the_discriminator_prefers_to_be_right_and_the_generator_to_be_taken_for_real(config):
    adversary = registry.build("adversary", config)
    right = adversary.discriminator(logits(0.5), logits(-0.5))
    wrong = adversary.discriminator(logits(-0.5), logits(0.5))
    real = lambda: logits(0.2)  # noqa: E731
    assert right.shape == (3,)
    assert (right < wrong).all()
    assert (adversary.generator(logits(0.5), real) < adversary.generator(logits(-0.5), real)).all()


def test_values_at_known_logits():
    bce, hinge, lsgan = (registry.build("adversary", c) for c in NAMES[:3])
    assert bce.discriminator(logits(0.0), logits(0.0))[0].item() == pytest.approx(math.log(2))
    assert bce.generator(logits(1.0), never)[0].item() == pytest.approx(math.log1p(math.exp(-1.0)))
    assert hinge.discriminator(logits(2.0), logits(-2.0))[0].item() == 0.0
    assert hinge.discriminator(logits(0.0), logits(0.5))[0].item() == pytest.approx(0.5 * (1.0 + 1.5))
    assert lsgan.discriminator(logits(1.0), logits(0.0))[0].item() == 0.0
    assert lsgan.discriminator(logits(0.0), logits(0.5))[0].item() == pytest.approx(0.5 * (1.0 + 0.25))
    assert lsgan.generator(logits(0.0), never)[0].item() == pytest.approx(1.0)


def test_the_gradient_penalty_is_zero_where_the_slope_is_one_and_known_elsewhere():
    adversary = registry.build("adversary", NAMES[3])
    real, fake = torch.rand(3, 2, 8, 8), torch.rand(3, 2, 8, 8)
    mix = torch.rand(3, 1, 1, 1)
    n = 2 * 8 * 8
    for slope in (1.0, 3.0):
        critic = lambda x, s=slope: s * x.sum(dim=(1, 2, 3)).view(-1, 1, 1, 1) / n**0.5  # noqa: E731
        penalty = adversary.penalty(critic, real, fake, mix)
        assert penalty.tolist() == pytest.approx([10.0 * (slope - 1.0) ** 2] * 3, abs=1e-4)
    bce = registry.build("adversary", NAMES[0])
    assert bce.penalty(lambda x: x, real, fake, mix) is None


@each
def test_a_game_moves_the_discriminator_first_and_the_generator_against_the_new_one(config):
    torch.manual_seed(0)
    discriminator = registry.build(
        "network",
        {
            "network": "patch",
            "inputs": 3,
            "width": 8,
            "layers": 2,
            "norm": "none",
            "spectral": True,
            "init_std": 0.02,
        },
    )
    batch = Batch.of_bytes(torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8), torch.arange(4))
    ab_hat = torch.zeros_like(batch.ab).requires_grad_()
    game = Game(discriminator, registry.build("adversary", config))
    optimizer = torch.optim.Adam(discriminator.parameters(), 1e-2)
    before = game.adversary.generator(discriminator(batch.L, ab_hat), lambda: discriminator(batch.L, batch.ab)).detach()
    for objective in game.discriminate(batch.L, batch.ab, ab_hat, torch.full((4, 1, 1, 1), 0.5)):
        assert objective.updates == "discriminator"
        assert torch.autograd.grad(objective.loss.sum(), ab_hat, allow_unused=True, retain_graph=True)[0] is None
        objective.loss.mean().backward(inputs=list(discriminator.parameters()))
        optimizer.step()
    after, logs = game.deceive(batch.L, batch.ab, ab_hat)
    assert (after != before).all()
    assert torch.autograd.grad(after.sum(), ab_hat)[0].abs().sum() > 0
    assert set(logs) == {"g_loss", "gd_ratio"}


def test_r3gan_counts_the_difference_of_the_logits_only():
    r3gan = registry.build("adversary", NAMES[4])
    for shift in (0.0, 7.0):
        real, fake = logits(0.3 + shift), logits(-0.4 + shift)
        assert r3gan.discriminator(real, fake)[0].item() == pytest.approx(math.log1p(math.exp(-0.7)), rel=1e-4)
        assert r3gan.generator(fake, lambda r=real: r)[0].item() == pytest.approx(math.log1p(math.exp(0.7)), rel=1e-4)


def test_r3gan_penalizes_the_slopes_at_real_and_at_fake_pictures_as_autograd_finds_them():
    r3gan = registry.build("adversary", NAMES[4])
    torch.manual_seed(0)
    critic = torch.nn.Sequential(torch.nn.Conv2d(2, 4, 3), torch.nn.Softplus(), torch.nn.Conv2d(4, 1, 3))
    real, fake = torch.rand(3, 2, 8, 8), torch.rand(3, 2, 8, 8)
    penalty = r3gan.penalty(critic, real, fake, torch.rand(3, 1, 1, 1))
    for b in range(3):
        squares = 0.0
        for picture in (real[b], fake[b]):
            slope = torch.autograd.functional.jacobian(lambda x: critic(x[None]).mean(), picture)
            squares += float(slope.square().sum())
        assert penalty[b].item() == pytest.approx(0.05 * squares, rel=1e-4)
    assert all(g.abs().sum() > 0 for g in torch.autograd.grad(penalty.sum(), [critic[0].weight, critic[2].weight]))


def test_accuracy_says_how_often_the_discriminator_is_right():
    class Judge(torch.nn.Module):
        def forward(self, L, ab):
            return ab.mean(dim=1, keepdim=True)[..., :4, :4]

    ones = torch.ones(2, 2, 8, 8)
    game = Game(Judge(), registry.build("adversary", NAMES[0]))
    (objective,) = game.discriminate(ones[:, :1], ones, -ones, torch.rand(2, 1, 1, 1))
    assert objective.logs["d_accuracy"].item() == 1.0
    (objective,) = game.discriminate(ones[:, :1], -ones, ones, torch.rand(2, 1, 1, 1))
    assert objective.logs["d_accuracy"].item() == 0.0


def test_the_gradient_penalty_is_taken_at_the_point_that_mix_places():
    """D(x) = |x|^2 / 2n has the slope x/n, so the penalty says where between real and fake it was taken."""
    adversary = registry.build("adversary", NAMES[3])
    real, fake, mix = torch.rand(3, 2, 8, 8), torch.rand(3, 2, 8, 8), torch.tensor([0.0, 0.3, 1.0]).view(3, 1, 1, 1)
    n = 128
    penalty = adversary.penalty(lambda x: x.square().flatten(1).sum(1).view(-1, 1, 1, 1) / (2 * n), real, fake, mix)
    there = (mix * real + (1 - mix) * fake).flatten(1).norm(dim=1) / n
    torch.testing.assert_close(penalty, 10.0 * (there - 1.0).square())


def test_each_picture_of_a_round_draws_its_own_mix():
    seen = []

    class Spy(type(registry.build("adversary", NAMES[3]))):
        def penalty(self, critic, real, fake, mix):
            seen.append(mix)
            return super().penalty(critic, real, fake, mix)

    batch = Batch.of_bytes(torch.randint(0, 256, (4, 3, 16, 16), dtype=torch.uint8), torch.arange(4))
    noise = Noise.of(0, batch.ids)
    options = {"inputs": 3, "width": 8, "layers": 1, "norm": "none", "spectral": False, "init_std": 0.02}
    game = Game(registry.build("network", {"network": "patch", **options}), Spy(weight=10.0))
    distance = registry.build("distance", {"distance": "l1"})
    weights = Weights({"adversarial": 1.0, "distance": 0.0, "perceptual": 0.0})
    made = play(batch, batch.ab * 0.5, noise, weights, game=game, distance=distance, perceptual=None, logs={})
    next(made)
    assert torch.equal(seen[0], noise.uniform("penalty", 1, 1, 1))
    assert len(set(seen[0].flatten().tolist())) == 4
