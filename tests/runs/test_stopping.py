"""Ctrl-C, SIGTERM, SIGHUP and SIGUSR1 end a run with one line, at any moment, and the same command goes on."""

import json
import signal
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
WHERE = {
    "preparing": "colorbench.data.cache:tones",
    "rehearsing": "colorbench.evaluation.judge:Judge.close",
    "building": "colorbench.training.train:_family",
    "training": "colorbench.engine.engine:Engine._step",
    "saving": "colorbench.engine.checkpoint:Checkpoints.save",
    "evaluating": "colorbench.training.train:evaluate_run",
}
OFTEN = [("preparing", "SIGINT"), ("training", "SIGUSR1"), ("saving", "SIGTERM"), ("evaluating", "SIGHUP")]
QUICK = ("budget.images=16", "monitor.previews=0", "metrics=fast", "protocol.draws=1")
BELL = """
import os, runpy, signal, sys
number, module, *words = sys.argv[1:]

class Bell:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == module:
            os.kill(os.getpid(), int(number))

sys.meta_path.insert(0, Bell)
sys.argv[1:] = words
runpy.run_module("colorbench", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("colorbench.stopping", "SIGINT"),
        ("colorbench.commands.command", "SIGINT"),
        ("colorbench.registry", "SIGTERM"),
        ("hydra", "SIGINT"),
    ]
    + [pytest.param(m, n, marks=pytest.mark.slow) for m, n in product(("yaml", "torch", "torch.nn"), SIGNALS)],
)
def test_a_start_that_is_stopped_is_one_line(module, name, tmp_path):
    """While the module is imported."""
    words = [sys.executable, "-c", BELL, str(int(signal.Signals[name])), module, "model=gray", f"output={tmp_path}"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[2])
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("colorbench")
    assert done.returncode in (130, -signal.SIGINT)  # the interpreter may make the second of the first


@pytest.mark.parametrize(
    ("where", "name"),
    [*OFTEN, *(pytest.param(*pair, marks=pytest.mark.slow) for pair in product(WHERE, SIGNALS) if pair not in OFTEN)],
)
def test_a_run_that_is_stopped_is_one_line_and_goes_on(where, name, processes, overrides, tmp_path):
    import driver

    words = overrides(f"data.cache={tmp_path / 'cache'}", *QUICK)
    number, log = signal.Signals[name], tmp_path / "log.txt"
    child = processes.Process(target=driver.stopped, args=(words, str(log), WHERE[where], int(number)))
    child.start()
    child.join(280)
    said = log.read_text()
    assert "Traceback" not in said
    assert said.splitlines()[-1].endswith(("; the same command goes on", "; the same command goes on from there"))
    assert child.exitcode == 130
    states = [json.loads(file.read_text())["state"] for file in tmp_path.rglob("status.json")]
    assert states == ([] if where in ("preparing", "rehearsing") else ["interrupted"])
    assert list(tmp_path.rglob("last/state.pt")) or where in ("preparing", "rehearsing", "building")
    child = processes.Process(target=driver.stopped, args=(words, str(log), "os:abort", 0))
    child.start()
    child.join(280)
    assert child.exitcode == 0, log.read_text()
    assert [json.loads(file.read_text())["state"] for file in tmp_path.rglob("status.json")] == ["finished"]


@pytest.mark.parametrize(
    ("where", "state"),
    [
        ("colorbench.engine.engine:Engine._step", "interrupted"),
        ("colorbench.training.train:_tell", "finished"),
    ],
)
def test_a_run_whose_reader_leaves_is_saved_and_goes_on(where, state, processes, overrides, tmp_path):
    """``colorbench ... | head``, at any moment; what was only told is done."""
    import driver

    words = overrides(f"data.cache={tmp_path / 'cache'}", *QUICK)
    child = processes.Process(target=driver.unheard, args=(words, where))
    child.start()
    child.join(280)
    assert child.exitcode == 141
    (file,) = tmp_path.rglob("status.json")
    said = json.loads(file.read_text())
    assert said["state"] == state
    assert (file.parent / "checkpoints" / "last" / "state.pt").is_file()
    child = processes.Process(target=driver.stopped, args=(words, str(tmp_path / "log.txt"), "os:abort", 0))
    child.start()
    child.join(280)
    assert child.exitcode == 0
    assert json.loads(file.read_text())["state"] == "finished"


def test_what_is_ignored_stays_ignored(processes, overrides, tmp_path):
    """nohup: the terminal may close."""
    import driver

    log = tmp_path / "log.txt"
    child = processes.Process(
        target=driver.ignoring, args=(overrides(*QUICK), str(log), WHERE["training"], int(signal.SIGHUP))
    )
    child.start()
    child.join(280)
    assert child.exitcode == 0, log.read_text()
