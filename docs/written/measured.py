"""Measured rows of a model, from the committed rows of the experiments, by the report's own code."""

from dataclasses import dataclass
from pathlib import Path

from colorbench.report.sheet import Sheet, sheets
from colorbench.report.table import grid
from colorbench.runs.config import compose, flatten
from written.text import table

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENTS = {
    "01_families": "Photographs (places128, 128 px)",
    "02_known_law": "Scenes (64 px)",
}
BESIDE = ("gray", "neighbors", "oracle")
"""Rows that learned nothing, and the law itself, shown beside each model."""


@dataclass(frozen=True)
class Measured:
    """A table of one experiment with the rows of one model. text: Markdown."""

    experiment: str
    title: str
    text: str


def rows() -> dict[str, list[Measured]]:
    """{model: its tables}. Models without a committed row are not in it."""
    found: dict[str, list[Measured]] = {}
    for experiment, title in EXPERIMENTS.items():
        for sheet in sheets([ROOT / "experiments" / experiment / "rows"]):
            for name in dict.fromkeys(str(line.record["name"]) for line in sheet.lines if line.kind != "folder"):
                p = sheet.protocol
                words = f"{title}, {p.images} test pictures, protocol {p.id}"
                found.setdefault(name, []).append(Measured(experiment, words, _table(sheet, name)))
    return found


def _table(sheet: Sheet, name: str) -> str:
    """Columns of the sheet as lines: gray, neighbors, the law, and every row of that name."""
    g = grid(sheet)
    names = [str(line.record["name"]) for line in sheet.lines]
    shown = [
        i for i, line in enumerate(sheet.lines) if names[i] == name or (line.kind == "trivial" and names[i] in BESIDE)
    ]
    lines = [[head, *(g.rows[i][at] for i in shown)] for at, head in enumerate(g.heads) if at]
    lines = [line for line in lines if any(cell.strip() for cell in line[1:])]
    notes = " ".join(
        [sheet.caption, *(note for note in sheet.notes if note.startswith(("Verdicts", "ALARM"))), *_since(sheet, name)]
    )
    return table(["", *(g.rows[i][0] for i in shown)], lines) + f"\n*{notes}*\n"


def _since(sheet: Sheet, name: str) -> list[str]:
    """Which settings of the model are there today and were not when a row was trained: beside others that it knows."""
    lines = [line for line in sheet.lines if line.kind == "model" and line.record["name"] == name]
    if not lines:
        return []
    today = dict(flatten({"model": compose([f"model={name}"])["model"]}))
    new = {}
    for line in lines:
        known = line.record["settings"]
        beside = {key.rpartition(".")[0] for key in known}
        new |= {k: v for k, v in today.items() if k not in known and k.rpartition(".")[0] in beside - {"model"}}
    return [f"Trained before these were there: {', '.join(f'{k} (today {v})' for k, v in new.items())}."] if new else []
