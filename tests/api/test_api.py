"""The API: what a notebook calls, on runs as small as they come."""

import subprocess
import sys

import numpy as np
import pytest

import colorbench
from colorbench.api import _words
from colorbench.errors import UserError
from colorbench.evaluation.baselines import evaluate_baselines
from colorbench.runs.config import compose
from colorbench.training.train import Result

SMALL = {
    "data": {"size": 16, "limit": 24},
    "budget": {"images": 32},
    "protocol": {"limit": 4, "draws": 2},
    "monitor": {"images": 4, "previews": 0},
}


def test_importing_colorbench_imports_nothing_heavy():
    heavy = "[m for m in ('torch', 'pandas', 'hydra', 'rich', 'numpy') if m in sys.modules]"
    code = f"import sys, colorbench; assert 'train' in dir(colorbench); print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there_and_documented():
    for name in colorbench.__all__:
        assert getattr(colorbench, name).__doc__, name
    with pytest.raises(AttributeError, match="nosuch"):
        colorbench.nosuch  # noqa: B018


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ({"seed": 3, "deterministic": True}, {"seed": 3, "deterministic": True}),
        ({"output": "a 'quoted', folder=\\"}, {"output": "a 'quoted', folder=\\"}),
        ({"budget": {"images": 96, "seconds": None}}, {"budget": {"images": 96, "epochs": None, "seconds": None}}),
        ({"plugins": ["a", "b"]}, {"plugins": ["a", "b"]}),
    ],
    ids=["numbers", "text", "nested", "list"],
)
def test_a_keyword_arrives_as_it_was_given(keys, wanted):
    config = compose(_words(keys))
    assert {key: config[key] for key in wanted} == wanted


def test_a_group_takes_the_name_of_an_option():
    assert _words({"model": "unet", "output": "unet"}) == ["model=unet", "output='unet'"]
    with pytest.raises(UserError, match="did you mean 'unetgan'"):
        compose(_words({"model": "unetgna"}))


def test_models_are_listed_with_what_they_are():
    found = colorbench.list_models("*vae")
    assert list(found.index) == ["unetvae", "vae"]
    assert found["stochastic"].all()
    assert (found["parameters"] > 1000).all()
    assert not colorbench.list_models("resnet")["stochastic"].any()


@pytest.fixture(scope="module")
def outputs(judge, make_plan, data, cpu, tmp_path_factory):
    output = tmp_path_factory.mktemp("outputs")
    evaluate_baselines(data, make_plan(), output=output, device=cpu)
    for seed in (0, 1):
        judge(output, "good", 0.8, seed=seed)
    judge(output, "poor", 0.3)
    return output


def test_rows_are_one_line_for_each_system_seed_and_picture(outputs):
    found = colorbench.results(outputs)
    rows = found.rows
    assert len(rows[rows["row"] == "good"]) == 2 * 24
    mean = rows[rows["row"] == "good"]["psnr"].mean()
    assert mean == pytest.approx(found.sheet.cells["good"]["psnr"].interval.mean)


def test_a_table_holds_means_intervals_ranks_and_verdicts(outputs):
    table = colorbench.results(outputs).table("psnr")
    assert table.loc["good", "psnr low"] < table.loc["good", "psnr"] < table.loc["good", "psnr high"]
    assert table.loc["good", "psnr rank"] == 1
    with pytest.raises(UserError, match="did you mean 'psnr'"):
        colorbench.results(outputs).table("psrn")


def test_a_comparison_is_that_of_the_command(outputs, capsys):
    found = colorbench.results(outputs).compare("good", "poor")
    assert found.loc["ciede2000", "verdict"] == "good is better"
    assert found.loc["psnr", "difference"] == pytest.approx(found.loc["psnr", "good"] - found.loc["psnr", "poor"])
    with pytest.raises(UserError, match="did you mean 'good'"):
        colorbench.results(outputs).compare("godo", "poor")


def test_a_figure_is_made_by_name_and_a_notebook_shows_the_table(outputs):
    found = colorbench.results(outputs)
    assert found.figure("intervals").axes
    with pytest.raises(UserError, match="did you mean 'intervals'"):
        found.figure("interval")
    with pytest.raises(UserError, match="nothing to show"):
        found.figure("curves")
    assert "<table" in found._repr_html_()
    assert "| good" in repr(found)


def test_the_commands_show_what_the_api_gives(outputs, capsys, tmp_path, monkeypatch):
    from colorbench import api
    from colorbench.commands import report, table

    asked = []
    true = api.results
    monkeypatch.setattr(api, "results", lambda *roots, **options: asked.append(roots) or true(*roots, **options))
    few = ["--resamples", "100"]
    table.main([str(outputs), "--format", "csv", *few])
    assert capsys.readouterr().out == true(outputs, resamples=100).written("csv")
    table.main([str(outputs), "--diff", "good", "poor", *few])
    assert capsys.readouterr().out == true(outputs, columns=["all"], resamples=100).differences("good", "poor")
    report.main([str(outputs), "-o", str(tmp_path / "page.html"), *few])
    assert true(outputs, resamples=100).report(tmp_path / "mine.html").stat().st_size > 10_000
    assert abs((tmp_path / "page.html").stat().st_size - (tmp_path / "mine.html").stat().st_size) < 100
    assert asked == [(outputs,)] * 3
    with pytest.raises(UserError, match="did you mean 'html'"):
        true(outputs, resamples=100).written("htm")


def test_columns_that_were_asked_for_stay(outputs):
    found = colorbench.results(outputs, columns=["psnr"], resamples=100)
    assert [name for name in found.table().columns if name in ("psnr", "ssim")] == ["psnr"]
    assert found.sheets == [found.sheet]
    assert not found.others


def test_results_of_an_empty_folder_say_what_to_do(tmp_path):
    with pytest.raises(UserError, match=r"colorbench\.train"):
        colorbench.results(tmp_path)


def test_runs_are_listed_with_numbers_that_can_be_computed_with(tmp_path):
    for seed, state in enumerate(("finished", "interrupted")):
        run = tmp_path / "study" / f"unet-{seed}"
        run.mkdir(parents=True)
        (run / "config.yaml").write_text(f"run: {{model: unet}}\nmodel: {{family: unet}}\nseed: {seed}\n")
        (run / "status.json").write_text(f'{{"state": "{state}", "images_seen": 64, "updated": "2026-01-0{seed + 1}"}}')
    (tmp_path / "study" / "unet-0" / "metrics.jsonl").write_text('{"images_seen": 64, "test/ciede2000": 12.5}\n')
    found = colorbench.list_runs(tmp_path)
    assert list(found["seed"]) == [1, 0]  # the newest first
    assert list(found["images"]) == [0, 64]  # no checkpoint: it would begin with nothing
    assert found["ciede2000"].min() == 12.5
    assert list(colorbench.list_runs(tmp_path, state="finished")["folder"]) == [tmp_path / "study" / "unet-0"]
    with pytest.raises(UserError, match="no run is failed"):
        colorbench.list_runs(tmp_path, state="failed")


def test_what_is_judged_again_is_read_and_shown(outputs, monkeypatch, capsys):
    from colorbench import api
    from colorbench.commands import evaluate
    from colorbench.evaluation.rows import Evaluation

    (rows,) = (outputs / "default").glob("poor*/eval/*")
    run, asked = rows.parents[1], []
    (run / "config.yaml").touch()
    monkeypatch.setattr(
        "colorbench.evaluation.runs.evaluate_run",
        lambda path, **how: asked.append((path, how)) or Evaluation.read(rows),
    )
    found = api.evaluate(run, overrides=["sampler.steps=5"], device="cpu", force=True)
    assert (asked[0][0], asked[0][1]["drawing"], asked[0][1]["force"]) == (run, ["sampler.steps=5"], True)
    assert found.folders == [rows]
    evaluate.main([str(run), "--device", "cpu"])
    assert capsys.readouterr().out.splitlines()[-1] == str(rows)
    (run / "config.yaml").unlink()
    with pytest.raises(UserError, match="not a run folder"):
        api.evaluate(run)


@pytest.mark.parametrize("notebook", [False, True])
def test_a_notebook_shows_a_runs_table_once(outputs, monkeypatch, capsys, notebook):
    from colorbench.evaluation.rows import Evaluation
    from colorbench.runs.folder import RunFolder
    from colorbench.training import train

    (rows,) = (outputs / "default").glob("poor*/eval/*")
    monkeypatch.setattr(train, "in_notebook", lambda: notebook)
    train._tell(RunFolder(rows.parents[1]), Evaluation.read(rows), None)
    said = capsys.readouterr().out
    assert ("| poor" in said) is not notebook  # there it is the HTML of what train() gives
    assert f"rows: {rows}" in said


@pytest.mark.slow
def test_a_run_is_trained_read_loaded_and_skipped_the_second_time(tmp_path):
    run = colorbench.train("data.cache=" + str(tmp_path / "cache"), model="resnet", output=tmp_path, **SMALL)
    assert not run.skipped
    assert run.curves.index[-1] == 32
    assert "val/psnr" in run.curves
    assert len(run.rows) == 4
    model = colorbench.load(run.path)
    assert (model.name, model.size) == ("resnet", 16)
    gray = np.full((20, 30), 128, dtype=np.uint8)
    with pytest.raises(UserError, match="no color came out"):  # after one step its answer is gray, and it says so
        model(gray)
    assert colorbench.train("data.cache=" + str(tmp_path / "cache"), model="resnet", output=tmp_path, **SMALL).skipped


def test_a_model_of_ones_own_is_found_in_the_folder_that_is_named(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("family: gray\n")
    told = {}
    monkeypatch.setattr(
        "colorbench.training.train.train", lambda config, **keys: told.update(keys) or Result(tmp_path, False, None)
    )
    colorbench.train(model="mine", config_dirs=[tmp_path])
    assert told["model"] == told["choices"]["model"] == "mine"


def test_a_sweep_refuses_mistakes_before_it_trains(tmp_path):
    with pytest.raises(UserError, match="did you mean"):
        colorbench.sweep(model=["resnet", "unett"], output=tmp_path)
    with pytest.raises(UserError, match="nothing to sweep"):
        colorbench.sweep(model="resnet")
    assert not list(tmp_path.iterdir())
