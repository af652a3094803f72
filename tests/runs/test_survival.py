"""A sweep of 12 cells survives kill -9, and two processes share it."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from colorbench.commands.table import main as table

WORDS = [
    "model=unet",
    "loss=l1,mse,huber",
    "optim.lr=1e-3,3e-4",
    "seed=0,1",
    "model.network.width=8",
    "model.network.max_width=8",
    "model.network.levels=2",
    "data=scenes",
    "data.size=16",
    "data.source.train=48",
    "data.source.val=8",
    "data.source.test=12",
    "batch_size=8",
    "budget.images=800",
    "monitor.images=8",
    "monitor.previews=0",
    "engine.validate_every=25%",
    "protocol.gallery=2",
    "device=cpu",
    "precision=fp32",
    "engine.checkpoint_seconds=0.02",
]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(14400)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("survival")


@pytest.fixture(scope="module")
def start(processes, folder):
    """Begin the sweep, or go on with it, in a process of its own; what it prints goes to <output>.log."""
    import driver

    def begin(name: str, log: str | None = None):
        words = [*WORDS, f"output={folder / name}", f"data.cache={folder / 'cache'}"]
        child = processes.Process(target=driver.sweep, args=(words, str(folder / f"{log or name}.log")))
        child.start()
        return child

    return begin


@pytest.fixture(scope="module")
def unbroken(start, folder) -> float:
    """Seconds of a sweep that nobody disturbs."""
    begin = time.monotonic()
    child = start("unbroken")
    child.join(3600)
    assert child.exitcode == 0, (folder / "unbroken.log").read_text()[-2000:]
    return time.monotonic() - begin


def states(outputs: Path) -> list[str]:
    return [json.loads(p.read_text())["state"] for p in sorted(outputs.glob("default/*/status.json"))]


def names(outputs: Path) -> list[str]:
    return sorted(p.parent.name for p in outputs.glob("default/*/status.json"))


def journals(outputs: Path) -> dict[str, list[list[str]]]:
    """What every run logged, but for the times."""
    return {
        p.parent.name: [line.split(",")[:2] for line in p.read_text().splitlines()]
        for p in outputs.rglob("metrics.csv")
    }


def tables(outputs: Path, capsys) -> str:
    capsys.readouterr()
    for form in ("md", "csv"):
        table([str(outputs), "--no-costs", "--metrics", "all", "--format", form])
    return capsys.readouterr().out


def training(outputs: Path) -> dict[str, int]:
    """{cell that is running: images of its newest checkpoint}, of those that have one and are not at their end."""
    files = outputs.glob("default/*/status.json")
    running = [file.parent for file in files if json.loads(file.read_text())["state"] == "running"]
    saved = {cell.name: [int(p.name[7:]) for p in cell.glob("checkpoints/images-*")] for cell in running}
    return {cell: max(images) for cell, images in saved.items() if images and max(images) < 800}


def test_a_sweep_killed_in_five_cells_while_they_train_ends_with_the_table_of_an_unbroken_one(
    start, unbroken, folder, capsys
):
    rng, hit = random.Random(7), {}
    while len(hit) < 5:
        child = start("cut")
        while not training(folder / "cut").keys() - hit.keys():  # a cell that was not hit before is on its way
            assert child.is_alive(), f"the sweep was over before it was killed in five cells: {hit}"
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.05))
        child.kill()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        hit |= {cell: at for cell, at in training(folder / "cut").items() if cell not in hit}
    last = start("cut")
    last.join(3600)
    assert last.exitcode == 0, (folder / "cut.log").read_text()[-2000:]
    with capsys.disabled():
        print(f"\nkilled while training: {hit}")
    assert states(folder / "cut") == ["finished"] * 12
    assert names(folder / "cut") == names(folder / "unbroken")
    assert journals(folder / "cut") == journals(folder / "unbroken")
    assert tables(folder / "cut", capsys) == tables(folder / "unbroken", capsys)


def test_two_processes_on_one_sweep_train_every_cell_once(start, unbroken, folder, capsys):
    both = [start("shared", log) for log in ("one", "two")]
    for child in both:
        child.join(3600)
    logs = [(folder / f"{log}.log").read_text() for log in ("one", "two")]
    assert [child.exitcode for child in both] == [0, 0], logs
    trained = [12 - log.count("finished before, skipped") - log.count("is working on this run") for log in logs]
    with capsys.disabled():
        print(f"\ntrained by each: {trained}")
    assert sum(trained) == 12
    assert states(folder / "shared") == ["finished"] * 12
    assert journals(folder / "shared") == journals(folder / "unbroken")
    assert tables(folder / "shared", capsys) == tables(folder / "unbroken", capsys)


def test_typing_the_sweep_again_does_nothing(unbroken, folder):
    before = {p: p.stat().st_mtime_ns for p in (folder / "unbroken").rglob("*.safetensors")}
    words = [*WORDS, f"output={folder / 'unbroken'}", f"data.cache={folder / 'cache'}"]
    done = subprocess.run([sys.executable, "-m", "colorbench", "-m", *words], capture_output=True, text=True)
    assert done.stdout.count("finished before, skipped") == 12
    assert {p: p.stat().st_mtime_ns for p in before} == before
