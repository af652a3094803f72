"""Pictures of systems on scenes: how well stated probabilities come true, and what they draw."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from colorbench import atomic, color
from colorbench.batch import Batch
from colorbench.data.scenes.world import World
from colorbench.evaluation.law import Examined
from colorbench.evaluation.oracle import Oracle
from colorbench.evaluation.protocol import Plan
from colorbench.family import Family
from colorbench.noise import Noise
from colorbench.report.gallery import draw_columns


def draw_calibration(lines: Sequence[Examined], file: Path) -> Path:
    """Stated probability of a mode against how often it is shown: one panel for up to six systems, else one each."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    panels = [list(lines)] if len(lines) <= 6 else [[line] for line in lines]
    across = min(len(panels), 5)
    down = -(-len(panels) // across)
    side = 4.4 if len(panels) == 1 else 2.3
    figure, grid = plt.subplots(
        down,
        across,
        figsize=(side * across + 0.2, side * down),
        sharex=True,
        sharey=True,
        squeeze=False,
        constrained_layout=True,
    )
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes, panel in zip(grid.flat, panels, strict=False):
        axes.plot([0, 1], [0, 1], color="0.75", lw=1, label="the law")
        for line in panel:
            stated, actual, _ = zip(*line.scores.curve, strict=True)
            axes.plot(stated, actual, marker="o", ms=4, lw=1.4, label=line.name)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        if len(panels) == 1:
            axes.legend(frameon=False, fontsize=8, loc="upper left")
        else:
            axes.set_title(panel[0].name, fontsize=10)
    figure.supxlabel("probability of the color, by the law", fontsize=10)
    figure.supylabel("how often it is shown", fontsize=10)
    with atomic.replacing(file) as part:
        figure.savefig(part, format="png", dpi=110)
    plt.close(figure)
    return file


def draw_picture(
    families: Mapping[str, Family],
    plan: Plan,
    world: World,
    file: Path,
    *,
    device: torch.device,
    scenes: int = 6,
    draws: int = 2,
) -> Path:
    """gray | truth | two draws of the law | conditional mean | each family (``draws`` of them if it is stochastic)."""
    batch = next(iter(plan.pictures.take(scenes).batches(scenes, device)))
    sampler, mean = (Oracle(answer=answer, level=world.level, chroma_scale=1) for answer in ("sample", "mean"))
    columns = {
        "gray": color.to_bytes(color.decode(batch.L, torch.zeros_like(batch.ab))),
        "truth": color.to_bytes(batch.rgb),
    }

    def paint(name: str, family: Family, batch: Batch, k: int) -> None:
        with torch.inference_mode():
            ab = family.colorize(batch.L, Noise.of(plan.protocol.seed, batch.ids, k)).float()
        columns[name] = color.to_bytes(color.decode(batch.L, ab))

    for k in range(2):
        paint(f"law, draw {k + 1}", sampler, batch, k)
    paint("law, mean", mean, batch, 0)
    for name, family in families.items():
        for k in range(draws if family.stochastic else 1):
            paint(f"{name}, draw {k + 1}" if family.stochastic and draws > 1 else name, family, batch, k)
    return draw_columns(columns, file, across=1)
