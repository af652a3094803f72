"""The README's table from the committed rows: what each seed document reported, its preset, our default, and gray.

table.py rows [--into README.md]
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from colorbench.report.results import Results
from colorbench.report.sheet import Line, Sheet
from colorbench.report.table import paired

COLUMNS = ("psnr", "ssim", "delta_e_76", "ciede2000", "trunk_distance_lite0", "chroma_ratio")
BEGIN, END = "<!-- table.py -->\n", "<!-- end -->\n"


@dataclass(frozen=True)
class Document:
    """number: of the document, and of its study. models: ours of the same kind. reported: in the order of COLUMNS."""

    number: str
    title: str
    models: tuple[str, ...]
    reported: dict[str, str]


DOCUMENTS = (
    Document("000", "100 landscapes, 256 px, 120 epochs", ("resunetgan",), {"psnr": "22.53", "ssim": "0.9162"}),
    Document(
        "001",
        "UNetGAN, the best of its six; LPIPS 0.239; 64 pictures",
        ("unetgan",),
        {"ssim": "0.728", "delta_e_76": "14.386"},
    ),
    Document("002", "metrics named, no figure", ("pix2pix",), {}),
    Document("003", "no figure", (), {}),
    Document("004", "no figure", ("unetcolorizer",), {}),
)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("rows", type=Path)
    p.add_argument("--into", type=Path, help="a page with the two marks between which the table goes")
    args = p.parse_args()
    sheet = Results.of([args.rows], columns=COLUMNS).sheet
    text = "\n".join(written(sheet)) + "\n"
    if args.into is None:
        print(text)
        return
    before, rest = args.into.read_text().split(BEGIN)
    args.into.write_text(f"{before}{BEGIN}{text}{END}{rest.split(END)[1]}")


def written(sheet: Sheet) -> Iterator[str]:
    """The lines of the table, in Markdown."""
    columns = [name for name in COLUMNS if name in sheet.columns]
    models = sorted((line for line in sheet.lines if line.kind == "model"), key=preset)
    yield f"| | images seen | minutes | {' | '.join(sheet.columns[name].title for name in columns)} |"
    yield "|---|---:|---:|" + "---|" * len(columns)
    for document in DOCUMENTS:
        said = " | ".join(document.reported.get(name, "") for name in columns)
        yield f"| *{document.number} reported* ({document.title}) | | | {said} |"
        for line in models:
            if line.record["experiment"] == f"seed_{document.number}":
                yield row(sheet, line, columns, f"`experiment={preset(line)}` ({line.record['name']})")
        for line in models:
            if line.record["experiment"] == "ours" and line.record["name"] in document.models:
                yield row(sheet, line, columns, f"our default `model={line.record['name']}`")
    for line in models:
        if line.record["experiment"] == "ours" and line.record["name"] == "unet":
            yield row(sheet, line, columns, "**our advice** `model=unet trunk=lite0`")
    for line in sheet.lines:
        if line.label == "gray":
            yield row(sheet, line, columns, line.label)
    yield ""
    yield sheet.caption
    yield ""
    yield "| paired, on the same pictures | CIEDE2000 | PSNR |"
    yield "|---|---|---|"
    for line in models:
        yield gap(sheet, line, "gray")
    for document in DOCUMENTS:
        theirs = [line for line in models if line.record["experiment"] == f"seed_{document.number}"]
        for line in models:
            if theirs and line.record["experiment"] == "ours" and line.record["name"] in document.models:
                yield gap(sheet, line, theirs[-1].label)


def gap(sheet: Sheet, line: Line, other: str) -> str:
    """A system minus another: the mean difference, its interval and the verdict."""
    found = {each.column: each for each in paired(sheet, line.label, other)}
    cells = []
    for name in ("ciede2000", "psnr"):
        each, digits = found[name], sheet.columns[name].digits
        verdict = each.verdict.replace(line.label, "the first").replace(other, "the second")
        cells.append(f"{each.difference:+.{digits}f} [{each.low:+.{digits}f}, {each.high:+.{digits}f}] {verdict}")
    against = next(each for each in sheet.lines if each.label == other)
    return f"| {called(line)} - {called(against)} | {' | '.join(cells)} |"


def called(line: Line) -> str:
    """A system in short: its preset, or ours, or a trivial row."""
    if line.kind == "trivial":
        return line.label
    return f"`{preset(line)}`" if preset(line) else f"our `{line.record['name']}`"


def preset(line: Line) -> str:
    """The preset, or the stage of one; empty for ours."""
    return str(line.record["choices"].get("experiment", ""))


def row(sheet: Sheet, line: Line, columns: list[str], title: str) -> str:
    """A system's line: the mean and its interval in every column."""
    seen, minutes = line.cost("images_seen"), line.cost("minutes")
    costs = ["" if seen is None else f"{seen:,.0f}", "" if minutes is None else f"{minutes:.1f}"]
    return f"| {title} | {' | '.join([*costs, *(cell(sheet, line, name) for name in columns)])} |"


def cell(sheet: Sheet, line: Line, name: str) -> str:
    interval, digits = sheet.cells[line.label][name].interval, sheet.columns[name].digits
    if interval is None:
        return "n/a"
    return f"{interval.mean:.{digits}f} [{interval.low:.{digits}f}, {interval.high:.{digits}f}]"


if __name__ == "__main__":
    main()
