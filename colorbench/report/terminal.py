"""A sheet in a terminal: as wide as the window, the intervals below the means, the words below the numbers.

Columns that do not fit beside each other stand in a further table below. Where no terminal is (a file, a pipe), the
sheet is Markdown as ever.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from colorbench.report.sheet import Sheet
from colorbench.report.table import Grid, cost_text, costs_of, grid, markdown

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_STYLES = {1: "bold", 2: "italic", 3: "bold italic"}
_EDGES = 3  # characters between two columns


def show(found: Sequence[Sheet], *, intervals: bool = True, costs: bool = True) -> None:
    """Print sheets on standard output."""
    from rich.console import Console

    console = Console(highlight=False)
    for i, sheet in enumerate(found):
        if not console.is_terminal:
            print(("\n" if i else "") + markdown(sheet, intervals=intervals, costs=costs), end="")
            continue
        for table in tables(sheet, console, intervals=intervals, costs=costs):
            console.print(table)
        for line in words(sheet):
            console.print(line, markup=False)
        console.print()


def tables(sheet: Sheet, console: "Console", *, intervals: bool, costs: bool) -> list["Table"]:
    """The numbers of a sheet, in as many tables as the console's width asks for."""
    g = grid(sheet, intervals=intervals, costs=False)
    count = len(sheet.columns)
    cells = [[row[0], *(cell.replace(" [", "\n[") for cell in row[1 : count + 1])] for row in g.rows]
    heads = [g.heads[0], *(head.replace(" ", "\n") if len(head) > 12 else head for head in g.heads[1 : count + 1])]
    found = _blocks(Grid(heads, cells, g.ranks, g.trivial), console.width)
    spent = costs_of(sheet) if costs else []
    models = [line for line in sheet.lines if line.kind == "model"]
    if spent and models:
        from colorbench.report.table import COSTS

        rows = [[line.label, *(cost_text(line, key) for key in spent)] for line in models]
        names = ["model", *(COSTS[key] for key in spent)]
        found += _blocks(Grid(names, rows, [[0] * len(names)] * len(rows), [False] * len(rows)), console.width)
    return found


def words(sheet: Sheet) -> list[str]:
    """What stands below the numbers: verdicts, the caption, notes."""
    said = [f"{line.label}: {verdict}" for line in sheet.lines if (verdict := sheet.verdict(line.label))]
    return [*said, "", sheet.caption, *sheet.notes]


def _blocks(g: Grid, width: int) -> list["Table"]:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    def broad(i: int) -> int:
        return max(len(part) for row in [g.heads, *g.rows] for part in row[i].split("\n")) + _EDGES

    found: list[Table] = []
    at, end = 1, len(g.heads)
    first = min(broad(0), max(width // 3, 12))
    while at < end:
        last, used = at, first
        while last < end and (last == at or used + broad(last) <= width):
            used += broad(last)
            last += 1
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        table.add_column(g.heads[0], max_width=first, overflow="fold")
        for i in range(at, last):
            table.add_column(Text(g.heads[i], justify="right"), justify="right", no_wrap=True)
        for row, ranks, trivial in zip(g.rows, g.ranks, g.trivial, strict=True):
            marked = [Text(row[i], style=_STYLES.get(ranks[i], "")) for i in range(at, last)]
            table.add_row(Text(row[0]), *marked, style="dim" if trivial else "")
        found.append(table)
        at = last
    return found
