"""Locks between processes, and what works where the system is not Unix."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from colorbench.lock import Lock, Taken, held, is_held

HOLD = """
import sys, time
from pathlib import Path
from colorbench.lock import Lock
lock = Lock(Path(sys.argv[1]))
lock.take("the other")
print("held", flush=True)
time.sleep(60)
"""


def test_a_lock_has_one_holder_who_says_its_name_and_can_be_taken_again(tmp_path: Path) -> None:
    one, other = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    assert not is_held(tmp_path / "lock")
    one.take("process 1")
    assert is_held(tmp_path / "lock")
    with pytest.raises(Taken) as caught:
        other.take("process 2")
    assert caught.value.owner == "process 1"
    one.give_back()
    assert not is_held(tmp_path / "lock")
    other.take("process 2")
    other.give_back()
    with held(tmp_path / "lock"):
        assert is_held(tmp_path / "lock")


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(file)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Taken) as caught:
            Lock(file).take()
        assert caught.value.owner == "the other"
    finally:
        holder.kill()
        holder.wait()
    lock = Lock(file)
    lock.take()
    lock.give_back()


ELSEWHERE = """
import builtins, os, pkgutil, importlib, sys

real = builtins.__import__
def elsewhere(name, globals=None, *rest, **options):
    if name in ("fcntl", "resource", "pwd") and str((globals or {}).get("__name__", "")).startswith("colorbench"):
        raise ImportError(f"No module named {name!r}")
    return real(name, globals, *rest, **options)
builtins.__import__ = elsewhere
del os.sched_getaffinity

import colorbench
for module in pkgutil.walk_packages(colorbench.__path__, "colorbench."):
    if module.name != "colorbench.__main__" and "standalone" not in module.name:
        importlib.import_module(module.name)
from colorbench.runs.config import compose
from colorbench.training.train import train
words = sys.argv[1:]
done = train(compose(words), model="unet", experiment="default", overrides=words)
print("trained", done.path)
"""


def test_everything_imports_prepares_and_trains_without_what_only_unix_has(tmp_path: Path) -> None:
    words = [
        "model=unet",
        "model.network.width=8",
        "model.network.max_width=8",
        "model.network.levels=2",
        "data=photos",
        "data.size=16",
        f"data.cache={tmp_path / 'cache'}",
        "batch_size=8",
        "budget.images=16",
        "engine.validate_every=100%",
        "monitor.previews=0",
        "evaluate=false",
        "device=cpu",
        f"output={tmp_path / 'outputs'}",
    ]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, *words], capture_output=True, text=True, env=environment, timeout=240
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "trained" in done.stdout
