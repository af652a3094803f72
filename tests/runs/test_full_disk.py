"""A disk that is full at any write ends a run in one line, and leaves it able to go on."""

import errno
import json
import os
import subprocess

import pytest
from safetensors.torch import load_file

from colorbench import atomic
from colorbench.errors import UserError
from colorbench.runs.config import compose
from colorbench.training import train as module
from colorbench.training.train import train

WORDS = [
    "model=unet",
    "model.network.width=8",
    "model.network.max_width=8",
    "model.network.levels=2",
    "data=scenes",
    "data.size=16",
    "data.source.train=32",
    "data.source.val=8",
    "data.source.test=8",
    "batch_size=8",
    "budget.images=32",
    "monitor.images=8",
    "monitor.previews=1",
    "engine.validate_every=50%",
    "protocol.gallery=1",
    "device=cpu",
    "precision=fp32",
    "metrics=fast",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("disk")


@pytest.fixture
def run(folder, capsys):
    """Train the tiny run below ``folder/name``; its folder."""

    def begin(name, evaluate=False):
        words = [*WORDS, f"output={folder / name}", f"data.cache={folder / 'cache'}", f"evaluate={evaluate}"]
        return train(compose(words), model="unet", experiment="default", overrides=words).path

    return begin


def parts(folder):
    return [p for p in folder.rglob(".*") if p.name not in (".multirun", ".lock")]  # a lock is made and stays


@pytest.mark.parametrize("stride", [11, pytest.param(1, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_a_disk_full_at_any_write_ends_in_one_line_and_the_next_start_goes_on(stride, run, folder, monkeypatch):
    """At every write in turn, or at every eleventh."""
    whole = load_file(run(f"whole{stride}") / "checkpoints/last/ema.safetensors")
    sync, calls = atomic.sync, 0
    last = 1

    def full(path):
        nonlocal calls
        calls += 1
        if calls >= last:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        sync(path)

    said = []
    monkeypatch.setattr(atomic, "sync", full)
    while True:  # one write more succeeds each time
        calls = 0
        try:
            path = run(f"cut{stride}-{last}")
            break
        except UserError as error:
            said.append(str(error))
        assert "disk is full" in said[-1]
        assert "traceback.txt" not in said[-1]
        assert len(said[-1].splitlines()) == 1
        assert parts(folder / f"cut{stride}-{last}") == []
        for file in (folder / f"cut{stride}-{last}").rglob("*.json"):
            json.loads(file.read_text())
        last += stride
    assert len(said) >= 4
    monkeypatch.setattr(atomic, "sync", sync)
    for cut in range(1, last, 2 * stride):
        path = run(f"cut{stride}-{cut}")
        assert json.loads((path / "status.json").read_text())["state"] == "finished"
        assert all((whole[k] == v).all() for k, v in load_file(path / "checkpoints/last/ema.safetensors").items())


def test_what_failed_is_told_even_where_there_is_no_room_to_write_it_down(run, monkeypatch):
    def broken(*_, **__):
        def full(*_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(atomic, "replacing", full)
        raise ZeroDivisionError("the cause")

    monkeypatch.setattr(module, "_fit", broken)
    with pytest.raises(ZeroDivisionError, match="the cause"):
        run("failed")


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
@pytest.mark.parametrize("kilobytes", [60, 100, 200, 300, 400, 500, 600, 700])
def test_a_small_disk_ends_a_run_in_one_line(kilobytes, tmp_path, cli, folder):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(disk)]).returncode:
        pytest.skip("this root may not mount")
    words = [
        *WORDS,
        f"output={disk}",
        f"data.cache={folder / 'cache'}",
        "model.network.width=16",
        "model.network.max_width=16",
    ]
    try:
        done = cli(*words)
        assert done.returncode == 2, done.stderr
        assert "the disk is full" in done.stderr
        assert "Traceback" not in done.stderr
        assert parts(disk) == []
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        again = cli(*words)
        assert again.returncode == 0, again.stderr
    finally:
        subprocess.run(["umount", str(disk)], check=True)
