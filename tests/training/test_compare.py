"""A comparison halves its families by validation, judges the last once, and goes on where it was stopped."""

import json
import time
from itertools import pairwise
from pathlib import Path

import pytest

from colorbench.commands.compare import main
from colorbench.commands.table import main as table
from colorbench.engine import engine
from colorbench.engine.engine import Interrupted
from colorbench.errors import UserError
from colorbench.runs.run import open_run
from colorbench.training import compare
from colorbench.training.compare import Rung, rungs

MODELS = ("resnet", "unet", "unetgan")


@pytest.mark.parametrize(("families", "finalists"), [(1, 3), (3, 3), (4, 3), (12, 3), (21, 2), (16, 1)])
def test_rungs_spend_the_budget_and_no_more_and_end_with_the_finalists(families, finalists):
    ladder = rungs(families, 3600, finalists)
    assert ladder[0].count == families
    assert ladder[-1].count == min(families, finalists)
    before = [Rung(0, 0.0), *ladder]
    spent = [rung.count * (rung.seconds - old.seconds) for old, rung in zip(before, ladder, strict=False)]
    assert sum(spent) == pytest.approx(3600, rel=1e-3)
    assert spent == pytest.approx([spent[0]] * len(ladder), rel=1e-2)
    assert all(2 * b.count >= a.count for a, b in pairwise(ladder))


class Watch:
    """A tenth of a second for every step, on any machine."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        self.now += 0.05
        return self.now

    monotonic = staticmethod(time.monotonic)
    process_time = staticmethod(time.process_time)


@pytest.fixture
def words(overrides, photos, tmp_path):
    """Of a comparison on small pictures: three families, two finalists, a second."""
    common = [w for w in overrides() if not w.startswith(("model", "budget", "data.root"))]
    root = tmp_path / "pictures"
    root.mkdir()
    for i in range(100):  # enough of them for val and test
        (root / f"{i:02d}.png").write_bytes((photos / f"{i % 60:02d}.png").read_bytes() + b"%d" % i)
    return [
        *common,
        f"data.root={root}",
        "budget.seconds=1",
        "data.source.share=0.22",
        "engine.validate_every=25%",
        "metrics=fast",
        "study=answer",
        f"models={','.join(MODELS)}",
        "finalists=2",
    ]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_comparison_that_is_stopped_goes_on_and_ends_in_one_page(words, tmp_path, monkeypatch, capsys):
    calls = []
    train = compare.train

    def stopped(config, **more):
        calls.append((more["model"], config["evaluate"]))
        if len(calls) == 3:
            raise Interrupted("stopped by a test")
        return train(config, **more)

    monkeypatch.setattr(compare, "train", stopped)
    monkeypatch.setattr(engine, "time", Watch())
    with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
        main(words)
    folder = tmp_path / "outputs" / "answer"
    assert not list(folder.glob("*/eval"))
    main(words)
    climbed = [model for model, judged in calls if not judged]
    assert climbed == ["resnet", "unet", "unetgan", "unetgan"]  # who was through before the stop is not trained again
    assert sum(judged for _, judged in calls) == 2
    state = json.loads((folder / "compare.json").read_text())
    first, last = state["rungs"]
    kept = {e["model"] for e in sorted(first, key=lambda e: e["score"])[:2]}
    assert {e["model"] for e in last} == kept
    (out,) = set(MODELS) - kept
    judged = {open_run(run.parents[2]).name for run in folder.glob("*/eval/*/record.json")}
    assert judged == kept
    for entry in last:
        earlier = next(e for e in first if e["model"] == entry["model"])
        assert entry["folder"] == earlier["folder"]
        assert (earlier["images"], entry["images"]) == (16, 40)
        assert open_run(entry["folder"]).status["state"] == "finished"
        assert open_run(entry["folder"]).config["optim"]["decay"]["decay"] == "trapezoid"
    page = (folder / "compare.html").read_text()
    assert page.count("data:image/png;base64,") == 3
    assert f"Dropped on the way by validation score: {out}." in page
    said = capsys.readouterr().out
    assert "milliseconds" not in said
    assert "training photographs at 16 px" in said
    assert "init_from=" in said
    table([str(folder), "--race", str(tmp_path / "race.png")])
    assert " leads (validation, joint score)" in capsys.readouterr().out
    assert (tmp_path / "race.png").stat().st_size > 5000
    assert len((folder / Path(last[0]["folder"]).name / "looks.jsonl").read_text().splitlines()) >= 3
    calls.clear()
    main(words)  # all is done: the page is written again from what is there
    assert calls == []
    with pytest.raises(UserError, match="holds another comparison"):
        main([*words, "seed=1"])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_workers_find_what_one_process_would_and_the_other_launcher_finds_it_done(words, tmp_path, capfd):
    """The launcher of the issue's second core; each run is its own, whoever trains it."""
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="pip install 'colorbench[sweeps]'")
    main([*words, "hydra/launcher=workers", "hydra.launcher.n_jobs=2"])
    folder = tmp_path / "outputs" / "answer"
    state = json.loads((folder / "compare.json").read_text())
    assert sorted(e["model"] for e in state["rungs"][0]) == sorted(MODELS)
    assert len(state["rungs"][1]) == 2
    assert not [e["failed"] for rung in state["rungs"] for e in rung if e["failed"]]
    assert {Path(e["folder"]).parent for rung in state["rungs"] for e in rung} == {folder}
    capfd.readouterr()
    stamps = {file: file.stat().st_mtime_ns for file in folder.rglob("weights.safetensors")}
    main(words)
    assert {file: file.stat().st_mtime_ns for file in stamps} == stamps
    assert "hydra" not in next(line for line in capfd.readouterr().out.splitlines() if line.startswith("longer:"))


@pytest.mark.parametrize(("seconds", "told"), [(36, True), (360, False)])
def test_a_first_rung_of_seconds_is_told_before_it_begins(words, monkeypatch, capsys, seconds, told):
    def stopped(config, **more):
        raise Interrupted("stopped by a test")

    monkeypatch.setattr(compare, "train", stopped)
    with pytest.raises(KeyboardInterrupt):
        main([*words, f"budget.seconds={seconds}"])
    said = "brief: 6 s for each of 3 families in the first rung say who starts fast, not who is best; name fewer "
    assert (f"{said}(models=a,b,c), or budget.seconds=360\n" in capsys.readouterr().out) is told


def test_a_launcher_that_is_not_there_is_one_line(words, tmp_path):
    with pytest.raises(UserError, match="hydra/launcher=wokers"):
        main([*words, "hydra/launcher=wokers"])


def test_a_family_that_fails_is_out_with_its_reason_and_a_stop_is_no_failure(words, monkeypatch):
    def ends(error):
        def train(config, **more):
            raise error

        monkeypatch.setattr(compare, "train", train)
        rest = [word for word in words if not word.startswith(("models=", "finalists="))]
        return compare._Climb({}, "unet", tuple(rest), 1.0, False)()

    assert ends(UserError("optim: not finite")).failed == "UserError: optim: not finite"
    with pytest.raises(Interrupted):
        ends(Interrupted("stopped"))


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("model=unet", "a comparison sets it itself"),
        ("models=unnet", "no model 'unnet'; did you mean 'unet'"),
        ("models=gray", "gray has nothing to train"),
        ("budget.seconds=null", "budget.seconds: say how long"),
        ("finalists=0", "expected 1 or more"),
        ("optim.lrr=1", "unknown key"),
        ("data.source.share=0.05", "pictures in (val|test), at least 16 decide"),
    ],
)
def test_a_mistake_is_one_line_before_anything_trains(words, tmp_path, word, told):
    with pytest.raises(UserError, match=told):
        main([*words, word])
    assert not (tmp_path / "outputs").exists()


def test_who_learns_nothing_is_no_family_that_was_left_out(words, monkeypatch):
    monkeypatch.setattr(compare.configuration, "options", lambda group: ["gan", "gray", "neighbors", "oracle", "unet"])
    found, left_out = compare._candidates(
        [w for w in words if "=" in w and not w.startswith(("models", "finalists"))] + ["trunk=lite0"],
        [],
        {"decay": "trapezoid", "warmup": 0.02, "cooldown": 0.2},
    )
    assert {*found, *(line.partition(":")[0] for line in left_out)} == {"gan", "unet"}
