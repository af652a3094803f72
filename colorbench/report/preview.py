"""Preview: one picture with a row for each test image, gray | truth | model, labeled."""

from collections.abc import Sequence
from pathlib import Path

import torch

from colorbench.evaluation import kept
from colorbench.evaluation.rows import Evaluation
from colorbench.report.gallery import draw_columns


def write_preview(evaluations: Sequence[Evaluation], path: Path, *, images: int = 6, samples: int = 1) -> Path:
    """Lay out the gallery pictures of evaluations under one protocol (say gray, truth and the models), as a PNG.

    images: how many test images. samples: colorings shown of stochastic models. Returns ``path``.
    """
    images = min(images, evaluations[0].protocol.gallery)
    columns = {}
    for e in evaluations:
        for k in range(min(samples, e.record["draws"])):
            label = str(e.record["name"]).replace("_", " ")
            again = ["", ", again"][k] if k < 2 else f", draw {k + 1}"
            columns[f"{label}{again}"] = torch.stack(
                [torch.from_numpy(kept.picture(e, i, k)).permute(2, 0, 1) for i in range(images)]
            )
    return draw_columns(columns, path)
