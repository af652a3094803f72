"""A race: validation scores against what was spent, who leads when, and where one overtakes another.

From a run's own looks at its validation pictures (:mod:`colorbench.runs.looks`). Between two looks a score is
interpolated in a straight line. The interval of a crossing is that of its place over bootstrap resamples of the
pictures, among the resamples in which the two cross; one trained run of each is what it speaks of. Where runs kept only
means, there is no interval.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from colorbench import atomic
from colorbench.report.sheet import Line
from colorbench.report.statistics import Bootstrap, Interval
from colorbench.runs.looks import Moments, read_moments

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WORST = 1.05
"""Where the drawing ends: gray is 1, and a curve above it would press the others together."""
Axis = Literal["seconds", "images"]


@dataclass(frozen=True)
class Lead:
    """``who`` leads from ``start`` on; ``over`` led before ('' at the beginning). where: the crossing's interval over
    pictures, None where only means are known. share: of resamples in which the two cross."""

    who: str
    over: str
    start: float
    where: Interval | None
    share: float


def of_lines(lines: Sequence[Line]) -> dict[str, Moments]:
    """{label: looks of its first seed}, of the rows whose run folder is there."""
    found = {}
    for line in lines:
        folder = line.evaluations[0].folder
        moments = read_moments(folder.parents[1]) if line.kind == "model" and folder is not None else None
        if moments is not None and len(moments.images) > 1:
            found[line.label] = moments
    return found


def leads(found: Mapping[str, Moments], axis: Axis, *, resamples: int = 1000) -> list[Lead]:
    """Who has the lowest score, from where on; over what all have spent."""
    if len(found) < 2:
        return []
    x = {name: getattr(m, axis) for name, m in found.items()}
    low, high = max(v[0] for v in x.values()), min(v[-1] for v in x.values())
    if low >= high:
        return []
    grid = np.unique(np.concatenate([[low, high], *(v[(v > low) & (v < high)] for v in x.values())]))
    names = list(found)
    means = np.array([np.interp(grid, x[n], found[n].score.mean(1)) for n in names])
    best = means.argmin(0)
    said = [Lead(names[best[0]], "", float(grid[0]), None, 1.0)]
    for t in np.flatnonzero(np.diff(best)):
        before, after = names[best[t]], names[best[t + 1]]
        at = _zero(grid[t], grid[t + 1], *(means[best[t], t + s] - means[best[t + 1], t + s] for s in (0, 1)))
        where, share = _where(found[before], found[after], x[before], x[after], grid, resamples)
        said.append(Lead(after, before, at, None if where is None else Interval(at, *where), share))
    return said


def _where(
    one: Moments,
    other: Moments,
    x: NDArray[np.float64],
    z: NDArray[np.float64],
    grid: NDArray[np.float64],
    resamples: int,
) -> tuple[tuple[float, float] | None, float]:
    """(2.5 %, 97.5 % of where the second overtakes the first for the last time, share of resamples where it does)."""
    if one.pictures != other.pictures or one.pictures < 2:
        return None, 1.0
    gap = _on(grid, x, one.score) - _on(grid, z, other.score)  # [t, pictures]; positive: the second is better
    means = Bootstrap(one.pictures, resamples=resamples).weights.astype(np.float64) @ gap.T  # [resamples, t]
    places = []
    for row in means:
        turns = np.flatnonzero((row[:-1] <= 0) & (row[1:] > 0))
        if len(turns):
            t = turns[-1]
            places.append(_zero(grid[t], grid[t + 1], row[t], row[t + 1]))
    if not places:
        return None, 0.0
    low, high = np.quantile(places, [0.025, 0.975])
    return (float(low), float(high)), len(places) / resamples


def _on(grid: NDArray[np.float64], x: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([np.interp(grid, x, column) for column in values.T], 1)


def _zero(a: float, b: float, fa: float, fb: float) -> float:
    return float(a + (b - a) * fa / (fa - fb)) if fa != fb else float(a)


def told(found: Mapping[str, Moments]) -> list[str]:
    """Who leads when, a line for each change, in seconds and in images."""
    lines = []
    for axis in ("seconds", "images"):
        for lead in leads(found, axis):
            what = f"{lead.start:,.0f} {axis}"
            if not lead.over:
                lines.append(f"From {what}: {lead.who} leads (validation, joint score).")
                continue
            between = (
                f" [{lead.where.low:,.0f}, {lead.where.high:,.0f}], in {100 * lead.share:.0f} % of resamples"
                if lead.where is not None
                else ""
            )
            lines.append(f"At {what}{between}: {lead.who} overtakes {lead.over}.")
    return lines


def draw_race(found: Mapping[str, Moments], file: Path, marks: Mapping[str, float] | None = None) -> Path:
    """:func:`race_figure` as a PNG."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic.replacing(file) as part:
        race_figure(found, marks).savefig(part, format="png", dpi=120)
    return file


def race_figure(found: Mapping[str, Moments], marks: Mapping[str, float] | None = None) -> "Figure":
    """Score against seconds and against images, with 95 % intervals over pictures. marks: {word: seconds}."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 3.6), layout="constrained")
    axes: Any = figure.subplots(1, 2, sharey=True)
    for panel, axis in zip(axes, ("seconds", "images"), strict=True):
        for i, (name, moments) in enumerate(found.items()):
            color = f"C{i % 10}"
            x, mean = getattr(moments, axis), moments.score.mean(1)
            style = ("-", "--", ":", "-.")[i // 10 % 4]  # no two of forty look alike
            panel.plot(x, mean, style, color=color, lw=1.4, marker=".", ms=4, label=name)
            if moments.pictures > 1:
                half = 1.96 * moments.score.std(1, ddof=1) / np.sqrt(moments.pictures)
                panel.fill_between(x, mean - half, mean + half, color=color, alpha=0.12, lw=0)
        panel.set_xlabel(f"{axis} of training")
        panel.grid(alpha=0.25)
    for word, seconds in (marks or {}).items():
        axes[0].axvline(seconds, color="#8b8f97", lw=0.7, ls="--")
        axes[0].annotate(word, (seconds, 1), xycoords=("data", "axes fraction"), fontsize=7, rotation=90, va="top")
    axes[0].set_ylabel("validation, joint score ↓")
    low, high = axes[0].get_ylim()
    axes[0].set_ylim(low, min(high, _WORST))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    return figure
