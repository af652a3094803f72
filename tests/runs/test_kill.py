"""kill -9 at any moment costs time and nothing else."""

import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file


def start(processes, overrides):
    import driver

    child = processes.Process(target=driver.run, args=(overrides,))
    child.start()
    return child


def final(outputs: Path) -> Path:
    (run,) = (outputs / "default").iterdir()
    return run


def wait_for_a_checkpoint(outputs: Path, child, at_least: int = 0) -> int:
    """Images seen by the newest checkpoint, once there is one beyond ``at_least``."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and child.is_alive():
        names = [p.name for p in outputs.rglob("checkpoints/images-*")]
        newest = max((int(name.split("-")[1]) for name in names), default=0)
        if newest > at_least:
            return newest
        time.sleep(0.01)
    pytest.fail(f"no checkpoint beyond {at_least} images; the run is {'alive' if child.is_alive() else 'over'}")


@pytest.mark.parametrize(
    ("precision", "wanted"),
    [("auto", 2), *(pytest.param(p, 5, marks=pytest.mark.slow) for p in ("auto", "fp32", "bf16"))],
)
def test_a_run_killed_at_random_moments_ends_with_the_same_weights_bit_for_bit(
    processes, overrides, tmp_path, precision, wanted
):
    words = [
        f"budget.images={400 * wanted}",
        "engine.checkpoint_seconds=0.05",
        "engine.accumulate=2",
        f"precision={precision}",
        "data.augment.rotation=15",
        "data.augment.jitter=0.3",
        "monitor.previews=0",
        "engine.validate_every=50%",
    ]
    whole = start(processes, overrides(*words, f"output={tmp_path / 'whole'}"))
    whole.join()
    assert whole.exitcode == 0
    rng, seen, kills = random.Random(precision), 0, 0
    while kills < wanted:
        child = start(processes, overrides(*words, f"output={tmp_path / 'cut'}"))
        seen = wait_for_a_checkpoint(tmp_path / "cut", child, seen)
        time.sleep(rng.uniform(0.0, 0.1))
        assert child.is_alive(), "the run was over before it was killed so often"
        child.kill()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        kills += 1
    last = start(processes, overrides(*words, f"output={tmp_path / 'cut'}"))
    last.join()
    assert last.exitcode == 0
    one, other = final(tmp_path / "whole"), final(tmp_path / "cut")
    assert one.name == other.name
    for name in ("weights", "ema"):
        a, b = (load_file(run / "checkpoints" / "last" / f"{name}.safetensors") for run in (one, other))
        assert a.keys() == b.keys()
        assert all((a[key] == b[key]).all() for key in a)
    # what the run says of itself is also that of an unbroken run, but for the time it took
    journals = [
        [line.split(",")[:2] for line in (run / "metrics.csv").read_text().splitlines()] for run in (one, other)
    ]
    assert journals[0] == journals[1]
    left = [p.name for p in (other / "checkpoints").iterdir() if p.name.startswith(".")]
    assert left == []


def test_sigterm_saves_and_the_same_command_goes_on(processes, overrides, tmp_path):
    import json

    words = overrides("budget.images=80000", "engine.checkpoint_seconds=0.2")
    child = start(processes, words)
    wait_for_a_checkpoint(tmp_path / "outputs", child)
    child.terminate()
    child.join(60)
    status = json.loads((final(tmp_path / "outputs") / "status.json").read_text())
    assert status["state"] == "interrupted"
    assert child.exitcode not in (0, -signal.SIGTERM)


def test_the_second_process_on_one_run_refuses_while_the_first_works(processes, overrides, tmp_path, cli):
    words = overrides("budget.images=80000", "engine.checkpoint_seconds=0.2")
    child = start(processes, words)
    wait_for_a_checkpoint(tmp_path / "outputs", child)
    second = cli(*words, "evaluate=false")
    child.kill()
    child.join()
    assert second.returncode == 2
    assert f"process {child.pid}" in second.stderr
    assert "Traceback" not in second.stderr


SOAK = [
    "data=scenes",
    "data.size=32",
    "data.source.train=24",
    "data.source.val=8",
    "data.source.test=8",
    "batch_size=8",
    "budget.images=48",
    "engine.checkpoint_seconds=0.02",
    "engine.validate_every=50%",
    "monitor.images=8",
    "monitor.previews=0",
    "metrics=fast",
    "protocol.draws=2",
    "protocol.gallery=1",
    "device=cpu",
    "precision=fp32",
]


def evidence(outputs: Path, capsys) -> dict[str, object]:
    """Everything that a run says of its model: weights, rows, and the table."""
    from colorbench.commands.table import main

    run = final(outputs)
    found: dict[str, object] = {
        f.relative_to(outputs).as_posix(): f.read_bytes() for f in outputs.rglob("*.csv") if f.name != "metrics.csv"
    }
    for name in ("weights", "ema"):
        tensors = load_file(run / "checkpoints" / "last" / f"{name}.safetensors")
        found |= {f"{name} {key}": value.numpy().tobytes() for key, value in tensors.items()}
    found["metrics"] = [line.split(",")[:2] for line in (run / "metrics.csv").read_text().splitlines()]
    found["test"] = [line for line in (run / "metrics.csv").read_text().splitlines() if ",test/" in line]
    capsys.readouterr()
    main([str(outputs), "--no-costs", "--metrics", "all", "--format", "csv", "--resamples", "50"])
    return found | {"table": capsys.readouterr().out}


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_fifty_kills_over_all_models_leave_weights_rows_and_tables_as_they_were(processes, tmp_path, capsys):
    import driver
    from families.conftest import _composed, _shrunk, alike, learners

    from colorbench.runs.config import compose

    models = alike(learners())
    rng, kills = random.Random(22), 0
    for at, model in enumerate(models):
        wanted = -(-50 * (at + 1) // len(models))  # so many in all by the end of this one
        tree = compose([*SOAK, f"model={model}", f"data.cache={tmp_path / 'cache'}"])
        tree["model"] = _shrunk(_composed(model, ())["model"])

        def begin(name: str, tree=tree, model=model):
            config = {**tree, "output": str(tmp_path / model / name)}
            child = processes.Process(target=driver.composed, args=(config, model))
            child.start()
            return child

        began = time.monotonic()
        whole = begin("whole")
        whole.join()
        seconds = time.monotonic() - began
        assert whole.exitcode == 0, model
        while kills < wanted:
            child = begin("cut")
            time.sleep(rng.uniform(0.0, 0.5 * seconds))
            child.kill()
            child.join()
            if child.exitcode == 0:  # over before it was killed
                shutil.rmtree(tmp_path / model / "cut")
            else:
                kills += 1
        last = begin("cut")
        last.join()
        assert last.exitcode == 0, model
        assert evidence(tmp_path / model / "cut", capsys) == evidence(tmp_path / model / "whole", capsys), model
        with capsys.disabled():
            print(f"\n{model}: {kills} kills in all", end="", flush=True)
    assert kills >= 50
