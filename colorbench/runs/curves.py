"""Curves of a run as one PNG, redrawn while it trains: losses, the G/D balance, validation and rates."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from colorbench import atomic

PANELS = (
    ("losses", "train/loss_", "log"),
    ("terms of the losses", "train/", "log"),
    ("adversarial balance", ("train/gd_ratio", "train/d_accuracy"), "linear"),
    ("validation error, CIELAB", ("val/energy", "val/delta_e76", "val/ab_l1"), "linear"),
    ("validation, joint score (gray is 1)", ("val/joint",), "linear"),
    ("validation PSNR, dB", ("val/psnr",), "linear"),
    ("color, as a share of the truth's", ("val/chroma_ratio", "val/colorfulness_ratio"), "linear"),
)
WORDS = {
    "val/joint": "joint score",
    "val/energy": "energy score",
    "val/delta_e76": "distance (CIE 1976)",
    "val/ab_l1": "mean |a*b* error|",
    "val/psnr": "PSNR",
    "val/chroma_ratio": "chroma",
    "val/colorfulness_ratio": "colorfulness",
    "val/ab_drift": "drift of the mean color",
    "train/gd_ratio": "loss of generator / discriminator",
    "train/d_accuracy": "discriminator's accuracy",
    "train/images_per_second": "images per second",
    "train/waiting_share": "share of time spent waiting for data",
    "train/seconds": "seconds",
}
"""What a legend calls a key of the record; others by their words."""
_PLACES = {"val": "validation", "train": "training"}
_UNITS = 6  # columns of the grid: shared by one, two or three panels
_WIDTH, _HEIGHT = 4.2, 3.0  # inches of a panel, with the room for its words:
_LEFT, _RIGHT, _BELOW, _ABOVE, _TITLE = 0.7, 0.12, 0.45, 0.28, 0.3
_NOT_TERMS = (
    "train/lr_",
    "train/phase",
    "train/seconds",
    "train/images_per_second",
    "train/waiting_share",
    "train/loss_",
    "train/gd_ratio",
    "train/d_accuracy",
    "train/chroma_ratio",
)


def draw_curves(rows: Sequence[dict[str, Any]], file: Path, title: str) -> Path:
    """Write the picture; panels without numbers are left out."""
    from matplotlib.figure import Figure

    panels = _panels(rows)
    cells = _cells(len(panels))
    lines = max((line for line, _ in cells), default=0) + 1
    wide, high = _WIDTH * max((_UNITS // w.stop for _, w in cells[:1]), default=1), _HEIGHT * lines + _TITLE
    figure = Figure(figsize=(wide, high))  # places by hand: matplotlib's layouts draw everything once more to find them
    figure.suptitle(title, fontsize=11, y=1 - 0.08 / high, va="top")
    for (name, scale, keys), (line, place) in zip(panels, cells, strict=True):
        left, right = (wide * column / _UNITS for column in (place.start, place.stop))
        bottom = high - _TITLE - _HEIGHT * (line + 1) + _BELOW
        size = (right - left - _LEFT - _RIGHT) / wide, (_HEIGHT - _BELOW - _ABOVE) / high
        axes = figure.add_axes(((left + _LEFT) / wide, bottom / high, *size))
        for key in keys:
            points = [(row["images_seen"], row[key]) for row in rows if key in row]
            if scale == "log" and min(y for _, y in points) <= 0:
                scale = "linear"
            marker = "." if len(points) < 3 else ""
            axes.plot(*zip(*points, strict=True), label=called(key), linewidth=1.4, marker=marker)
        axes.set_yscale(scale)
        axes.set_title(name, fontsize=10, y=1.0)
        axes.set_xlabel("images seen", fontsize=8)
        axes.tick_params(labelsize=8, which="both")
        axes.grid(alpha=0.25)
        if name == PANELS[-1][0]:  # what is right stands in the picture
            axes.axhline(1.0, color="0.4", linewidth=1, linestyle="--", label="truth")
            axes.set_ylim(bottom=0.0)
        axes.legend(fontsize=7, frameon=False)
    with atomic.replacing(file) as part:
        figure.savefig(part, format="png", dpi=110)
    return file


def called(key: str) -> str:
    """``train/loss_generator`` is "generator"."""
    return WORDS.get(key, key.rpartition("/")[2].removeprefix("loss_").replace("_", " "))


def titled(key: str) -> str:
    """With its place, where no panel says it: "validation: joint score", "loss of the generator"."""
    place, _, rest = key.partition("/")
    for start, words in (("loss_", "loss of the "), ("lr_", "learning rate of the ")):
        if place == "train" and rest.startswith(start):
            return words + rest.removeprefix(start).replace("_", " ")
    return f"{_PLACES.get(place, place)}: {called(key)}" if rest else called(key)


def _panels(rows: Sequence[dict[str, Any]]) -> list[tuple[str, str, list[str]]]:
    """(title, scale, keys) of those that have numbers. A single loss of a single term is drawn once."""
    found = [(name, scale, keys) for name, wanted, scale in PANELS if (keys := _keys(rows, wanted))]
    if len(found) > 1 and [name for name, *_ in found[:2]] == [name for name, *_ in PANELS[:2]]:
        losses, terms = (found[i][2] for i in (0, 1))
        if len(losses) == len(terms) == 1 and all(row.get(losses[0]) == row.get(terms[0]) for row in rows):
            del found[1]
    return found


def _cells(panels: int) -> list[tuple[int, slice]]:
    """(line, columns of a grid of :data:`_UNITS`) of each: three in a line at most, no cell empty."""
    lines = -(-panels // 3)
    counts = [panels // lines + (i < panels % lines) for i in range(lines)]
    return [
        (line, slice(_UNITS // count * i, _UNITS // count * (i + 1)))
        for line, count in enumerate(counts)
        for i in range(count)
    ]


def _keys(rows: Sequence[dict[str, Any]], wanted: str | tuple[str, ...]) -> list[str]:
    present = sorted({key for row in rows for key in row})
    if isinstance(wanted, tuple):
        return [key for key in wanted if key in present]
    excluded = _NOT_TERMS if wanted == "train/" else ()
    return [key for key in present if key.startswith(wanted) and not key.startswith(excluded)]
