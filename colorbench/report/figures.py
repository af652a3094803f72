"""Figures for papers: what the report shows, as PNG (300 dpi) and PDF, with fonts and sizes fit for print."""

import textwrap
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from colorbench import atomic
from colorbench.errors import UserError
from colorbench.evaluation import kept
from colorbench.report.payload import calibration, collect
from colorbench.report.race import of_lines, race_figure
from colorbench.report.sheet import Sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH = 5.5  # inches: the text width of common templates
_PAGE = 8.5  # inches: its height
_PALETTE = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#b8860b",
    "#56b4e9",
    "#8f5bd1",
    "#e3494f",
    "#5b8c1a",
    "#a0522d",
    "#20b2aa",
    "#c0399f",
    "#4f6bed",
    "#c2b000",
    "#e88f5a",
    "#7d8c00",
)
_STYLE: Any = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "pdf.fonttype": 42,
    "figure.dpi": 100,
    "savefig.bbox": "tight",
    "savefig.pad_inches": 0.03,
    "axes.linewidth": 0.7,
    "font.family": "sans-serif",
}


def write_figures(sheet: Sheet, folder: Path) -> list[Path]:
    """intervals, pareto, distributions, curves, race, gallery, hue, calibration: those that have something to show."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    written, payload = [], collect(sheet)
    for name in FIGURES:
        figure = make_figure(sheet, name, payload)
        if figure is None:
            continue
        with plt.rc_context(_STYLE):
            for suffix in ("png", "pdf"):
                path = folder / f"{name}.{suffix}"
                with atomic.replacing(path) as part:
                    figure.savefig(part, format=suffix, dpi=300)
                figure.set_layout_engine("none")  # found once: it costs as much as drawing
                written.append(path)
            plt.close(figure)
    return written


def make_figure(sheet: Sheet, name: str, payload: dict[str, Any] | None = None) -> "Figure | None":
    """One of :data:`FIGURES`; None where it has nothing to show. payload: ``collect(sheet)``, where it is known."""
    import matplotlib.pyplot as plt

    with plt.rc_context(_STYLE):
        return FIGURES[name](sheet, payload or collect(sheet))


def _colors(sheet: Sheet) -> dict[str, str]:
    models = [line.label for line in sheet.lines if line.kind != "trivial"]
    found = {label: _PALETTE[i % len(_PALETTE)] for i, label in enumerate(models)}
    return {line.label: found.get(line.label, "#8b8f97") for line in sheet.lines}


def _headline(sheet: Sheet) -> list[str]:
    wanted = ("ciede2000", "psnr", "ssim", "energy")
    lpips = [name for name, what in sheet.columns.items() if what.group == "lpips"]
    return [n for n in (*wanted[:2], *lpips, *wanted[2:]) if sheet.estimates.get(n)][:4]


def _intervals(sheet: Sheet, payload: dict[str, Any]) -> "Figure | None":
    """Mean and 95 % interval of every row, in the headline metrics."""
    import matplotlib.pyplot as plt

    names, colors = _headline(sheet), _colors(sheet)
    lines = [line for line in sheet.lines if line.label != "truth"]
    size = (_WIDTH + 1.2, 0.5 + 0.24 * len(lines))
    figure, axes = plt.subplots(1, len(names), figsize=size, sharey=True, squeeze=False)
    for axis, name in zip(axes[0], names, strict=True):
        for y, line in enumerate(reversed(lines)):
            cell = sheet.cells[line.label][name].interval
            if cell is not None:
                axis.plot([cell.low, cell.high], [y, y], color=colors[line.label], lw=2, solid_capstyle="round")
                axis.plot(cell.mean, y, "o", color=colors[line.label], ms=4)
        gray = sheet.cells.get("gray", {}).get(name)
        if gray is not None and gray.interval is not None:
            axis.axvline(gray.interval.mean, color="#8b8f97", lw=0.7, ls="--", zorder=0)
        axis.set_xlabel(f"{sheet.columns[name].title} {sheet.columns[name].arrow}")
        axis.tick_params(axis="y", length=0)
    axes[0][0].set_yticks(range(len(lines)), [_wrapped(line.label) for line in reversed(lines)])
    figure.tight_layout(w_pad=0.8)
    return figure


def _pareto(sheet: Sheet, payload: dict[str, Any]) -> "Figure | None":
    """Quality against what it cost."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullLocator

    names, colors = _headline(sheet)[:2], _colors(sheet)
    costs = [c for c in ("parameters", "minutes", "images_per_second") if c in payload["costs"]][:2]
    if not costs:
        return None
    figure, axes = plt.subplots(len(names), len(costs), figsize=(_WIDTH, 2.2 * len(names)), squeeze=False)
    for row, name in zip(axes, names, strict=True):
        for axis, cost in zip(row, costs, strict=True):
            for line in sheet.lines:
                x, cell = (line.cost(cost) if line.kind == "model" else None), sheet.cells[line.label][name].interval
                if x and cell is not None:
                    error = [[cell.mean - cell.low], [cell.high - cell.mean]]
                    axis.errorbar(
                        x, cell.mean, error, fmt="o", ms=4, lw=0.9, color=colors[line.label], label=line.label
                    )
            spent = [x for line in sheet.lines if line.kind == "model" and (x := line.cost(cost))]
            if spent and max(spent) > 10 * min(spent):
                axis.set_xscale("log")
                axis.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
                axis.xaxis.set_minor_locator(NullLocator())
            else:
                axis.xaxis.set_major_locator(MaxNLocator(4))
            axis.xaxis.set_major_formatter(EngFormatter(sep=""))
            axis.margins(x=0.1)
            axis.set_xlabel(payload["costs"][cost])
            axis.set_ylabel(f"{sheet.columns[name].title} {sheet.columns[name].arrow}")
    figure.tight_layout()
    _legend_below(figure, axes[0][0])
    return figure


def _distributions(sheet: Sheet, payload: dict[str, Any]) -> "Figure | None":
    """Violins over pictures."""
    import matplotlib.pyplot as plt

    names, colors = _headline(sheet), _colors(sheet)
    lines = [ln for ln in reversed(sheet.lines) if ln.label != "truth"]
    size = (_WIDTH + 1.2, 0.5 + 0.24 * len(lines))
    figure, axes = plt.subplots(1, len(names), figsize=size, sharey=True, squeeze=False)
    for axis, name in zip(axes[0], names, strict=True):
        found = [(y, ln, t.mean(0)) for y, ln in enumerate(lines) if (t := ln.table(name)) is not None]
        parts: Any = axis.violinplot(
            [values for _, _, values in found],
            [y for y, _, _ in found],
            orientation="horizontal",
            showextrema=False,
            showmedians=True,
            widths=0.85,
        )
        for body, (_, line, _) in zip(parts["bodies"], found, strict=True):
            body.set(facecolor=colors[line.label], alpha=0.55)
        parts["cmedians"].set(color="#222222", linewidth=1)
        axis.set_xlabel(f"{sheet.columns[name].title} {sheet.columns[name].arrow}")
        axis.tick_params(axis="y", length=0)
    axes[0][0].set_yticks(range(len(lines)), [_wrapped(line.label) for line in lines])
    figure.tight_layout(w_pad=0.8)
    return figure


def _training(sheet: Sheet, payload: dict[str, Any]) -> "Figure | None":
    """Validation records during training."""
    import matplotlib.pyplot as plt

    wanted = ("val/delta_e76", "val/psnr", "val/chroma_ratio")
    keys = [k for k in wanted if any(k in curves for curves in payload["curves"].values())]
    if not keys:
        return None
    colors = _colors(sheet)
    figure, axes = plt.subplots(1, len(keys), figsize=(_WIDTH, 1.9), squeeze=False)
    for axis, key in zip(axes[0], keys, strict=True):
        for label, curves in payload["curves"].items():
            if key in curves:
                axis.plot(*zip(*curves[key], strict=True), color=colors[label], lw=1.1, label=label)
        axis.set(xlabel="images seen", title=key)
    figure.tight_layout()
    _legend_below(figure, axes[0][0])
    return figure


def _race(sheet: Sheet, payload: dict[str, Any]) -> "Figure | None":
    """Validation scores against seconds and against images."""
    found = of_lines(sheet.lines)
    return race_figure(found) if found else None


def _wrapped(label: str, width: int = 40) -> str:
    """A row's label in at most two lines: it may name many settings, and plots have little room."""
    words = (word if "=" in word else word.replace("_", " ") for word in label.split(" "))  # settings can be typed
    return textwrap.fill(" ".join(words), width, max_lines=2, placeholder=" …")


def _legend_below(figure: "Figure", axes: "Axes") -> None:
    """Every name once, under the plots: labels at the points would lie on each other."""
    handles, labels = axes.get_legend_handles_labels()
    names = [_wrapped(label) for label in labels]
    figure.legend(handles, names, loc="upper center", bbox_to_anchor=(0.5, 0.02), ncols=3, frameon=False)


def _gallery(sheet: Sheet, payload: dict[str, Any]) -> "Figure | None":
    """One row for gray, the truth and every model, one column for each of the first pictures; at most a page high."""
    import matplotlib.pyplot as plt

    chosen = [line for line in sheet.lines if line.kind != "trivial" or line.label in ("gray", "truth")]
    chosen = [line for line in chosen if kept.count(line.evaluations[0])]
    columns = min(8, kept.count(chosen[0].evaluations[0])) if chosen else 0
    if not columns:
        return None
    side = min((_WIDTH + 1.2) / columns, _PAGE / len(chosen))
    size = (side * columns, side * len(chosen))
    gaps = {"wspace": 0.03, "hspace": 0.03, "left": 0, "right": 1, "bottom": 0, "top": 1}
    figure, axes = plt.subplots(len(chosen), columns, figsize=size, squeeze=False, gridspec_kw=gaps)
    for row, line in zip(axes, chosen, strict=True):
        for i, axis in enumerate(row):
            with suppress(UserError):  # damaged: an empty place in a figure that stands
                axis.imshow(kept.picture(line.evaluations[0], i), interpolation="lanczos")
            axis.axis("off")
        row[0].text(-0.06, 0.5, _wrapped(line.label), transform=row[0].transAxes, ha="right", va="center", fontsize=8)
    return figure


def _hue(sheet: Sheet, payload: dict[str, Any]) -> "Figure | None":
    """Chroma at each hue; the outline is the truth."""
    import matplotlib.pyplot as plt

    hues = {k: v for k, v in payload["hue"].items() if k not in ("gray", "truth")}
    truth = payload["hue"].get("truth")
    if not hues or truth is None:
        return None
    columns = min(5, len(hues))
    rows = -(-len(hues) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(1.35 * columns, 1.5 * rows), squeeze=False, subplot_kw={"projection": "polar"}
    )
    n = len(truth)
    angle = 2 * np.pi * np.arange(n) / n
    for axis in axes.flat[len(hues) :]:
        axis.set_visible(False)
    for axis, (label, mine) in zip(axes.flat, hues.items(), strict=False):
        axis.bar(angle, np.sqrt(mine), width=2 * np.pi / n, color=payload["hueColors"], linewidth=0)
        axis.plot(np.append(angle, angle[0]), np.sqrt(np.append(truth, truth[0])), color="#222222", lw=0.8)
        axis.set(xticks=[], yticks=[], title=_wrapped(label, 24))
        axis.spines["polar"].set_visible(False)
    figure.tight_layout()
    return figure


def _calibration(sheet: Sheet, payload: dict[str, Any]) -> "Figure | None":
    """Coverage and best of k of the models that draw."""
    import matplotlib.pyplot as plt

    found = {line.label: c for line in sheet.lines if (c := calibration(line))}
    if not found:
        return None
    colors = _colors(sheet)
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(_WIDTH, 1.9))
    left.plot([0, 1], [0, 1], color="#8b8f97", lw=0.7, ls="--")
    for label, c in found.items():
        left.plot(c["nominal"], c["actual"], "o-", ms=3, lw=1, color=colors[label], label=label)
        middle.plot(c["ranks"], "o-", ms=3, lw=1, color=colors[label])
        for name, curve in c["best"].items():
            if name == "ciede2000":
                right.plot(range(1, len(curve) + 1), curve, "o-", ms=3, lw=1, color=colors[label])
    left.set(xlabel="promised coverage", ylabel="covered", xlim=(0, 1), ylim=(0, 1))
    middle.set(xlabel="draws below the truth", ylabel="share")
    middle.set_ylim(bottom=0)
    right.set(xlabel="best of k draws", ylabel="CIEDE2000 ↓")
    left.legend(frameon=False)
    figure.tight_layout()
    return figure


FIGURES: dict[str, Callable[[Sheet, dict[str, Any]], "Figure | None"]] = {
    "intervals": _intervals,
    "pareto": _pareto,
    "distributions": _distributions,
    "curves": _training,
    "race": _race,
    "gallery": _gallery,
    "hue": _hue,
    "calibration": _calibration,
}
