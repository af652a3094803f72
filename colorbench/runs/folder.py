"""The run folder: named by what the run computes, owned by one process at a time, never overwritten.

``outputs/<study>/<model>-...-<hash>/`` holds config.yaml (resolved), overrides.txt, env.json, status.json,
metrics.jsonl, metrics.csv, log.txt, checkpoints/, previews/, curves.png and eval/. The same command finds the same
folder: a finished run is skipped, a cut one is resumed.

The lock is the operating system's (:mod:`colorbench.lock`), so a killed process leaves none behind.
"""

import contextlib
import json
import math
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from colorbench import atomic
from colorbench.errors import UserError
from colorbench.lock import Lock, Taken


class RunFolder:
    """One run's folder; use as a context manager to own it."""

    def __init__(self, path: Path):
        self.path = path
        self._lock = Lock(path / "lock")

    def __enter__(self) -> "RunFolder":
        """Take the lock; UserError when another process has it or the folder cannot be written."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.take(f"process {os.getpid()} on {socket.gethostname()}")
        except Taken as taken:
            owner = taken.owner or "another process"
            raise Busy(f"{self.path}: {owner} is working on this run; wait for it or choose another seed") from taken
        except OSError as error:
            raise UserError(f"output: cannot write to {self.path} ({error.strerror}); set output=FOLDER") from error
        self._tidy()
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.give_back()

    def _tidy(self) -> None:
        """Remove what killed processes left half-written: ours, and of older versions ``.NAME.PROCESS``. An evaluation
        may go on in eval/, beside us; a folder of ``checkpoints`` keeps itself."""
        with contextlib.suppress(OSError):
            atomic.clear(self.path, owned=True)
            for file in self.path.glob(".*.*"):
                if file.suffix[1:].isdigit() and (file.is_symlink() or file.is_file()):
                    file.unlink(missing_ok=True)
            for folder in self.path.rglob("*/"):
                atomic.clear(folder)

    @property
    def status(self) -> dict[str, Any]:
        """What status.json says; {} for a new folder; {"state": "damaged"} where it cannot be read."""
        file = self.path / "status.json"
        try:
            said = json.loads(file.read_text()) if file.exists() else {}
        except (OSError, ValueError, RecursionError):
            said = None
        return said if isinstance(said, dict) and _sound(said) else {"state": "damaged"}

    def set_status(self, state: str, **facts: Any) -> None:
        """state: running, trained, finished, interrupted or failed. Facts are merged into what is there."""
        self.write_json(
            "status.json", {**self.status, **facts, "state": state, "updated": time.strftime("%FT%TZ", time.gmtime())}
        )

    def write_json(self, name: str, value: Any) -> None:
        self.write_text(name, atomic.json_text(value, indent=1, sort_keys=True) + "\n")

    def write_yaml(self, name: str, value: Mapping[str, Any]) -> None:
        self.write_text(name, yaml.safe_dump(dict(value), sort_keys=False, allow_unicode=True))

    def write_text(self, name: str, text: str) -> None:
        """Atomically: a reader sees the old file or the new one."""
        target = self.path / name
        try:
            atomic.write_text(target, text)
        except OSError as error:
            raise atomic.one_line(error, target, "run again: nothing was lost") from error


def _sound(status: Mapping[str, Any]) -> bool:
    """Are a state's words words and its numbers numbers, where they are there?"""
    numbers = [status.get(key, 0) for key in ("images_seen", "seconds", "parameters", "peak_memory_mb", "evaluations")]
    return isinstance(status.get("state", ""), str) and all(
        isinstance(number, int | float) and math.isfinite(number) for number in numbers
    )


class Busy(UserError):
    """Another process owns the run."""
