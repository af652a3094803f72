"""The answer of a comparison: one page, and the paragraph that it begins with."""

import base64
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from colorbench import atomic
from colorbench.evaluation.rows import Evaluation
from colorbench.report.preview import write_preview
from colorbench.report.race import draw_race, told
from colorbench.report.sheet import Line, Sheet, sheets
from colorbench.report.statistics import Estimate
from colorbench.report.table import html_text
from colorbench.runs.looks import Moments, read_moments

SCORE = "joint"


@dataclass(frozen=True)
class Entry:
    """A family at the end of a rung. score: mean joint score of validation pictures. images, seconds: of its training.

    evaluations: of the network for one draw. wall: seconds of this rung with validation, set-up and, on the last, the
    test. failed: why it is out, or ''."""

    model: str
    folder: str
    score: float
    images: int
    seconds: float
    evaluations: int
    wall: float
    failed: str = ""


@dataclass(frozen=True)
class Answer:
    """What a comparison found. training, size: of the pictures. ends: seconds at the end of each rung."""

    words: tuple[str, ...]
    training: int
    size: int
    seconds: float
    ends: tuple[float, ...]
    rungs: tuple[tuple[Entry, ...], ...]
    left_out: tuple[str, ...]
    pictures: int
    longer: float

    @property
    def finalists(self) -> list[Entry]:
        """Judged on test pictures."""
        return [entry for entry in self.rungs[-1] if not entry.failed]

    @property
    def wall(self) -> float:
        """Seconds of everything: training, set-up, validation, the test."""
        return sum(entry.wall for rung in self.rungs for entry in rung)

    def last(self) -> dict[str, Entry]:
        """{model: where it stopped}, the longest trained first."""
        found: dict[str, Entry] = {}
        for rung in self.rungs:
            found |= {e.model: e for e in rung if not e.failed}
        return dict(sorted(found.items(), key=lambda item: (-item[1].seconds, item[1].score)))


def write_answer(answer: Answer, folder: Path) -> Path:
    """``compare.html`` in ``folder``, its figures and its Markdown beside it; prints the paragraph."""
    (sheet, *_) = sheets([Path(e.folder) for e in answer.finalists])
    lines = {str(line.record["name"]): line for line in sheet.lines if line.kind == "model"}
    raced = {m: found for m, e in answer.last().items() if (found := read_moments(Path(e.folder))) is not None}
    said = paragraph(answer, sheet, lines, raced)
    marks = {f"rung {i}": end for i, end in enumerate(answer.ends[:-1], 1)}
    figures = {
        "Validation score against seconds and images": draw_race(raced, folder / "compare-race.png", marks),
        "Test score against time a picture": _pareto(sheet, lines, folder / "compare-pareto.png"),
        "The same test pictures of each": _pictures(sheet, lines, answer.pictures, folder / "compare-pictures.png"),
    }
    winner = best(sheet, lines)
    command = longer(answer, next(e for e in answer.finalists if e.model == winner))
    steps = rung_lines(answer)
    leads = told(raced)
    text = "\n".join(
        ["# Which family", "", said, "", "## Rungs", "", *steps]
        + (["", "## Who leads when", "", *(f"- {line}" for line in leads)] if leads else [])
        + ["", "## Train the winner longer", "", f"    {command}", ""]
    )
    atomic.write_text(folder / "compare.md", text)
    page = folder / "compare.html"
    atomic.write_text(page, _html(said, steps, leads, figures, sheet, command))
    print(f"\n{said}\n\npage: {page}\nlonger: {command}")
    return page


def best(sheet: Sheet, lines: Mapping[str, Line]) -> str:
    """The finalist with the lowest joint score on test."""
    return min(lines, key=lambda model: sheet.estimates[SCORE][lines[model].label].center)


def standing(gap: Estimate, smallest: float) -> str:
    """What the interval of (another - the best) says: behind, equivalent (nothing that matters), not told apart."""
    i = gap.interval
    if -smallest <= i.low and i.high <= smallest:
        return "equivalent"
    return "behind" if i.low > 0 else "not told apart"


def paragraph(answer: Answer, sheet: Sheet, lines: Mapping[str, Line], raced: Mapping[str, Moments]) -> str:
    """The answer in words."""
    winner = best(sheet, lines)
    scores = {model: sheet.estimates[SCORE][line.label] for model, line in lines.items()}
    smallest = sheet.protocol.smallest(SCORE)
    told_of: dict[str, list[str]] = {"equivalent": [], "not told apart": [], "behind": []}
    for model in sorted(scores, key=lambda m: scores[m].center):
        if model != winner:
            gap = scores[model] - scores[winner]
            i = gap.interval
            told_of[standing(gap, smallest)].append(f"{model} (by {i.mean:.3f} [{i.low:.3f}, {i.high:.3f}])")
    i = scores[winner].interval
    words = [
        f"For these {answer.training:,} training photographs at {answer.size} px and {answer.seconds / 60:,.3g} minutes"
        f" of training in all ({answer.wall / 60:,.3g} with set-up, looks and test): {winner}, joint score {i.mean:.3f}"
        f" [{i.low:.3f}, {i.high:.3f}] on test (energy of fields and variogram, gray is 1, lower is better)."
    ]
    if told_of["equivalent"]:
        words.append(f"Equivalent to it, within {smallest:g}: {', '.join(told_of['equivalent'])}.")
    if told_of["not told apart"]:
        words.append(f"Not told apart from it by these {sheet.protocol.images:,} pictures: ")
        words[-1] += f"{', '.join(told_of['not told apart'])}."
    if told_of["behind"]:
        words.append(f"It is ahead of {', '.join(told_of['behind'])}.")
    if lines[winner].label in sheet.alarms:
        words.append(f"Look at its pictures: {sheet.alarms[lines[winner].label]}.")
    verdict = sheet.verdict(lines[winner].label)
    if verdict:
        words.append(f"Beside rows that learn nothing it is {verdict}.")
    out = [m for m in answer.last() if m not in lines]
    if out:
        words.append(f"Dropped on the way by validation score: {', '.join(out)}.")
    if winner in raced:
        words.append(_more(raced[winner]))
    words.append("One training of each: intervals do not contain the spread of retraining.")
    return " ".join(words)


def _more(moments: Moments) -> str:
    half = int((moments.seconds < moments.seconds[-1] / 2).sum())
    then, now = moments.score[min(half, len(moments.score) - 1)].mean(), moments.score[-1].mean()
    return (
        f"More time: over the second half of its training its validation score went from {then:.3f} to {now:.3f}, the "
        "cool-down of the rate included."
    )


def rung_lines(answer: Answer) -> list[str]:
    """A Markdown table of every rung: who was in it, what it had spent, who went on."""
    rows = [
        "| rung | family | validation, joint score | images | seconds | evaluations a draw | then |",
        "|" + "---|" * 7,
    ]
    for number, rung in enumerate(answer.rungs):
        on = {e.model for e in answer.rungs[number + 1]} if number + 1 < len(answer.rungs) else set()
        for e in sorted(rung, key=lambda e: (bool(e.failed), e.score, e.model)):
            last = number + 1 == len(answer.rungs)
            then = (
                f"failed: {e.failed}" if e.failed else "judged" if last else "goes on" if e.model in on else "dropped"
            )
            numbers = (
                ["", "", "", ""]
                if e.failed
                else [f"{e.score:.3f}", f"{e.images:,}", f"{e.seconds:,.1f}", f"{e.evaluations}"]
            )
            rows.append("| " + " | ".join([str(number + 1), e.model, *numbers, then.replace("|", "/")]) + " |")
    spent = sum(e.seconds for e in answer.last().values())
    rows += ["", f"{spent:,.0f} s of training; {answer.wall:,.0f} s with set-up, validation and the test."]
    return rows + [f"Left out: {line}" for line in answer.left_out]


def longer(answer: Answer, winner: Entry) -> str:
    """The command that goes on from the winner's weights."""
    words = [w for w in answer.words if not w.startswith(("budget.", "study="))]
    more = [f"budget.seconds={answer.longer * winner.seconds:.0f}", "budget.images=null", f"init_from={winner.folder}"]
    return shlex.join(["colorbench", f"model={winner.model}", *words, *more])


def _pareto(sheet: Sheet, lines: Mapping[str, Line], file: Path) -> Path:
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    figure = Figure(figsize=(4.8, 3.2), layout="constrained")
    axes: Any = figure.add_subplot()
    for model, line in lines.items():
        i = sheet.estimates[SCORE][line.label].interval
        x = 1000 / max(float(line.record["images_per_second"]), 1e-9)
        axes.errorbar(x, i.mean, [[i.mean - i.low], [i.high - i.mean]], fmt="o", ms=5, label=model)
    axes.set(xlabel="milliseconds a picture", ylabel="test, joint score ↓", xscale="log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8)
    with atomic.replacing(file) as part:
        figure.savefig(part, format="png", dpi=120)
    return file


def _pictures(sheet: Sheet, lines: Mapping[str, Line], count: int, file: Path) -> Path:
    chosen = [line for line in sheet.lines if line.label in ("gray", "truth")]
    ordered = sorted(lines.values(), key=lambda line: sheet.estimates[SCORE][line.label].center)
    evaluations: list[Evaluation] = [line.evaluations[0] for line in (*chosen, *ordered)]
    return write_preview(evaluations, file, images=count)


_LOOK = """:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;
color:#1d1f21;background:#fff}
img{max-width:100%;height:auto}table{border-collapse:collapse;font-size:.85rem;display:block;overflow-x:auto}
td,th{padding:.2rem .6rem;border-bottom:1px solid #ddd;text-align:left}.note{font-size:.85rem;color:#555}
.results caption{display:none}
.results td{min-width:5rem;vertical-align:top}.results .words{min-width:18rem}.results tr.trivial{opacity:.75}
pre{background:#f3f3f0;padding:.8rem;white-space:pre-wrap;overflow-wrap:anywhere}.answer{font-size:1.1rem}
@media(prefers-color-scheme:dark){body{background:#16181b;color:#e4e6e8}td,th{border-color:#3a3d41}.note{color:#a5a9ad}
pre{background:#23262a}img{background:#fff;padding:.4rem;box-sizing:border-box;border-radius:4px}}"""


def _html(
    said: str, steps: Sequence[str], leads: Sequence[str], figures: Mapping[str, Path], sheet: Sheet, command: str
) -> str:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in steps if line.startswith("| ")]
    head, *body = rows
    html = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>colorbench compare</title>',
        f'<meta name="viewport" content="width=device-width"><style>{_LOOK}</style></head><body>',
        f'<h1>Which family</h1><p class="answer">{escape(said)}</p>',
    ]
    for title, file in figures.items():
        data = base64.b64encode(file.read_bytes()).decode()
        html.append(f'<h2>{escape(title)}</h2><img alt="{escape(title)}" src="data:image/png;base64,{data}">')
    html.append("<ul>" + "".join(f"<li>{escape(line)}</li>" for line in leads) + "</ul>")
    html.append("<h2>Rungs</h2><table><tr>" + "".join(f"<th>{escape(c)}</th>" for c in head) + "</tr>")
    html += ["<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in body]
    html.append("</table>" + "".join(f"<p>{escape(s)}</p>" for s in steps if s and not s.startswith("|")))
    html.append(f"<h2>On the test pictures</h2><div class=results>{html_text(sheet)}</div>")
    html += [f"<p class=note>{escape(note)}</p>" for note in (sheet.caption, *sheet.notes)]
    html.append(f"<h2>Train the winner longer</h2><pre>{escape(command)}</pre></body></html>")
    return "\n".join(html)
