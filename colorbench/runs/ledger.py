"""The ledger of a folder of runs: what it holds, and what became of each.

There is no sweep file: every cell is a run folder named by its configuration's hash, with a status of its own. Typing
the same multirun line again skips what is finished, resumes what was cut and retries what failed.
"""

import shlex
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colorbench.errors import UserError
from colorbench.lock import is_held
from colorbench.runs.config import flatten
from colorbench.runs.folder import RunFolder
from colorbench.runs.labels import labels, settings
from colorbench.runs.record import read_jsonl
from colorbench.runs.run import read_config

_LONGEST = 40  # characters of a cell of a terminal's table


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
        raise UserError(f"{root}: no runs here; runs are in <output>/<study>/<model>-...-<hash>")
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
    keys = [key for key in axes(found) if any(len(str(cell.config.get(key, ""))) <= _LONGEST for cell in found)]
    short = _ends(keys)
    rows = [["state", "images", *short, "folder"]]
    for cell in found:
        values = [_cut(str(cell.config.get(key, ""))) for key in keys]
        rows.append([cell.state, f"{seen(cell):,}", *values, str(cell.path)])
    counts = Counter(cell.state for cell in found)
    return "\n".join([*aligned(rows), "", ", ".join(f"{n} {state}" for state, n in sorted(counts.items()))])


def seen(cell: Cell) -> int:
    """Images seen: as the status says when training has ended, else by the last line of the run's record."""
    if "images_seen" in cell.status:
        return int(cell.status["images_seen"])
    rows = read_jsonl(cell.path / "metrics.jsonl")
    return max((int(row["images_seen"]) for row in rows), default=0)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of words as lines, their columns below each other."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def overview(found: Sequence[Cell]) -> list[list[str]]:
    """The newest run first: when, state, what it is, its budget, its headline number, its folder; heads on top."""
    newest = sorted(found, key=lambda cell: str(cell.status.get("updated", "")), reverse=True)
    names = _named(newest)
    rows = [["when (UTC)", "state", "run", "data", "seed", "images", "CIEDE2000", "folder"]]
    for cell, name in zip(newest, names, strict=True):
        done = " / ".join([f"{seen(cell):,}", *_budget(cell)])
        when = str(cell.status.get("updated", ""))[:16].replace("T", " ")
        rows.append(
            [
                when,
                cell.state,
                _cut(name),
                _data(cell),
                str(cell.config.get("seed", "")),
                done,
                _headline(cell),
                str(cell.path),
            ]
        )
    return rows


def advice(found: Sequence[Cell]) -> list[str]:
    """What to type next, for the newest run that is finished and the newest of each state that is not."""
    newest = sorted(found, key=lambda cell: str(cell.status.get("updated", "")), reverse=True)
    lines = []
    for states, said in (
        (("interrupted", "cut"), "goes on with"),
        (("failed",), "why it failed"),
        (("finished",), "to look at"),
        (("finished",), "to color with"),
    ):
        cell = next((cell for cell in newest if cell.state in states), None)
        if cell is not None:
            words = cell.path / "overrides.txt"
            again = shlex.join(["colorbench", *words.read_text().splitlines()]) if words.is_file() else ""
            typed = {
                "goes on with": again,
                "why it failed": f"colorbench sweeps failed {cell.path}",
                "to look at": f"colorbench report {cell.path} -o report.html",
                "to color with": f"colorbench colorize PHOTOS --model {cell.path}",
            }[said]
            lines.append(f"{cell.path.name} {said}: {typed}")
    return lines


def _named(found: Sequence[Cell]) -> list[str]:
    records = []
    for cell in found:
        try:
            config = read_config(cell.path / "config.yaml")
            record = {"settings": settings(config), "choices": config["run"].get("choices", {})}
        except (UserError, KeyError, TypeError, AttributeError):
            record = {}
        records.append({"name": str(cell.config.get("run.model", "?")), "group": "", **record})
    return [" ".join(word for word in name.split(" ") if not word.startswith("(")) for name in labels(records)]


def _budget(cell: Cell) -> list[str]:
    """12,000 images are ``12,000``; other limits say what they are: ``600 s``, ``5 epochs``."""
    units = {"images": "", "seconds": " s", "epochs": " epochs"}
    limits = {unit: cell.config.get(f"budget.{key}") for key, unit in units.items()}
    return [f"{limit:,}{unit}" for unit, limit in limits.items() if isinstance(limit, int | float)]


def _data(cell: Cell) -> str:
    source = str(cell.config.get("data.source.source", ""))
    root = cell.config.get("data.root")
    name = Path(str(root)).name if root and source in ("folder", "list") else source
    return f"{name} {cell.config.get('data.size', '')} px".strip()


def _headline(cell: Cell) -> str:
    rows = read_jsonl(cell.path / "metrics.jsonl")
    found = [row["test/ciede2000"] for row in rows if isinstance(row.get("test/ciede2000"), int | float)]
    return f"{found[-1]:.2f}" if found else ""


def _ends(keys: Sequence[str]) -> list[str]:
    """Each key's end: as many words as tell it from the others."""
    found = []
    for key in keys:
        parts = key.removeprefix("run.").split(".")
        ends = (".".join(parts[i:]) for i in range(len(parts) - 1, -1, -1))
        alone = (e for e in ends if sum(k == e or k.endswith(f".{e}") for k in keys) <= 1)
        found.append(next(alone, key))
    return found


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


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
    return is_held(path / "lock")
