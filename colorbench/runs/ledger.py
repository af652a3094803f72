"""The ledger of a folder of runs: what it holds, and what became of each.

There is no sweep file: every cell is a run folder named by its configuration's hash, with a status of its own. Typing
the same multirun line again skips what is finished, resumes what was cut and retries what failed.
"""

import fcntl
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colorbench.errors import UserError
from colorbench.runs.config import flatten
from colorbench.runs.folder import RunFolder
from colorbench.runs.run import read_config


@dataclass(frozen=True)
class Cell:
    """One run folder. state: running, trained, finished, interrupted, failed, or ``cut`` (its process was killed)."""

    path: Path
    state: str
    status: Mapping[str, Any]
    config: Mapping[str, Any]


def cells(root: Path) -> list[Cell]:
    """All runs under a folder, sorted by path. Raises UserError when there are none."""
    found = []
    for file in sorted(root.rglob("status.json")):
        config = file.parent / "config.yaml"
        if config.is_file():
            status = RunFolder(file.parent).status
            state = status.get("state", "damaged")
            if state in ("running", "trained") and not _owned(file.parent):
                state = "cut"
            try:
                flat = dict(flatten(read_config(config)))
            except UserError:  # one line of a table that still stands
                state, flat = "damaged", {"run.model": "?"}
            found.append(Cell(file.parent, state, status, flat))
    if not found:
        raise UserError(f"{root}: no runs here; runs are in <output>/<study>/<model>-<hash>")
    return found


def axes(found: Sequence[Cell]) -> list[str]:
    """The keys in which the cells differ, the model first: what the sweep ran over."""
    hidden = ("run.", "output", "device", "logger")
    keys = dict.fromkeys(key for cell in found for key in cell.config if not key.startswith(hidden))
    differing = [key for key in keys if len({str(cell.config.get(key)) for cell in found}) > 1]
    many_models = len({cell.config["run.model"] for cell in found}) > 1
    if many_models:  # what differs because the model does would fill the page
        by_model: dict[str, list[Cell]] = {}
        for cell in found:
            by_model.setdefault(cell.config["run.model"], []).append(cell)
        differing = [
            key
            for key in differing
            if any(len({str(cell.config.get(key)) for cell in group}) > 1 for group in by_model.values())
        ]
    return ["run.model", *differing]


def status(found: Sequence[Cell]) -> str:
    """The grid, a line for each cell, and how many are in which state."""
    keys = axes(found)
    rows = [["state", "images", *(key.removeprefix("run.") for key in keys), "folder"]]
    for cell in found:
        values = [str(cell.config.get(key, "")) for key in keys]
        rows.append([cell.state, f"{cell.status.get('images_seen', 0):,}", *values, str(cell.path)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    counts = Counter(cell.state for cell in found)
    return "\n".join([*lines, "", ", ".join(f"{n} {state}" for state, n in sorted(counts.items()))])


def failed(found: Sequence[Cell]) -> str:
    """Every failed cell with its error, and where its traceback is."""
    lines = [f"{c.path}\n  {c.status.get('error')}\n  {c.path / 'traceback.txt'}" for c in found if c.state == "failed"]
    return "\n".join(lines) or "no run failed"


def clean(found: Sequence[Cell]) -> str:
    """Delete the folders of failed and cut runs that have no checkpoint; there is nothing in them to resume."""
    lines = []
    for cell in found:
        saved = (p for name in ("last", "images-*", ".old-*") for p in (cell.path / "checkpoints").glob(name))
        if cell.state in ("failed", "cut") and not any(saved):
            shutil.rmtree(cell.path)
            lines.append(f"deleted {cell.path}")
    return "\n".join(lines) or "nothing to delete"


def _owned(path: Path) -> bool:
    """Does a process hold the run's lock?"""
    lock = path / "lock"
    if not lock.exists():
        return False
    with lock.open("r") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
