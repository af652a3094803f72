"""A chain of runs, each from the weights of the one before."""

import json
import os
import random
import time

import pytest
import yaml
from safetensors.torch import load_file

from colorbench.commands.stages import main
from colorbench.errors import UserError
from colorbench.training import stages


def test_common_words_belong_to_every_stage_and_the_recipe_is_the_default():
    assert stages.split(["a=1", "--", "b=2", "--", "b=3", "c=4"]) == [["a=1", "b=2"], ["a=1", "b=3", "c=4"]]
    assert stages.split(["a=1"]) == [["a=1", word] for word in stages.RECIPE]
    with pytest.raises(UserError, match="starts from the one before"):
        stages.split(["--", "init_from=elsewhere"])


def test_a_mistake_in_the_last_stage_is_told_before_the_first_trains(overrides, tmp_path):
    words = overrides("evaluate=false")
    with pytest.raises(UserError, match=r"^stage 2: .*did you mean 'optim\.lr'"):
        main([*words, "--", "--", "optim.lrr=1"])
    assert not (tmp_path / "outputs").exists()


def test_weights_that_only_the_last_stage_needs_are_missed_before_the_first_trains(overrides, tmp_path):
    words, weights = overrides("evaluate=false"), tmp_path / "squeezenet.pth"
    last = ["perceptual=squeeze", f"perceptual.weights={weights}", "model.weights.perceptual=1"]
    with pytest.raises(UserError, match=rf"^stage 3: weights: {weights} is not there"):
        main([*words, "--", "--", "optim.lr=1e-4", "--", *last])
    assert not (tmp_path / "outputs").exists()


def runs(outputs):
    """The chain's run folders, the first stage first."""
    found = {p.parent: yaml.safe_load((p.parent / "config.yaml").read_text()) for p in outputs.rglob("status.json")}
    return [p for p, _ in sorted(found.items(), key=lambda item: item[1]["optim"]["lr"], reverse=True)]


def saved(run):
    """Has the run left a checkpoint?"""
    folder = run / "checkpoints"
    return folder.is_dir() and any(name.startswith("images-") for name in os.listdir(folder))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_chain_killed_in_every_stage_ends_with_the_weights_of_an_unbroken_one(
    overrides, processes, tmp_path, monkeypatch
):
    import driver

    monkeypatch.chdir(tmp_path)

    def words(name):
        common = overrides(
            "evaluate=false",
            "budget.images=240",
            "engine.checkpoint_seconds=0.02",
            "engine.validate_every=100%",
            "monitor.previews=0",
            f"output={name}",
        )
        stage = ["--", "optim.lr=1e-3"], ["--", "optim.lr=5e-4"], ["--", "optim.lr=1e-4", "model.weights.distance=10"]
        return [*common, *stage[0], *stage[1], *stage[2]]

    def start(name):
        child = processes.Process(target=driver.chain, args=(words(name),))
        child.start()
        return child

    whole = start("whole")
    whole.join(600)
    assert whole.exitcode == 0
    rng = random.Random(0)
    for stage in range(3):
        child = start("cut")
        deadline = time.monotonic() + 120
        while not (len(found := runs(tmp_path / "cut")) > stage and saved(found[stage])):
            assert child.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.005)
        time.sleep(rng.uniform(0.0, 0.05))
        child.kill()
        child.join()
    last = start("cut")
    last.join(600)
    assert last.exitcode == 0
    one, other = runs(tmp_path / "whole"), runs(tmp_path / "cut")
    assert [p.name for p in one] == [p.name for p in other]
    assert len(other) == 3
    for a, b in zip(one, other, strict=True):
        assert json.loads((b / "status.json").read_text())["state"] == "finished"
        left, right = (load_file(p / "checkpoints/last/weights.safetensors") for p in (a, b))
        assert all((left[key] == right[key]).all() for key in left)
    first, second = (load_file(p / "checkpoints/last/weights.safetensors") for p in other[:2])
    assert any((first[key] != second[key]).any() for key in first)
