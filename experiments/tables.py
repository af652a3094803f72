"""The tables in an experiment's README, written anew from its committed rows: what rows say, nobody types.

    python experiments/tables.py experiments/01_families experiments/02_known_law      write them
    python experiments/tables.py --check experiments/01_families                       fail where one is stale

Its ``tables.yaml`` says for each table of one protocol which rows it shows, called how, in which columns, and which
pairs it compares; ``<!-- P rows -->`` to ``<!-- end -->`` in the README is where they stand. Kinds: rows, pairs, seeds
(a sentence: what training seeds deviate by). A row is named by its run's name or the end of it, or as a trivial row.
Columns: those of ``colorbench table``, its costs, ``of gray`` (energy score over gray's), ``mean of draws`` (dB of the
mean of a picture's draws over gray's), and those under ``given``, which each row brings along (what ``colorbench law``
prints). A column followed by ``..`` is shown with its interval.
"""

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

import colorbench
from colorbench.metrics.flat import alarm
from colorbench.report.sheet import Line, Sheet
from colorbench.report.statistics import Estimate

COSTS = {"images_seen": "images", "minutes": "minutes", "teraflops": "TFLOP", "evaluations": "passes"}
SHARES = ("place",)  # shown in percent
BORROWED = {"of gray": "energy", "mean of draws": "psnr_of_mean"}  # columns made from one of the sheet and gray
PLACE = re.compile(r"(<!-- (\w+) (rows|pairs|seeds) -->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True)
class Tables:
    """One entry of tables.yaml with the sheet of its rows."""

    folder: Path
    entry: Mapping[str, Any]

    @cached_property
    def sheet(self) -> Sheet:
        named = [
            BORROWED.get(name.removesuffix(".."), name.removesuffix(".."))
            for key in ("columns", "compared", "retrained")
            for name in self.entry.get(key, ())
        ]
        elsewhere = {*COSTS, *self.entry.get("given", ())}
        columns = dict.fromkeys(name for name in [*named, "energy", "psnr"] if name not in elsewhere)
        return colorbench.results(self.folder / "rows", columns=tuple(columns), protocol=self.entry["protocol"]).sheet

    def line(self, name: str) -> Line:
        """That of this run, of the runs whose names end so, or the trivial row of this name."""
        lines = [line for line in self.sheet.lines if any(_is(e.record, name) for e in line.evaluations)]
        if len(lines) != 1:
            raise SystemExit(f"{self.folder}: {len(lines)} rows are called {name!r}")
        return lines[0]

    def rows(self) -> str:
        """Models in their costs and columns; a mark where one leads or an alarm rings."""
        columns = [(name.removesuffix(".."), name.endswith("..")) for name in self.entry["columns"]]
        text = [["", *(self.head(name) for name, _ in columns)]]
        for title, row in self.entry["rows"].items():
            given = row if isinstance(row, dict) else {"run": row}
            line = self.line(given["run"]) if "run" in given else None  # what only the law knows has no row
            text.append(
                [
                    title,
                    *(
                        given[name] if name in given else self.cell(line, name, span) if line else ""
                        for name, span in columns
                    ),
                ]
            )
        return _markdown(text)

    def pairs(self) -> str:
        """Paired differences; bold where the interval is on one side of zero."""
        text = [["", *(self.head(name) for name in self.entry["compared"])]]
        for title, (one, other) in self.entry["pairs"].items():
            a, b = self.line(one).label, self.line(other).label
            text.append([title, *(self.gap(name, a, b) for name in self.entry["compared"])])
        return _markdown(text)

    def seeds(self) -> str:
        """What training seeds deviate by."""
        known = {name: self.sheet.retraining[name] for name in self.entry["retrained"] if name in self.sheet.retraining}
        if not known:
            return "One training each: intervals are of pictures alone."
        several = [line for line in self.sheet.lines if line.kind == "model" and line.seeds > 1]
        by = "; ".join(
            f"{self.sheet.columns[name].title} {100 * d.deviation:.1f} %"
            if name in SHARES
            else f"{self.sheet.columns[name].title} {d.deviation:.2g}"
            for name, d in known.items()
        )
        freedom = max(d.freedom for d in known.values())
        return (
            f"Every interval holds what training seeds deviate by, pooled over the {len(several)} rows of several "
            f"seeds, {freedom} degrees of freedom: {by}."
        )

    def head(self, name: str) -> str:
        if name in COSTS:
            return COSTS[name]
        if name == "of gray":
            return "of gray's"
        if name == "mean of draws":
            return "mean of draws, dB over gray"
        if name in self.sheet.columns:
            what = self.sheet.columns[name]
            return f"{what.title}{', %' if name in SHARES else ''} {what.arrow}".strip()
        return name

    def cell(self, line: Line, name: str, span: bool) -> str:
        if name in COSTS:
            return f"{spent:,.0f}" if line.kind == "model" and (spent := line.cost(name)) is not None else ""
        if name in BORROWED:
            return self.beside_gray(line, name)
        cell = self.sheet.cells[line.label].get(name)
        if cell is None or cell.interval is None:
            return ""
        found = cell.interval
        mean = self.number(name, found.mean)
        if cell.rank == 1 and line.kind == "model":
            mean = f"**{mean}**"
        if name == "flat_variation" and alarm(found.mean):
            mean = f"{mean} ⚠"
        return f"{mean} [{self.number(name, found.low)}, {self.number(name, found.high)}]" if span else mean

    def beside_gray(self, line: Line, name: str) -> str:
        of, gray = self.sheet.cells[line.label][BORROWED[name]].interval, self.sheet.cells["gray"]
        if of is None or line.record.get("draws", 1) < 2:
            return ""
        if name == "of gray":
            energy = gray["energy"].interval
            return f"{of.mean / energy.mean:.3f}" if energy else ""
        once = gray["psnr"].interval
        return f"{of.mean - once.mean:+.2f}" if once else ""

    def gap(self, name: str, one: str, other: str) -> str:
        found: Mapping[str, Estimate] = self.sheet.estimates[name]
        if one not in found or other not in found:
            return ""
        interval = (found[one] - found[other]).interval
        mean, low, high = (self.number(name, value) for value in (interval.mean, interval.low, interval.high))
        mean = mean if mean.startswith("-") else f"+{mean}"
        return f"{f'**{mean}**' if interval.excludes_zero else mean} [{low}, {high}]"

    def number(self, name: str, value: float) -> str:
        text = f"{100 * value:.0f}" if name in SHARES else f"{value:.{self.sheet.columns[name].digits}f}"
        return text.lstrip("-") if float(text) == 0 else text


def _is(record: Mapping[str, Any], name: str) -> bool:
    run = str(record.get("run", ""))
    return name == record["name"] or run.endswith(name)


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines)


def written(folder: Path) -> str:
    """The README of an experiment with its tables as the rows have them."""
    entries = yaml.load((folder / "tables.yaml").read_text("utf-8"), yaml.BaseLoader)  # no hash is a number
    tables = {name: Tables(folder, entry) for name, entry in entries.items()}

    def fill(found: re.Match[str]) -> str:
        kind: Callable[[], str] = getattr(tables[found[2]], found[3])
        return f"{found[1]}{kind()}\n{found[4]}"

    return PLACE.sub(fill, (folder / "README.md").read_text("utf-8"))


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("experiments", nargs="+", type=Path, metavar="EXPERIMENT")
    p.add_argument("--check", action="store_true", help="write nothing; fail where a table is stale")
    args = p.parse_args()
    stale = []
    for folder in args.experiments:
        if not (folder / "tables.yaml").is_file():
            sys.exit(f"{folder}: has no tables.yaml")
        page, text = folder / "README.md", written(folder)
        if page.read_text("utf-8") != text:
            stale.append(str(page))
            if not args.check:
                page.write_text(text, "utf-8")
    print(*stale or ["nothing to change"], sep="\n")
    sys.exit(bool(stale) and args.check)


if __name__ == "__main__":
    main()
