"""The laws that every family obeys, over every trained model of conf/model."""

import inspect

import pytest
import torch
from families.conftest import _composed, adam, alike, learners, pictures, small, step

from colorbench.errors import UserError
from colorbench.family import Weights
from colorbench.noise import Noise

TRAINED = learners()
HEAVY = ("resnet", "resunetgan", "resunetgan_retrieval")
"""Their trunks are as wide as published: half a minute each, where many steps are made."""

models = pytest.mark.parametrize("model", TRAINED)


def many_steps() -> list:
    """One of each group of models that train alike; only one of each family is quick, and none that is wide."""
    found, families = [], set()
    for model in sorted(alike(TRAINED), key=lambda name: name not in ("unet", "gan", "ddpm")):
        family = _composed(model, ())["model"]["family"]
        quick = model not in HEAVY and family not in families
        families |= {family} if quick else set()
        found.append(pytest.param(model, marks=() if quick else pytest.mark.slow))
    return found


def prepared(model, batch, seed=0, **changes):
    family = small(model, seed=seed, **changes)
    family.prepare([batch])
    return family


def test_the_models_that_learn_are_found():
    assert {"unet", "gan", "ddpm", "ddim", "vae", "pix2pix"} <= set(TRAINED)
    assert not {"gray", "oracle", "nearest"} & set(TRAINED)


@models
def test_groups_are_disjoint_and_hold_every_parameter(model):
    family = small(model)
    groups = [{id(p) for p in module.parameters()} for module in family.trainable().values()]
    assert sum(map(len, groups)) == len(set().union(*groups)) == len(list(family.parameters()))


@models
def test_each_objective_has_one_loss_per_image_and_reaches_its_own_group_only(model, batch):
    family = prepared(model, batch).train()
    groups = {name: list(module.parameters()) for name, module in family.trainable().items()}
    reached = {name: set() for name in groups}
    for objective in family.objectives(batch, Noise.of(0, batch.ids), family.weights):
        assert objective.loss.shape == (len(batch),)
        assert objective.loss.isfinite().all()
        for name in objective.groups:
            gradients = torch.autograd.grad(objective.loss.mean(), groups[name], allow_unused=True, retain_graph=True)
            reached[name] |= {i for i, g in enumerate(gradients) if g is not None}
        if objective.updates == "discriminator":
            foreign = torch.autograd.grad(objective.loss.mean(), groups["generator"], allow_unused=True)
            assert all(g is None for g in foreign)
        assert all(value.isfinite().all() for value in objective.logs.values())
    assert {name: len(found) for name, found in reached.items()} == {name: len(own) for name, own in groups.items()}


@models
@pytest.mark.parametrize("shape", [(32, 32), (37, 21)])
def test_colors_are_in_range_at_any_size_with_any_grain(model, shape, batch):
    family = prepared(model, batch).eval()
    L = torch.nn.functional.interpolate(batch.L, shape)
    with torch.no_grad():
        ab = family.colorize(L, Noise.of(0, batch.ids))
    assert ab.shape == (len(batch), 2, *shape)
    assert ab.abs().max() <= 1.0
    assert ab.dtype == torch.float32


@models
def test_a_sample_does_not_depend_on_its_batch(model, batch):
    family = prepared(model, batch).eval()
    noise = Noise.of(3, batch.ids)
    with torch.no_grad():
        together = family.colorize(batch.L, noise)
        alone = torch.cat([family.colorize(batch.L[i : i + 1], n) for i, n in enumerate(noise.split(1))])
    torch.testing.assert_close(together, alone, atol=2e-5, rtol=1e-4)


@models
def test_a_likelihood_is_finite_bits_of_each_picture_whatever_its_batch(model, batch):
    family = prepared(model, batch).eval()
    noise = Noise.of(3, batch.ids)
    with torch.no_grad():
        together = family.likelihood(batch, noise)
        alone = [family.likelihood(b, n) for b, n in zip(batch.split(1), noise.split(1), strict=True)]
    assert set(together) <= set(family.columns)  # how a table prints them
    for name, bits in together.items():
        assert bits.shape == (len(batch),)
        assert bits.isfinite().all()
        torch.testing.assert_close(bits, torch.cat([one[name] for one in alone]), atol=1e-3, rtol=1e-4)


@models
def test_draws_differ_exactly_if_the_family_is_stochastic(model, batch):
    family = prepared(model, batch).train()
    optimizers = adam(family)
    for _ in range(3):  # some heads start at zero
        step(family, optimizers, batch, Noise.of(0, batch.ids))
    family.eval()
    with torch.no_grad():
        first, again, other = (family.colorize(batch.L, Noise.of(0, batch.ids, visit)) for visit in (0, 0, 1))
    assert torch.equal(first, again)
    assert (not torch.equal(first, other)) == family.stochastic


@models
def test_a_checkpoint_gives_the_same_colors(model, batch):
    family = prepared(model, batch).train()
    step(family, adam(family), batch, Noise.of(0, batch.ids))
    copy = small(model, seed=1)
    copy.load_state_dict({k: v.clone() for k, v in family.state_dict().items()}, strict=True)
    with torch.no_grad():
        ours, theirs = (f.eval().colorize(batch.L, Noise.of(0, batch.ids)) for f in (family, copy))
    assert torch.equal(ours, theirs)


@models
def test_objectives_draw_nothing_from_the_global_generator(model, batch):
    family = prepared(model, batch).train()
    state = torch.get_rng_state()
    for objective in family.objectives(batch, Noise.of(0, batch.ids), family.weights):
        objective.loss.mean().backward(inputs=[p for g in objective.groups for p in family.trainable()[g].parameters()])
    with torch.no_grad():
        family.eval().colorize(batch.L, Noise.of(0, batch.ids))
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("model", many_steps())
def test_one_batch_can_be_overfitted(model):
    batch = pictures(2)
    family = prepared(model, batch, **({"duplicate": 0.0} if "retrieval" in model else {})).train()
    optimizers = adam(family, 3e-3)
    for visit in range(320):
        step(family, optimizers, batch, Noise.of(0, batch.ids, visit))
        if visit % 40 == 39 and _error(family, batch) < 0.6 * float(batch.ab.abs().mean()):
            return
    pytest.fail("320 steps on two pictures leave more than 60 % of their chroma unexplained")


def _error(family, batch):
    family.eval()
    with torch.no_grad():
        draws = [
            family.colorize(batch.L, Noise.of(0, batch.ids, visit)) for visit in range(4 if family.stochastic else 1)
        ]
    family.train()
    return float(torch.stack([(ab - batch.ab).abs().mean() for ab in draws]).mean())


@pytest.mark.parametrize("model", many_steps())
def test_bfloat16_and_float32_agree_in_trend(model):
    batch, ends = pictures(4), []
    for enabled in (False, True):
        family = prepared(model, batch).train()
        optimizers, losses = adam(family), []
        for _ in range(12):
            losses.append(list(step(family, optimizers, batch, Noise.of(0, batch.ids), enabled).values())[-1])
        assert losses[-1] < losses[0]
        ends.append(losses[-1])
    assert ends[1] == pytest.approx(ends[0], rel=0.3)


@pytest.mark.parametrize("model", [m for m in TRAINED if "discriminator" in _composed(m, ())["model"]])
def test_a_term_of_weight_zero_costs_nothing(model, batch):
    family = prepared(model, batch).train()
    family.discriminator.register_forward_pre_hook(lambda *_: pytest.fail("the discriminator was asked"))
    objectives = list(family.objectives(batch, Noise.of(0, batch.ids), family.weights.but(adversarial=0.0)))
    assert [o.updates for o in objectives] == ["generator"]


@models
def test_nothing_is_computed_before_the_engine_asks_for_the_first_objective(model, batch):
    family = prepared(model, batch)  # what is computed before, is computed outside of the engine's precision
    assert inspect.isgenerator(family.objectives(batch, Noise.of(0, batch.ids), family.weights))


@models
def test_a_misspelt_weight_is_refused(model):
    weights = _composed(model, ())["model"]["weights"]
    with pytest.raises(UserError, match=r"weights\.adversal"):
        small(model, weights={**weights, "adversal": 1.0})


@models
def test_who_reads_the_clock_says_so(model, batch):
    class Watched(Weights):
        asked = False

        @property
        def progress(self):
            self.__class__.asked = True
            return 0.5

        @progress.setter
        def progress(self, _):
            pass

    family = prepared(model, batch).train()
    list(family.objectives(batch, Noise.of(0, batch.ids), Watched(family.weights)))
    assert Watched.asked == family.hurries
