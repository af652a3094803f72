"""The launchers and the sweeper of ``colorbench[sweeps]``, really run."""

import json

import pytest
import yaml

from colorbench.errors import UserError
from colorbench.runs import config

pytestmark = pytest.mark.timeout(600)


def states(outputs):
    return sorted(json.loads(p.read_text())["state"] for p in outputs.rglob("status.json"))


def needs(plugin):
    return pytest.importorskip(f"hydra_plugins.{plugin}", reason="pip install 'colorbench[sweeps]'")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plugin", "launcher"),
    [
        ("hydra_joblib_launcher", ["hydra/launcher=workers"]),
        ("hydra_submitit_launcher", ["hydra/launcher=submitit_local"]),
    ],
)
def test_a_launcher_trains_every_cell_once_and_a_failed_one_makes_the_exit_code_1(
    overrides, cli, tmp_path, plugin, launcher
):
    needs(plugin)
    words = overrides("optim.lr=1e-3,1e-4,1e+30", "optim.clip=null", "evaluate=false", "engine.max_bad_steps=1")
    done = cli("-m", *words, *launcher)
    assert done.returncode == 1, done.stderr
    assert states(tmp_path / "outputs") == ["failed", "finished", "finished"]
    assert "1 run(s) failed" in done.stderr
    assert "optim.lr=1e+30" in done.stderr.split("run(s) failed")[1]
    assert not list((tmp_path / "outputs/.multirun").glob("failures-*"))
    stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / "outputs").rglob("weights.safetensors")}
    assert cli("-m", *words, *launcher).returncode == 1
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps


@pytest.mark.slow
def test_optuna_minimizes_the_monitors_best_and_the_same_line_replays_its_trials(overrides, cli, tmp_path):
    needs("hydra_optuna_sweeper")
    words = overrides("experiment=search", "hydra.sweeper.n_trials=3", "batch_size=8", "engine.validate_every=32")
    done = cli("-m", *words)
    assert done.returncode == 0, done.stderr
    best = {
        json.loads(p.read_text())["best"]: yaml.safe_load((p.parent / "config.yaml").read_text())["optim"]["lr"]
        for p in (tmp_path / "outputs/search").rglob("status.json")
    }
    assert len(best) == 3
    report = yaml.safe_load((tmp_path / "outputs/.multirun/optimization_results.yaml").read_text())
    assert report["best_value"] == min(best)
    assert report["best_params"]["optim.lr"] == best[min(best)]
    again = cli("-m", *words)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("finished before") == 3
    assert len(list((tmp_path / "outputs/search").rglob("status.json"))) == 3


def test_the_cluster_asks_slurm_for_one_gpu_and_for_a_job_that_queues_itself_again():
    needs("hydra_submitit_launcher")
    import hydra

    with hydra.initialize_config_dir(config_dir=str(config.conf_dir()), version_base="1.3"):
        found = hydra.compose("config", overrides=["hydra/launcher=cluster"], return_hydra_config=True).hydra.launcher
    assert found._target_.endswith("SlurmLauncher")
    assert (found.gpus_per_node, found.timeout_min, found.max_num_timeout) == (1, 720, 20)


@pytest.mark.parametrize("words", [["hydra/launcher=workers"], ["hydra/launcher=cluster"], ["experiment=search"]])
def test_a_missing_plugin_is_named_with_its_cure(monkeypatch, words):
    from hydra.core.config_store import ConfigStore

    config.compose([])  # Hydra finds its plugins now, and not after they were taken away
    store = ConfigStore.instance()
    for group in ("launcher", "sweeper"):
        kept = {k: v for k, v in store.repo["hydra"][group].items() if k == "basic.yaml"}
        monkeypatch.setitem(store.repo["hydra"], group, kept)
    with pytest.raises(UserError, match=r"pip install 'colorbench\[sweeps\]'"):
        config.compose(words)
