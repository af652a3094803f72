"""Curves of a run as one PNG, redrawn while it trains: losses, the G/D balance, validation and rates."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from colorbench import atomic

PANELS = (
    ("losses", "train/loss_", "log"),
    ("terms of the loss", "train/", "log"),
    ("adversarial balance", ("train/gd_ratio", "train/d_accuracy"), "linear"),
    ("validation error", ("val/energy", "val/delta_e76", "val/ab_l1"), "linear"),
    ("validation PSNR, dB", ("val/psnr",), "linear"),
    ("color: 1 is right", ("val/chroma_ratio", "val/colorfulness_ratio"), "linear"),
)
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

    panels = [(name, scale, keys) for name, wanted, scale in PANELS if (keys := _keys(rows, wanted))]
    columns = min(3, max(1, len(panels)))
    lines = -(-len(panels) // columns) or 1
    figure = Figure(figsize=(4.2 * columns, 3.0 * lines), layout="constrained")
    figure.suptitle(title, fontsize=11)
    for i, (name, scale, keys) in enumerate(panels):
        axes = figure.add_subplot(lines, columns, i + 1)
        for key in keys:
            points = [(row["images_seen"], row[key]) for row in rows if key in row]
            if scale == "log" and min(y for _, y in points) <= 0:
                scale = "linear"
            axes.plot(
                *zip(*points, strict=True),
                label=key.split("/")[1],
                linewidth=1.4,
                marker="." if len(points) < 3 else "",
            )
        axes.set_yscale(scale)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("images seen", fontsize=8)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.25)
        axes.legend(fontsize=7, frameon=False)
    with atomic.replacing(file) as part:
        figure.savefig(part, format="png", dpi=110)
    return file


def _keys(rows: Sequence[dict[str, Any]], wanted: str | tuple[str, ...]) -> list[str]:
    present = sorted({key for row in rows for key in row})
    if isinstance(wanted, tuple):
        return [key for key in wanted if key in present]
    excluded = _NOT_TERMS if wanted == "train/" else ()
    return [key for key in present if key.startswith(wanted) and not key.startswith(excluded)]
