"""More budget goes on from what is there, bit for bit as if it had been asked for at once, or says why it cannot."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from colorbench.runs.config import compose
from colorbench.runs.run import Run, open_run
from colorbench.training.train import train

CONSTANT = "optim.decay={decay:constant,warmup:0}"
FREE = [
    CONSTANT,
    "engine.log_every=8",
    "engine.validate_every=32",
    "monitor.images=2",
    "monitor.previews=0",
    "evaluate=false",
]


@pytest.fixture
def trained(overrides, tmp_path):
    def make(*words: str, place: str = "one") -> Run:
        words = overrides(*words, f"output={tmp_path / place}")
        return open_run(train(compose(words), model="unetgan", experiment="default", overrides=words).path)

    return make


def states(run: Run) -> dict[str, torch.Tensor]:
    last = run.checkpoint("last")
    optimizers = torch.load(last / "state.pt", weights_only=True)["optimizers"]
    moments = {
        f"{group}.{number}.{key}": value
        for group, state in optimizers.items()
        for number, moment in state["state"].items()
        for key, value in moment.items()
    }
    return {
        **moments,
        **{f"{n}.{k}": v for n in ("weights", "ema") for k, v in load_file(last / f"{n}.safetensors").items()},
    }


def same(one: Run, other: Run) -> bool:
    a, b = states(one), states(other)
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def losses(run: Run) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if "loss" in k or k == "images_seen"} for row in rows]


def test_a_prolonged_run_is_bit_for_bit_one_that_had_the_larger_budget_from_the_start(trained):
    short = trained(*FREE, "budget.images=64")
    before = states(short)
    long, whole = trained(*FREE, "budget.images=128"), trained(*FREE, "budget.images=128", place="two")
    assert long.path.name == whole.path.name != short.path.name
    assert same(long, whole)
    assert losses(long) == losses(whole)
    assert long.status["prolongs"] == {"run": short.path.name, "images": 64}
    assert long.status["images_seen"] == 128
    assert "prolongs" not in whole.status
    after = states(short)
    assert all(torch.equal(before[key], after[key]) for key in before)  # what was judged stays what it was


def test_a_run_without_an_end_to_its_rate_goes_on_from_the_longest_of_those_before(trained):
    trained(*FREE, "budget.images=32")
    trained(*FREE, "budget.images=64")
    assert trained(*FREE, "budget.images=96").status["prolongs"]["images"] == 64
    assert "prolongs" not in trained(*FREE, "budget.images=96", "seed=1").status
    assert "prolongs" not in trained(*FREE, "budget.images=24").status


def test_a_rate_that_falls_with_the_budget_begins_with_nothing_and_says_what_to_type(trained, capsys):
    falling = [word for word in FREE if word != CONSTANT]
    short = trained(*falling, "budget.images=64")
    capsys.readouterr()
    assert "prolongs" not in trained(*falling, "budget.images=96").status
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "cannot be prolonged" in line]
    assert "optim.decay" in line
    assert f"init_from={short.path}" in line


@pytest.mark.parametrize(
    "words",
    [
        ["optim.decay={decay:trapezoid,warmup:0,cooldown:0.5}"],
        pytest.param(["optim.decay={decay:linear,start:0.5}"], marks=pytest.mark.slow),
        pytest.param(["optim.decay={decay:step,every:0.5,gamma:0.1}"], marks=pytest.mark.slow),
        [CONSTANT, "phases.phases=[{until:50%,updates:[generator]},{}]"],
    ],
)
def test_what_is_free_for_a_while_goes_on_from_a_checkpoint_that_was_kept_there(trained, words):
    free = [*(word for word in FREE if word != CONSTANT), *words, "engine.keep_every=32"]
    trained(*free, "budget.images=64")
    long, whole = trained(*free, "budget.images=96"), trained(*free, "budget.images=96", place="two")
    assert long.status["prolongs"]["images"] == 32
    assert same(long, whole)


def test_a_run_that_stops_early_is_not_prolonged(trained, capsys):
    trained(*FREE, "budget.images=64", "engine.patience=9")
    assert "prolongs" not in trained(*FREE, "budget.images=96", "engine.patience=9").status
    assert "engine.patience" in capsys.readouterr().out


def test_a_damaged_checkpoint_is_left_where_it_is(trained):
    short = trained(*FREE, "budget.images=64")
    (short.checkpoint("last") / "state.pt").write_bytes(b"no")
    assert "prolongs" not in trained(*FREE, "budget.images=96").status


def test_a_finished_run_keeps_one_state_and_with_keep_weights_none_and_says_that_it_cannot_go_on(trained, capsys):
    free = [*FREE, "engine.keep_every=32"]
    run = trained(*free, "budget.images=96")
    kept = {p.name: {f.name for f in p.iterdir()} for p in (run.path / "checkpoints").glob("images-*")}
    assert {"weights.safetensors", "state.pt"} <= kept["images-000000096"]
    again = trained(*free, "budget.images=96", "keep=weights")
    assert again.path == run.path
    files = {f.name for f in (run.path / "checkpoints").glob("images-*/*")}
    assert files == {"ema.safetensors", "averages-only", "keep"}
    again.family(torch.device("cpu"))  # it still colors
    capsys.readouterr()
    assert "prolongs" not in trained(*free, "budget.images=128").status
    assert f"{run.path}: cannot go on, keep=weights" in capsys.readouterr().out


def test_the_best_checkpoint_of_a_finished_run_is_its_averages(tmp_path, monkeypatch):
    from colorbench.engine.checkpoint import Checkpoints

    monkeypatch.chdir(tmp_path)  # as outputs are: a relative folder
    checkpoints, tensors = Checkpoints(Path("checkpoints")), {"x": torch.zeros(2)}
    checkpoints.save(8, tensors, tensors, {"images": 8}, ("last", "best"))
    checkpoints.save(16, tensors, tensors, {"images": 16})
    checkpoints.thin("state")
    best, last = checkpoints.find("best"), checkpoints.find()
    assert sorted(f.name for f in best.iterdir()) == ["averages-only", "ema.safetensors"]
    assert checkpoints.load_state(last) == {"images": 16}
    (best / "ema.safetensors").unlink()
    assert checkpoints.find("best") is None
