"""The results table, from local rows only. ``python -m colorbench.table outputs``

Best bold, second italic, third bold italic; ties share a rank. Every row says whether it beats gray.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from colorbench.errors import UserError

if TYPE_CHECKING:
    from colorbench.sheet import Cell, Line, Sheet

COSTS = {
    "parameters": "parameters",
    "images_seen": "images seen",
    "seconds": "seconds",
    "peak_memory_mb": "peak MB",
    "evaluations": "passes",
    "images_per_second": "images/s",
}
"""Cost columns: of training, and of coloring one picture (network passes, pictures per second while evaluating)."""


def markdown(sheet: "Sheet", *, intervals: bool = True) -> str:
    """A GitHub table with its caption and notes."""
    heads = ["model", *(f"{c.title} {c.arrow}".strip() for c in sheet.columns.values()), "beats gray"]
    costs = costs_of(sheet)
    lines = [heads + [COSTS[key] for key in costs]]
    for line in sheet.lines:
        cells = [_markdown_cell(sheet.cells[line.label][n], c.digits, intervals) for n, c in sheet.columns.items()]
        label = line.label if line.kind != "trivial" else f"({line.label})"
        lines.append([label, *cells, sheet.beats_gray(line.label), *(cost_text(line, key) for key in costs)])
    widths = [max(len(row[i]) for row in lines) for i in range(len(lines[0]))]
    text = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in lines]
    text.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join([*text, "", sheet.caption, *sheet.notes]) + "\n"


def _markdown_cell(cell: "Cell", digits: int, intervals: bool) -> str:
    text = cell_text(cell, digits, intervals)
    mean, _, rest = text.partition(" ") if cell.interval else (text, "", "")
    marks = {1: "**", 2: "*", 3: "***"}.get(cell.rank, "")
    return f"{marks}{mean}{marks} {rest}".strip()


def cell_text(cell: "Cell", digits: int, intervals: bool) -> str:
    """``10.06 [9.80, 10.31]``, or why not."""
    if cell.interval is None:
        return "n/a" if cell.reason else "–"
    mean, low, high = (f"{v:.{digits}f}" for v in (cell.interval.mean, cell.interval.low, cell.interval.high))
    return f"{mean} [{low}, {high}]" if intervals else mean


def costs_of(sheet: "Sheet") -> list[str]:
    """The cost columns that any model has."""
    return [key for key in COSTS if any(line.cost(key) for line in sheet.lines if line.kind == "model")]


def cost_text(line: "Line", key: str) -> str:
    """31.0M, 12,000, 95 ..."""
    value = line.cost(key) if line.kind == "model" else None
    if value is None:
        return ""
    if key == "parameters":
        return f"{value / 1e6:.2f}M" if value >= 1e5 else f"{value:,.0f}"
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(prog="python -m colorbench.table", description="Print the results table(s) of runs.")
    p.add_argument("roots", nargs="*", type=Path, default=[Path("outputs")], metavar="FOLDER",
                   help="runs, or folders that hold them (default: outputs)")  # fmt: skip
    p.add_argument("--metrics", nargs="+", default=[], metavar="COLUMN", help="columns to show; 'all' for all")
    p.add_argument("--no-intervals", action="store_true", help="means only")
    p.add_argument("--resamples", type=int, default=2000, help="of the bootstrap (default: 2000)")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """0, or 2 for a mistake that the user can mend."""
    args = parser().parse_args(argv)
    try:
        from colorbench.sheet import sheets

        found = sheets(args.roots, metrics=args.metrics, resamples=args.resamples)
        if not found:
            raise UserError(f"{', '.join(map(str, args.roots))}: no evaluated runs; run python -m colorbench, or python -m colorbench.evaluate RUN")
        print("\n".join(markdown(sheet, intervals=not args.no_intervals) for sheet in found), end="")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
