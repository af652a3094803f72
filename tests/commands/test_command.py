"""The command line, as people type it."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from tiny import UNJUDGED

from colorbench.commands.train import _axes
from colorbench.runs.run import open_run

REPOSITORY = Path(__file__).resolve().parents[2]


def only(outputs: Path) -> Path:
    runs = list(outputs.rglob("status.json"))
    assert len(runs) == 1
    return runs[0].parent


def test_a_run_leaves_everything_that_its_number_needs_and_is_skipped_the_second_time(overrides, cli, tmp_path):
    first = cli(*overrides())
    assert first.returncode == 0, first.stderr
    assert "(gray)" in first.stdout
    assert "picture.png" in first.stdout
    run = only(tmp_path / "outputs")
    for name in (
        "config.yaml",
        "overrides.txt",
        "env.json",
        "metrics.jsonl",
        "metrics.csv",
        "curves.png",
        "picture.png",
        "checkpoints/last/weights.safetensors",
        "checkpoints/best/ema.safetensors",
        "previews",
    ):
        assert (run / name).exists(), name
    assert list(run.glob("eval/*/rows.csv"))
    status = json.loads((run / "status.json").read_text())
    assert status["state"] == "finished"
    assert status["images_seen"] == 96
    environment = json.loads((run / "env.json").read_text())
    assert environment["packages"]["torch"]
    assert environment["command"]
    assert yaml.safe_load((run / "config.yaml").read_text())["run"]["model"] == "unetgan"
    before = (run / "checkpoints/last/weights.safetensors").read_bytes()
    second = cli(*overrides())
    assert second.returncode == 0
    assert "finished before" in second.stdout
    assert (run / "checkpoints/last/weights.safetensors").read_bytes() == before
    third = cli(*overrides("force=true", "evaluate=false"))
    assert third.returncode == 0, third.stderr
    assert "finished before" not in third.stdout
    assert (run / "checkpoints/last/weights.safetensors").read_bytes() == before  # and it repeats bit for bit


def test_a_run_that_stops_early_stands_by_its_best_checkpoint(overrides, cli, tmp_path):
    worsening = ("optim.lr=0.5", "engine=early_stopping", "engine.patience=2", "engine.validate_every=8")
    assert cli(*overrides(*worsening, "budget.images=800")).returncode == 0
    run = open_run(only(tmp_path / "outputs"))
    assert run.status["ended_by"] == "early stopping"
    best, last = (run.path / "checkpoints" / name for name in ("best", "last"))
    assert best.resolve() != last.resolve()
    taken = run.family(torch.device("cpu")).state_dict()
    assert all(torch.equal(taken[name], value) for name, value in load_file(best / "ema.safetensors").items())
    assert cli(str(run.path), "--checkpoint", "last", verb="evaluate").returncode == 0
    (own,), (other,) = run.path.glob("eval/*/rows.csv"), run.path.glob("eval-last/*/rows.csv")
    assert own.read_text() != other.read_text()


def test_a_run_can_start_from_the_weights_of_another_and_refuses_those_of_another_model(trained, overrides, cli):
    words = overrides(*UNJUDGED, f"init_from={trained}")
    warm = cli(*words, "optim.lr=1e-30", "optim.groups.discriminator.lr=1e-30")
    assert warm.returncode == 0, warm.stderr
    other = cli(*words, "model.generator.width=16", "model.generator.max_width=16")
    assert other.returncode == 2
    assert "a checkpoint of another model" in other.stderr
    assert "Traceback" not in other.stderr


def test_a_family_is_one_python_file_and_one_yaml(overrides, cli, tmp_path):
    """Copy the checkout, add the two files, edit nothing: the command line, the registry and the table know it."""
    copy = tmp_path / "checkout"
    for part in ("colorbench", "conf"):
        shutil.copytree(REPOSITORY / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "colorbench/families/sepia.py").write_text('''
"""Sepia: one learned color for everything."""

import torch
from torch import nn

from colorbench.family import Family, Objective
from colorbench.registry import register


@register("family", "sepia")
class Sepia(Family):
    """The color [2] is a parameter."""

    def __init__(self, *, start: float):
        super().__init__()
        self.color = nn.Module()
        self.color.ab = nn.Parameter(torch.full((2,), start))
        self.weights = {"distance": 1.0}

    def trainable(self):
        return {"color": self.color}

    def objectives(self, batch, noise, weights):
        ab_hat = self.color.ab[None, :, None, None]
        yield Objective((ab_hat - batch.ab).abs().mean(dim=(1, 2, 3)), "color")

    def colorize(self, L, noise):
        return self.color.ab[None, :, None, None].expand(len(L), 2, *L.shape[2:]).clamp(-1, 1)
''')
    (copy / "conf/model/sepia.yaml").write_text("family: sepia\nstart: 0.1\n")
    words = [w for w in overrides("budget.images=16", "monitor.previews=0") if not w.startswith("model")]
    done = cli("model=sepia", *words, path=copy)
    assert done.returncode == 0, done.stderr
    assert "| sepia" in done.stdout
    assert "sepia" in cli("--help", path=copy).stdout


def test_a_run_with_plugins_trains_and_is_evaluated_by_itself_and_later_where_they_are_named(overrides, cli, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from colorbench.families.gan import GAN\n"
        "from colorbench.registry import register\n"
        "@register('family', 'mine')\n"
        "class Mine(GAN):\n"
        "    pass\n"
    )
    first = cli(*overrides("plugins=[mine]", "model.family=mine", "budget.images=16"))
    assert first.returncode == 0, first.stderr
    run = only(tmp_path / "outputs")
    assert list(run.glob("eval/*/rows.csv"))
    named = cli(str(run), "--force", "--plugins", "mine", verb="evaluate")
    assert named.returncode == 0, named.stderr


def test_a_sweep_goes_on_after_a_failed_cell_and_exits_with_1(overrides, cli, tmp_path):
    done = cli("-m", *overrides(*UNJUDGED), "init_from=nowhere,null")
    assert done.returncode == 1, done.stderr
    found = {json.loads(p.read_text())["state"]: p.parent for p in (tmp_path / "outputs").rglob("status.json")}
    assert {*found} == {"failed", "finished"}
    assert "1 run(s) failed" in done.stderr
    assert "not a run folder" in done.stderr
    assert "cell 1 of 2: init_from=nowhere" in done.stderr
    assert "cell 2 of 2: init_from=null" in done.stderr
    assert (found["failed"] / "traceback.txt").exists()


def test_cells_of_a_sweep_are_all_combinations():
    axes = _axes(["seed=0,1", "optim.lr=0.1", "init_from=null,nowhere,x"])
    assert axes == {"cells": 6, "keys": ["seed", "init_from"]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["model=unetgna"], "did you mean 'unetgan'"),
        (["data.root=no/such/folder"], "no/such/folder"),
        (["optim.optimizer=adamm"], "did you mean 'adam'"),
        (["engine.accumulate=3"], "batch_size"),
        (["device=cuda:99"], "device"),
        (["output=/proc/nowhere"], "output"),
        (["experiment=ablation_hinge"], "a sweep over adversary; add -m"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_2(overrides, cli, changes, words):
    done = cli(*overrides(*changes))
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("colorbench: ")]) == 1


def test_help_lists_the_groups_and_the_verbs(cli):
    done = cli("--help")
    for word in ("Models", "unetgan", "budget.images", "  colorize  ", "  sampler "):
        assert word in done.stdout


def test_an_opened_run_colors_as_it_did_when_it_was_trained(trained):
    from colorbench.noise import Noise

    family = open_run(trained).family(torch.device("cpu"))
    assert not family.training
    L = torch.zeros(1, 1, 16, 16)
    assert family.colorize(L, Noise.of(0, torch.tensor([1]))).shape == (1, 2, 16, 16)
