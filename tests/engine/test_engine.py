import copy
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from toys import SETTINGS, SGD, Duel, Line, Memory, batches, engine, weights

from colorbench.engine.budget import Budget
from colorbench.engine.checkpoint import load_weights
from colorbench.errors import UserError
from colorbench.family import Objective
from colorbench.registry import names


def make(cls, seed=0):
    torch.manual_seed(seed)
    return cls()


def test_training_a_duel_equals_the_hand_written_loop_bit_for_bit(tmp_path):
    family, twin = make(Duel), make(Duel)
    engine(family, tmp_path).fit()
    d, g = (torch.optim.SGD(net.parameters(), lr=0.1) for net in (twin.discriminator, twin.generator))
    stream = batches()(0)
    for _ in range(10):
        b = next(stream)
        fake = twin.generator(b.L)
        d.zero_grad()
        real_score = twin.discriminator(torch.cat([b.L, b.ab], 1))
        loss = (twin.discriminator(torch.cat([b.L, fake.detach()], 1)) - real_score).mean(dim=(1, 2, 3)).sum() / 8
        loss.backward()
        d.step()
        g.zero_grad()
        score = twin.discriminator(torch.cat([b.L, fake], 1)).mean(dim=(1, 2, 3))
        loss = (10 * (fake - b.ab).square().mean(dim=(1, 2, 3)) - score).sum() / 8
        loss.backward()
        g.step()
    assert torch.equal(weights(family), weights(twin))


def test_accumulation_changes_the_memory_and_not_the_result(tmp_path):
    whole, parts = make(Duel), make(Duel)
    engine(whole, tmp_path / "a").fit()
    engine(parts, tmp_path / "b", settings=replace(SETTINGS, accumulate=4)).fit()
    torch.testing.assert_close(weights(whole), weights(parts), atol=1e-6, rtol=1e-5)
    assert not torch.equal(parts.seen[0], make(Duel).discriminator.weight)


def test_under_accumulation_every_micro_batch_sees_the_discriminator_updated_on_the_whole_batch(tmp_path):
    family = make(Duel)
    engine(family, tmp_path, settings=replace(SETTINGS, accumulate=2), budget=Budget(images=8, seconds=None)).fit()
    assert torch.equal(family.seen[0], family.seen[1])


def test_a_budget_of_images_ends_exactly_there(tmp_path):
    outcome = engine(make(Line), tmp_path, budget=Budget(images=48, seconds=None)).fit()
    assert outcome.clock.images == 48
    assert outcome.reason == "budget"


def test_a_budget_of_0_images_leaves_what_it_began_with_to_be_judged(tmp_path):
    family = make(Line)
    before = copy.deepcopy(family.state_dict())
    outcome = engine(family, tmp_path, budget=Budget(images=0, seconds=None)).fit()
    assert (outcome.clock.images, outcome.reason) == (0, "nothing to train")
    for link in ("last", "best"):
        saved = load_weights(tmp_path / "checkpoints" / link / "ema.safetensors")
        assert all(torch.equal(saved[key], value) for key, value in before.items())


def test_a_budget_of_seconds_ends_the_run(tmp_path):
    outcome = engine(make(Line), tmp_path, budget=Budget(images=None, seconds=0.2)).fit()
    assert outcome.clock.seconds >= 0.2
    assert outcome.clock.images > 0


def test_a_phase_freezes_groups_changes_weights_and_rates(tmp_path):
    family = make(Duel)
    d0, g0 = copy.deepcopy(family.discriminator), copy.deepcopy(family.generator)
    phases = [{"until": "50%", "weights": {"adversarial": 0}, "updates": ["generator"]}, {"lr": {"generator": 0.0}}]
    memory = Memory()
    runner = engine(family, tmp_path, phases=phases, memory=memory, settings=replace(SETTINGS, log_every=8))
    frozen = []
    original = runner._step

    def spy(batch, phase, sums):
        original(batch, phase, sums)
        frozen.append((torch.equal(family.discriminator.weight, d0.weight), family.generator.weight.detach().clone()))

    runner._step = spy
    runner.fit()
    assert [same for same, _ in frozen] == [True] * 5 + [False] * 5
    assert not torch.equal(frozen[4][1], g0.weight)
    assert torch.equal(frozen[4][1], frozen[9][1])
    assert [row["train/phase"] for _, row in memory.rows if "train/phase" in row] == [0.0] * 5 + [1.0] * 5
    assert [row["train/lr_discriminator"] > 0 for _, row in memory.rows if "train/phase" in row] == [False] * 5 + [
        True
    ] * 5


@pytest.mark.parametrize(
    ("phases", "words"),
    [
        ([{"weights": {"adversarail": 0}}], "did you mean 'adversarial'"),
        ([{"updates": ["genrator"]}], "did you mean 'generator'"),
        ([{"lr": 0.1}, {"lr": 0.2}], "needs `until`"),
        ([{"until": "some", "lr": 0.1}, {}], "expected images"),
        ([{"untill": 3}], "did you mean 'until'"),
    ],
)
def test_a_mistake_in_a_phase_is_one_line(tmp_path, phases, words):
    with pytest.raises(UserError, match=words):
        engine(make(Duel), tmp_path, phases=phases)


def test_gradients_are_clipped_per_group(tmp_path):
    family = make(Line)
    before = weights(family)
    optim = {**SGD, "lr": 1.0, "clip": 1e-3}
    engine(family, tmp_path, optim=optim, budget=Budget(images=8, seconds=None)).fit()
    assert float((weights(family) - before).norm()) == pytest.approx(1e-3, rel=1e-3)


def test_a_group_may_have_a_rate_of_its_own(tmp_path):
    family = make(Duel)
    before = copy.deepcopy(family)
    optim = {**SGD, "groups": {"discriminator": {"lr": 1e-30}}}
    engine(family, tmp_path, optim=optim).fit()
    assert torch.equal(family.discriminator.weight, before.discriminator.weight)
    assert not torch.equal(family.generator.weight, before.generator.weight)
    with pytest.raises(UserError, match="no such group"):
        engine(make(Duel), tmp_path, optim={**SGD, "groups": {"critic": {"lr": 0.1}}})


def test_groups_that_share_a_parameter_are_refused(tmp_path):
    family = make(Duel)
    family.discriminator = family.generator
    with pytest.raises(ValueError, match="disjoint"):
        engine(family, tmp_path)


def test_a_loss_that_stays_not_finite_ends_the_run_and_leaves_the_weights_alone(tmp_path):
    family = make(Line)
    before = weights(family)
    family.weights = {"distance": float("nan"), "noise": 0.0}
    with pytest.raises(UserError, match="3 steps in a row"):
        engine(family, tmp_path).fit()
    assert torch.equal(weights(family), before)


def test_one_bad_step_is_skipped(tmp_path):
    family = make(Line)
    stream = batches()

    def poisoned(start):
        for i, b in enumerate(stream(start)):
            yield replace(b, ab=b.ab * float("nan")) if i == 2 else b

    engine(family, tmp_path, batches=poisoned).fit()
    assert torch.isfinite(weights(family)).all()


def test_patience_stops_a_run_that_no_longer_improves(tmp_path):
    memory = Memory(scores=[3.0, 2.0, 2.5, 2.5, 1.0])
    settings = replace(SETTINGS, validate_every=8, patience=2)
    runner = engine(make(Line), tmp_path, memory=memory, settings=settings)
    outcome = runner.fit()
    assert (outcome.reason, outcome.best, outcome.clock.images) == ("early stopping", 2.0, 32)
    assert runner.checkpoints.find("best").name == "images-000000016"
    assert runner.checkpoints.find("last").name == "images-000000032"


def test_saving_takes_a_twentieth_of_the_time_at_most(tmp_path, monkeypatch):
    now, saves = 0.0, []
    clock = SimpleNamespace(monotonic=lambda: now, perf_counter=lambda: now, process_time=lambda: now)
    monkeypatch.setattr("colorbench.engine.engine.time", clock)

    def a_second_each(start):
        nonlocal now
        for batch in batches()(start):
            now += 1.0
            yield batch

    settings = replace(SETTINGS, checkpoint_seconds=1, validate_every="100%")
    budget = Budget(images=8 * 100, seconds=None)
    runner = engine(make(Line), tmp_path, batches=a_second_each, settings=settings, budget=budget)
    save = runner.checkpoints.save

    def two_seconds(images, *arguments):
        nonlocal now
        now += 2.0
        saves.append(images // 8)
        return save(images, *arguments)

    runner.checkpoints.save = two_seconds
    runner.fit()
    assert saves == [2, 43, 84, 100]  # the first after more than a second, then after more than 20 x 2 s, then the end


def test_processor_seconds_are_those_of_a_run_in_one_go(tmp_path, monkeypatch):
    now = 0.0

    def two_seconds_each(start):
        nonlocal now
        for batch in batches()(start):
            now += 2.0
            yield batch

    clock = SimpleNamespace(monotonic=lambda: 0.0, perf_counter=lambda: 0.0, process_time=lambda: now)
    monkeypatch.setattr("colorbench.engine.engine.time", clock)
    half, whole = (Budget(images=images, seconds=None) for images in (40, 80))
    assert engine(make(Line), tmp_path, batches=two_seconds_each, budget=half).fit().processor == 10.0
    resumed = engine(make(Line), tmp_path, batches=two_seconds_each, budget=whole)
    assert resumed.resume()
    assert resumed.fit().processor is None


def test_the_average_is_the_textbook_recurrence(tmp_path):
    family = make(Line)
    runner = engine(family, tmp_path, optim={**SGD, "ema": 0.9}, budget=Budget(images=40, seconds=None))
    expected, n = weights(family), 0
    original = runner.ema.update

    def spy():
        nonlocal expected, n
        original()
        beta = min(0.9, (1 + n) / (10 + n))
        expected, n = beta * expected + (1 - beta) * weights(family), n + 1

    runner.ema.update = spy
    runner.fit()
    average = torch.cat([runner.ema.average[name].reshape(-1) for name, _ in family.named_parameters()])
    torch.testing.assert_close(average, expected)
    trained = weights(family)
    with runner.ema.applied():
        assert torch.equal(weights(family), average)
    assert torch.equal(weights(family), trained)


def test_noise_in_training_belongs_to_the_image_and_not_to_the_batch(tmp_path):
    one, other = make(Line), make(Line)
    one.weights = other.weights = {"distance": 1.0, "noise": 1.0}
    engine(one, tmp_path / "a").fit()
    engine(other, tmp_path / "b", settings=replace(SETTINGS, accumulate=2)).fit()
    torch.testing.assert_close(weights(one), weights(other), atol=1e-6, rtol=1e-5)


def test_a_batch_that_cannot_be_shared_is_one_line(tmp_path):
    with pytest.raises(UserError, match="batch_size: 8 cannot be shared"):
        engine(make(Line), tmp_path, settings=replace(SETTINGS, accumulate=3))


def test_a_group_with_an_interval_takes_every_nth_step(tmp_path):
    family = make(Duel)
    runner = engine(family, tmp_path, phases=[{"every": {"generator": 5}}])
    moved, original = [], runner._step

    def spy(batch, phase, sums):
        before = copy.deepcopy(family)
        original(batch, phase, sums)
        moved.append(
            tuple(
                not torch.equal(getattr(family, name).weight, getattr(before, name).weight)
                for name in ("discriminator", "generator")
            )
        )

    runner._step = spy
    runner.fit()
    assert moved == [(True, i % 5 == 4) for i in range(10)]
    with pytest.raises(UserError, match=r"every\.generator: expected a whole number of 1 or more"):
        engine(make(Duel), tmp_path, phases=[{"every": {"generator": 0}}])
    with pytest.raises(UserError, match="no group 'critic'"):
        engine(make(Duel), tmp_path, phases=[{"every": {"critic": 2}}])


class Both(Duel):
    """One loss for both groups, which is the distance between two answers."""

    def objectives(self, batch, noise, weights):
        score = self.discriminator(torch.cat([batch.L, self.generator(batch.L)], 1))
        yield Objective((score - 1.0).square().mean(dim=(1, 2, 3)), ("generator", "discriminator"))


def test_one_objective_may_move_several_groups_as_one_optimizer_would(tmp_path):
    family, twin = make(Both), make(Both)
    memory = Memory()
    engine(family, tmp_path, memory=memory).fit()
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1)
    stream = batches()(0)
    for _ in range(10):
        optimizer.zero_grad()
        next(twin.objectives(next(stream), None, None)).loss.mean().backward()
        optimizer.step()
    torch.testing.assert_close(weights(family), weights(twin))
    assert "train/loss_generator+discriminator" in memory.rows[0][1]


def test_a_family_knows_how_much_of_the_budget_is_spent(tmp_path):
    seen = []

    class Watching(Line):
        def objectives(self, batch, noise, weights):
            seen.append(weights.progress)
            return super().objectives(batch, noise, weights)

    engine(make(Watching), tmp_path, budget=Budget(images=32, seconds=None)).fit()
    assert seen == [0.0, 0.25, 0.5, 0.75]


def test_bad_steps_are_counted_in_a_row_and_forgotten_after_a_good_one(tmp_path):
    stream = batches()

    def poisoned(start):
        for i, b in enumerate(stream(start)):
            yield b if i % 3 == 2 else replace(b, ab=b.ab * float("nan"))

    outcome = engine(make(Line), tmp_path, batches=poisoned).fit()
    assert outcome.reason == "budget"  # seven of ten steps are bad, never three in a row


def test_a_row_of_bad_steps_between_two_logs_ends_the_run_even_if_a_good_one_follows(tmp_path):
    stream = batches()

    def poisoned(start):
        for i, b in enumerate(stream(start)):
            yield replace(b, ab=b.ab * float("nan")) if 0 < i < 4 else b

    with pytest.raises(UserError, match=r"3 steps in a row .* by 40 images"):  # the log of half the budget
        engine(make(Line), tmp_path, batches=poisoned).fit()


def test_bad_steps_of_one_group_are_counted_although_the_other_group_is_well(tmp_path):
    family = make(Duel)
    family.weights = {"distance": float("nan"), "adversarial": 0.0}  # of the generator only
    before = weights(family.generator)
    with pytest.raises(UserError, match="3 steps in a row with a loss or gradient of 'generator'"):
        engine(family, tmp_path).fit()
    assert torch.equal(weights(family.generator), before)
    assert torch.isfinite(weights(family.discriminator)).all()


OPTIMIZERS = {
    "sgd": {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    "adam": {"betas": [0.9, 0.99], "eps": 1e-8, "weight_decay": 0.01},
    "adamw": {"betas": [0.9, 0.99], "eps": 1e-8, "weight_decay": 0.01},
    "muon": {"momentum": 0.9, "betas": [0.9, 0.99], "eps": 1e-8, "weight_decay": 0.01},
}


def test_every_optimizer_is_tried_with_bad_steps():
    assert set(OPTIMIZERS) == set(names("optimizer"))


def without_its_first(stream):
    def rest(start):
        return stream(start + 8)

    return rest


@pytest.mark.parametrize("clip", [None, 0.1])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_bad_first_step_leaves_no_trace_in_weights_or_moments(tmp_path, name, clip):
    stream = batches()

    def poisoned(start):
        for i, b in enumerate(stream(start)):
            yield replace(b, ab=b.ab * float("nan")) if i == 0 else b

    optim = {k: v for k, v in SGD.items() if k not in ("momentum", "nesterov")}
    optim |= {"optimizer": name, "clip": clip, **OPTIMIZERS[name]}
    bad, good = make(Line), make(Line)
    one = engine(bad, tmp_path / "bad", batches=poisoned, optim=optim)
    other = engine(
        good, tmp_path / "good", batches=without_its_first(stream), optim=optim, budget=Budget(images=72, seconds=None)
    )
    one.fit()
    other.fit()
    assert torch.equal(weights(bad), weights(good))
    ours, theirs = (runner.optimizers.state_dict()["net"]["state"] for runner in (one, other))
    assert all(
        torch.equal(ours[i][key], theirs[i][key]) for i in ours for key in ours[i] if torch.is_tensor(ours[i][key])
    )


def test_training_imports_neither_the_compiler_nor_what_some_source_of_pictures_needs(tmp_path):
    program = (
        "import sys, pathlib; from toys import Line, engine; from colorbench.registry import names; "
        "engine(Line(), pathlib.Path(sys.argv[1])).fit(); assert 'scenes' in names('source'); "
        "assert not {'torch._dynamo', 'skimage', 'webdataset', 'datasets'} & set(sys.modules)"
    )
    here = Path(__file__).resolve().parent
    paths = os.pathsep.join([str(here), str(here.parents[1])])
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_optimizer_that_knows_no_flag_is_not_stepped_either(tmp_path):
    family = make(Line)
    runner = engine(family, tmp_path)
    group = runner.optimizers.groups["net"]
    group.optimizer = torch.optim.Rprop([{"params": group.parameters, "pace": 1.0}])
    before = weights(family)
    family.weights = {"distance": float("nan"), "noise": 0.0}
    with pytest.raises(UserError, match="3 steps in a row"):
        runner.fit()
    assert torch.equal(weights(family), before)


def test_a_validation_that_is_not_a_number_is_never_the_best(tmp_path):
    memory = Memory(scores=[float("nan"), 3.0, float("nan"), 5.0, 4.0])
    runner = engine(make(Line), tmp_path, memory=memory, settings=replace(SETTINGS, validate_every=16))
    assert runner.fit().best == 3.0
    assert runner.checkpoints.find("best").name == "images-000000032"


def test_weights_that_are_not_finite_are_never_saved(tmp_path):
    family = make(Line)
    runner = engine(family, tmp_path, settings=replace(SETTINGS, validate_every=8))
    original = runner._step

    def spoil(batch, phase, sums):
        original(batch, phase, sums)
        if runner.clock.images == 24:
            family.net.bias.data[0] = float("inf")

    runner._step = spoil
    with pytest.raises(UserError, match=r"net\.bias is not finite, at 32 images, and not saved"):
        runner.fit()
    assert runner.checkpoints.find("last").name == "images-000000024"


def test_a_run_that_rests_is_looked_at_and_ends_as_if_it_never_had(tmp_path):
    whole, parts = make(Duel), make(Duel)
    engine(whole, tmp_path / "a").fit()
    memory = Memory()
    resting = engine(parts, tmp_path / "b", pause=1e-9, memory=memory)
    outcome = resting.fit()
    assert (outcome.reason, outcome.clock.images) == ("pause", 8)
    assert any(images == 8 and "val/score" in values for images, values in memory.rows)
    again = engine(make(Duel), tmp_path / "b", pause=1e-9)
    assert again.resume()
    assert again.fit().clock.images == 8  # nothing is left to do until then
    last = engine(make(Duel), tmp_path / "b")
    assert last.resume()
    assert last.fit().reason == "budget"
    assert torch.equal(weights(last.family), weights(whole))
