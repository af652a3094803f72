"""Where the time of a training goes, for every model: ``colorbench doctor --profile`` as a table and a picture.

``python benchmarks/shares.py --to FOLDER [--models unet,energy] [KEY=VALUE ...]`` measures a short run of each model on
scenes and scales it to a run of 30,000 images (``training/profile.py``). A model's row is written as soon as it is
there, to FOLDER/shares.csv, and is not measured again; the picture is drawn from that file.
"""

import argparse
import csv
from pathlib import Path

import torch
from engine import hardware
from matplotlib.figure import Figure

from colorbench.registry import names
from colorbench.runs.config import compose, options
from colorbench.training.profile import NAMES, shares, table
from colorbench.training.schema import on_paper

BUDGET = ["data=scenes", "budget.images=30000"]


def main() -> None:
    """The table, the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--models", default="", help="NAME,... (default: all that learn)")
    parser.add_argument("--steps", type=int, default=6, help="of each short run")
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE")
    arguments = parser.parse_args()
    file = arguments.to / "shares.csv"
    rows = read(file)
    names("family")  # imports them all, before any is built on paper
    for model in arguments.models.split(",") if arguments.models else options("model"):
        config = compose([f"model={model}", *BUDGET, *arguments.words])
        if model in rows or not on_paper(config["model"]).trainable():
            continue
        rows[model] = shares(config, model, arguments.steps)
        write(rows, file)
        print(model, flush=True)
    print(f"\n{hardware(torch.device('cpu'))}\n\n{table(rows)}")
    draw(rows, arguments.to / "shares.png")


def read(file: Path) -> dict[str, dict[str, float]]:
    if not file.exists():
        return {}
    with open(file, newline="") as lines:
        return {row.pop("model"): {k: float(v) for k, v in row.items()} for row in csv.DictReader(lines)}


def write(rows: dict[str, dict[str, float]], file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "w", newline="") as lines:
        writer = csv.DictWriter(lines, ("model", *NAMES, "images_per_second"), lineterminator="\n")
        writer.writeheader()
        writer.writerows({"model": name, **{k: round(v, 5) for k, v in row.items()}} for name, row in rows.items())


def draw(rows: dict[str, dict[str, float]], path: Path) -> None:
    """One bar for each model, the one whose steps have the largest share above."""
    step = ("forward", "backward", "optimizer")
    order = sorted(rows, key=lambda name: sum(rows[name][part] for part in step))
    figure = Figure(figsize=(9, 1.2 + 0.27 * len(order)), layout="constrained")
    axes = figure.add_subplot()
    colors = [
        "#8c564b",
        "#1f4e79",
        "#4a90c4",
        "#a9cbe3",
        "#e0a030",
        "#d62728",
        "#7f7f7f",
        "#c7c7c7",
        "#2e8b57",
        "#9467bd",
        "#e377c2",
    ]
    shown = (
        "forward",
        "backward",
        "optimizer",
        "averaging",
        "checks",
        "data",
        "logging",
        "rest",
        "validation",
        "saving",
        "curves",
    )
    assert sorted(shown) == sorted(NAMES)
    left = [0.0] * len(order)
    for part, color in zip(shown, colors, strict=True):
        wide = [100 * rows[name][part] for name in order]
        axes.barh(order, wide, left=left, color=color, label=part)
        left = [a + b for a, b in zip(left, wide, strict=True)]
    axes.set(xlim=(0, 100), xlabel="% of the wall time of a run of 30,000 images", ylim=(-0.6, len(order) - 0.4))
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=6, frameon=False, fontsize=8)
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main()
