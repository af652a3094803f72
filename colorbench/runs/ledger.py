"""The ledger of a folder of runs: what it holds, and what became of each.

There is no sweep file: every cell is a run folder named by its configuration's hash, with a status of its own. Typing
the same multirun line again skips what is finished, resumes what was cut and retries what failed.
"""

import math
import shlex
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colorbench.engine.checkpoint import Checkpoints, moment
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
    """A grid for each sweep (the runs of one study on the same pictures), a line for each cell; how many are in which
    state."""
    sweeps: dict[tuple[Path, str], list[Cell]] = {}
    for cell in found:
        sweeps.setdefault((cell.path.parent, _data(cell)), []).append(cell)
    lines = []
    for (study, pictures), mine in sweeps.items():
        if len(sweeps) > 1:
            lines.append(", ".join(filter(None, (str(study), pictures))))
        lines += [*aligned(_grid(mine)), ""]
    counts = Counter(cell.state for cell in found)
    return "\n".join([*lines, ", ".join(f"{n} {state}" for state, n in sorted(counts.items()))])


def _grid(found: Sequence[Cell]) -> list[list[str]]:
    keys = [key for key in axes(found) if any(len(str(cell.config.get(key, ""))) <= _LONGEST for cell in found)]
    short = _ends(keys)
    rows = [["state", "images", *short, "folder"]]
    for cell in found:
        values = [_cut(str(cell.config.get(key, ""))) for key in keys]
        rows.append([cell.state, f"{seen(cell):,}", *values, str(cell.path)])
    return rows


def seen(cell: Cell) -> int:
    """Images seen: as the status says when training has ended; of a run that trains by the last line of its record; of
    one that goes on by the checkpoint from which it does."""
    if cell.state in ("trained", "finished", "paused"):
        return int(cell.status.get("images_seen", 0))
    last = Checkpoints(cell.path / "checkpoints").find()
    saved = max(moment(last), 0) if last else 0
    if cell.state != "running":
        return saved
    return max((int(row["images_seen"]) for row in read_jsonl(cell.path / "metrics.jsonl")), default=saved)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of words as lines, their columns below each other."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


@dataclass(frozen=True)
class Known:
    """A run in a list. when: of its last word, UTC. run: what tells it from the others. images: see :func:`seen`.
    budget: ``12,000``, ``600 s``. ciede2000: the mean over the test pictures, NaN where it was not judged."""

    when: str
    state: str
    run: str
    data: str
    seed: int | None
    images: int
    budget: str
    ciede2000: float
    folder: Path


def overview(found: Sequence[Cell]) -> list[Known]:
    """The newest run first."""
    newest = sorted(found, key=lambda cell: str(cell.status.get("updated", "")), reverse=True)
    return [
        Known(
            when=str(cell.status.get("updated", ""))[:16].replace("T", " "),
            state=cell.state,
            run=_cut(name),
            data=_data(cell),
            seed=cell.config.get("seed"),
            images=seen(cell),
            budget=" / ".join(_budget(cell)),
            ciede2000=_headline(cell),
            folder=cell.path,
        )
        for cell, name in zip(newest, _named(newest), strict=True)
    ]


def advice(newest: Sequence[tuple[str, Path]]) -> list[str]:
    """What to type next, for the newest run that is finished and the newest of each state that is not. newest: states
    and folders, the newest first."""
    lines = []
    for states, said in (
        (("interrupted", "cut"), "goes on with"),
        (("failed",), "why it failed"),
        (("finished",), "to look at"),
        (("finished",), "to color with"),
    ):
        path = next((path for state, path in newest if state in states), None)
        if path is not None:
            words = path / "overrides.txt"
            again = shlex.join(["colorbench", *words.read_text().splitlines()]) if words.is_file() else ""
            typed = {
                "goes on with": again,
                "why it failed": f"colorbench sweeps failed {path}",
                "to look at": f"colorbench report {path} -o report.html",
                "to color with": f"colorbench colorize PHOTOS --model {path}",
            }[said]
            lines.append(f"{path.name} {said}: {typed}")
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
    size = cell.config.get("data.size")
    return " ".join([*filter(None, [name]), *([f"{size} px"] if size else [])])


def _headline(cell: Cell) -> float:
    rows = read_jsonl(cell.path / "metrics.jsonl")
    found = [row["test/ciede2000"] for row in rows if isinstance(row.get("test/ciede2000"), int | float)]
    return found[-1] if found else math.nan


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
