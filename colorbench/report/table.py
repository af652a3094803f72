"""A sheet as text: Markdown, CSV, LaTeX, HTML; and the paired differences of two rows.

Best bold, second italic, third bold italic; ties share a rank. Every row says what it is better at than rows that
learned nothing, and whether an alarm rings.
"""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from colorbench.errors import UserError
from colorbench.registry import suggest
from colorbench.report.sheet import Cell, Line, Sheet
from colorbench.report.verdicts import BETTER, WORSE, claim, holm
from colorbench.spreadsheet import guarded

COSTS = {
    "parameters": "parameters",
    "images_seen": "images seen",
    "minutes": "minutes",
    "teraflops": "TFLOP",
    "peak_memory_mb": "peak MB",
    "evaluations": "passes",
    "images_per_second": "images/s",
}
"""Cost columns: of training (minutes of that machine, TFLOP of any), and of coloring one picture (network passes,
pictures per second while evaluating)."""


@dataclass(frozen=True)
class Grid:
    """A sheet as words: heads, rows of cells, and for each cell its rank (0: none). What all formats print."""

    heads: list[str]
    rows: list[list[str]]
    ranks: list[list[int]]
    trivial: list[bool]


def grid(sheet: Sheet, *, intervals: bool = True, costs: bool = True) -> Grid:
    """Model, metrics, verdict, alarm, costs."""
    spent = costs_of(sheet) if costs else []
    heads = [
        "model",
        *(f"{c.title} {c.arrow}".strip() for c in sheet.columns.values()),
        "against what learned nothing",
        *(["alarm"] if sheet.alarms else []),
    ]
    heads += [COSTS[key] for key in spent]
    rows, ranks = [], []
    for line in sheet.lines:
        cells = [(sheet.cells[line.label][name], what.digits) for name, what in sheet.columns.items()]
        rows.append(
            [
                line.label,
                *(cell_text(cell, digits, intervals) for cell, digits in cells),
                sheet.verdict(line.label),
                *([sheet.alarms.get(line.label, "")] if sheet.alarms else []),
                *(cost_text(line, key) for key in spent),
            ]
        )
        ranks.append([0, *(cell.rank for cell, _ in cells), *(0 for _ in range(len(spent) + 1 + bool(sheet.alarms)))])
    return Grid(heads, rows, ranks, [line.kind == "trivial" for line in sheet.lines])


def markdown(sheet: Sheet, *, intervals: bool = True, costs: bool = True) -> str:
    """A GitHub table with its caption and notes; trivial rows in parentheses."""
    marks = {1: "**", 2: "*", 3: "***"}
    g = grid(sheet, intervals=intervals, costs=costs)
    lines = [g.heads]
    for row, ranks, trivial in zip(g.rows, g.ranks, g.trivial, strict=True):
        cells = [_marked(text, marks.get(rank, ""), marks.get(rank, "")) for text, rank in zip(row, ranks, strict=True)]
        lines.append([f"({cells[0]})" if trivial else cells[0], *cells[1:]])
    widths = [max(len(row[i]) for row in lines) for i in range(len(g.heads))]
    text = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in lines]
    text.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join([*text, "", sheet.caption, *sheet.notes]) + "\n"


def latex(sheet: Sheet, *, intervals: bool = True, costs: bool = True) -> str:
    """A booktabs table: best bold, second italic, third bold italic."""
    marks = {1: r"\textbf{", 2: r"\textit{", 3: r"\textbf{\textit{"}
    g = grid(sheet, intervals=intervals, costs=costs)
    body = []
    for row, ranks in zip(g.rows, g.ranks, strict=True):
        cells = []
        for text, rank in zip(row, ranks, strict=True):
            opening = marks.get(rank, "")
            cells.append(_marked(_tex(text), opening, "}" * opening.count("{")))
        body.append("  " + " & ".join(cells) + r" \\")
    trivial = sum(g.trivial)
    if 0 < trivial < len(body):
        body.insert(trivial, r"  \midrule")
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{_tex(' '.join([sheet.caption, *sheet.notes]))}}}",
            rf"  \begin{{tabular}}{{l{'r' * (len(g.heads) - 1)}}}",
            r"  \toprule",
            "  " + " & ".join(_tex(head) for head in g.heads) + r" \\",
            r"  \midrule",
            *body,
            r"  \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def csv_text(sheet: Sheet, *, intervals: bool = True, costs: bool = True) -> str:
    """Numbers in full: for each metric mean, low, high, rank, verdict and the closest trivial row; then the costs."""
    spent = costs_of(sheet) if costs else []
    heads = ["protocol", "model", "kind", "seeds"]
    for name in sheet.columns:
        heads += [name, f"{name} low", f"{name} high", f"{name} rank", f"{name} verdict", f"{name} closest"]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*heads, *spent])
    for line in sheet.lines:
        row: list[Any] = [sheet.protocol.id, line.label, line.kind, line.seeds]
        for name in sheet.columns:
            cell = sheet.cells[line.label][name]
            if cell.interval is not None:
                row += [
                    cell.interval.mean,
                    cell.interval.low,
                    cell.interval.high,
                    cell.rank or "",
                    cell.verdict,
                    cell.against,
                ]
            elif cell.plain is not None:
                row += [cell.plain[0], *[""] * 5]
            else:
                row += [f"n/a ({cell.reason})" if cell.reason else "", *[""] * 5]
        row = [guarded(cell) if isinstance(cell, str) else cell for cell in row]
        writer.writerow([*row, *("" if (v := line.cost(key)) is None else v for key in spent)])
    return out.getvalue()


def html_text(sheet: Sheet, *, intervals: bool = True, costs: bool = True) -> str:
    """A bare <table>, for pages of one's own: rows of class trivial learned nothing, cells of class words are long."""
    g = grid(sheet, intervals=intervals, costs=costs)
    lines = ["<table>", f"<caption>{escape(' '.join([sheet.caption, *sheet.notes]))}</caption>"]
    lines.append("<thead><tr>" + "".join(f'<th scope="col">{escape(head)}</th>' for head in g.heads) + "</tr></thead>")
    marks = {1: ("<b>", "</b>"), 2: ("<i>", "</i>"), 3: ("<b><i>", "</i></b>")}
    for row, ranks, trivial in zip(g.rows, g.ranks, g.trivial, strict=True):
        cells = [f'<th scope="row">{escape(row[0])}</th>']
        for text, rank in zip(row[1:], ranks[1:], strict=True):
            words = " class=words" if len(text) > 40 else ""
            cells.append(f"<td{words}>{_marked(escape(text), *marks.get(rank, ('', '')))}</td>")
        lines.append(f"<tr{' class=trivial' if trivial else ''}>{''.join(cells)}</tr>")
    return "\n".join([*lines, "</table>", ""])


_TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "_": r"\_",
    "#": r"\#",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "Δ": r"$\Delta$",
    "–": "--",
    "±": r"$\pm$",
    "·": r"$\cdot$",
}
FORMATS: dict[str, Callable[..., str]] = {"md": markdown, "csv": csv_text, "tex": latex, "html": html_text}


def differences(found: Sequence[Sheet], one: str, other: str) -> list[str]:
    """:func:`difference` under every protocol that judged both. UserError where none did."""
    both = [sheet for sheet in found if {one, other} <= set(sheet.cells)]
    known = list(dict.fromkeys(label for sheet in found for label in sheet.cells))
    for label in (one, other):
        if label not in known:
            raise UserError(f"--diff {label}: no such row{suggest(label, known)}")
    if not both:
        ids = {label: ", ".join(s.protocol.id for s in found if label in s.cells) for label in (one, other)}
        raise UserError(
            f"--diff {one} {other}: judged under unlike protocols ({ids[one]}; {ids[other]}); compare what learned "
            "from the same data set, or judge both with one --set (colorbench evaluate)"
        )
    return [difference(sheet, one, other) for sheet in both]


@dataclass(frozen=True)
class Paired:
    """One column of two rows: their means, the mean difference one - other, its 95 % interval, the verdict."""

    column: str
    one: float
    other: float
    difference: float
    low: float
    high: float
    verdict: str


def paired(sheet: Sheet, one: str, other: str) -> list[Paired]:
    """The paired differences of two rows in every column that has intervals for both. UserError: no such row."""
    for label in (one, other):
        if label not in sheet.cells:
            raise UserError(f"--diff {label}: no such row{suggest(label, list(sheet.cells))}")
    spoken = {BETTER: f"{one} is better", WORSE: f"{other} is better"}
    both = {name: found for name, found in sheet.estimates.items() if one in found and other in found}
    words = holm(
        {
            name: claim(found[one], {other: found[other]}, sheet.columns[name].better, sheet.protocol.smallest(name))
            for name, found in both.items()
            if sheet.columns[name].better != "neither"
        }
    )
    lines = []
    for name, found in both.items():
        gap = (found[one] - found[other]).interval
        differs = "differs" if gap.excludes_zero else "tied"
        judged = spoken.get(words[name], words[name]) if name in words else differs
        means = found[one].center, found[other].center
        lines.append(Paired(name, *means, gap.mean, gap.low, gap.high, judged))
    return lines


def difference(sheet: Sheet, one: str, other: str) -> str:
    """Paired differences one - other of two rows, a Markdown table with a verdict for each metric."""
    lines = [["metric", one, other, f"{one} - {other}", "verdict"]]
    for found in paired(sheet, one, other):
        what = sheet.columns[found.column]
        means = [f"{mean:.{what.digits}f}" for mean in (found.one, found.other)]
        span = f"{found.difference:+.{what.digits}f} [{found.low:+.{what.digits}f}, {found.high:+.{what.digits}f}]"
        lines.append([f"{what.title} {what.arrow}".strip(), *means, span, found.verdict])
    text = ["| " + " | ".join(row) + " |" for row in lines]
    text.insert(1, "|" + "---|" * len(lines[0]))
    return "\n".join([*text, "", f"{sheet.caption} Differences are paired by picture.", *sheet.notes]) + "\n"


def _marked(text: str, opening: str, closing: str) -> str:
    mean, space, rest = text.partition(" ")
    return f"{opening}{mean}{closing}{space}{rest}" if opening else text


def _tex(text: str) -> str:
    for plain, escaped in _TEX.items():
        text = text.replace(plain, escaped)
    return text


def cell_text(cell: Cell, digits: int, intervals: bool) -> str:
    """``10.06 [9.80, 10.31]``, ``0.012 ± 0.001``, or n/a (the reason stands in the notes)."""
    if cell.plain is not None:
        value, deviation = cell.plain
        return f"{value:.{digits}f}" + (f" ± {deviation:.{digits}f}" if intervals and deviation else "")
    if cell.interval is None:
        return "n/a" if cell.reason else "–"
    mean, low, high = (f"{v:.{digits}f}" for v in (cell.interval.mean, cell.interval.low, cell.interval.high))
    return f"{mean} [{low}, {high}]" if intervals else mean


def costs_of(sheet: Sheet) -> list[str]:
    """The cost columns that any model has."""
    return [key for key in COSTS if any(line.cost(key) for line in sheet.lines if line.kind == "model")]


def cost_text(line: Line, key: str) -> str:
    """31.0M, 12,000, 95 ..."""
    value = line.cost(key) if line.kind == "model" else None
    if value is None:
        return ""
    if key == "parameters":
        return f"{value / 1e6:.2f}M" if value >= 1e5 else f"{value:,.0f}"
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
