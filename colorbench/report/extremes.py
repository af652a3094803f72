"""Extremes: the pictures that a run colored best and worst by a metric, with maps of the error.

All test pictures are ranked by the rows; those at the ends are colored again with the judge's noise of the first draw,
so that they are the pictures that were judged, without a loss of compression.
"""

from pathlib import Path

import numpy as np
import torch

from colorbench import atomic, color
from colorbench.arrays import Bytes
from colorbench.batch import Batch
from colorbench.errors import UserError
from colorbench.evaluation.protocol import Plan
from colorbench.evaluation.rows import Evaluation, done
from colorbench.evaluation.runs import plan_of_run
from colorbench.family import Family
from colorbench.noise import Noise
from colorbench.registry import suggest
from colorbench.report.columns import column
from colorbench.report.gallery import draw_columns
from colorbench.runs.run import open_run

MOST = 40.0
"""dE76 that an error map shows white."""


def draw_extremes(path: Path, by: str, count: int, output: Path, device: torch.device) -> list[Path]:
    """Files written: best-BY.png, worst-BY.png and an error map of each of their pictures."""
    run = open_run(path)
    plan, _ = plan_of_run(run, {})
    folder = path / "eval" / plan.protocol.id
    if not done(folder):
        raise UserError(f"{path}: not judged yet; colorbench evaluate {path}")
    rows = Evaluation.read(folder)
    if by not in rows.scores:
        raise UserError(f"--by {by}: the rows have no such column{suggest(by, list(rows.scores))}")
    if count < 1:
        raise UserError(f"--count {count}: expected 1 or more")
    values = rows.scores[by][:, 0]
    order = np.argsort(values if column(by).better == "lower" else -values, kind="stable")
    family = run.family(device)
    written = []
    for word, chosen in (("best", order[:count]), ("worst", order[::-1][:count])):
        columns: dict[str, list[Bytes]] = {"gray": [], "truth": [], run.name: [], f"error, dE 0 to {MOST:g}": []}
        for index in chosen.tolist():
            for name, picture in zip(columns, _again(family, plan, index, device), strict=True):
                columns[name].append(picture)
            file = output / f"error-{Path(rows.names[index]).stem}.png"
            _write(columns[f"error, dE 0 to {MOST:g}"][-1], file)
            written.append(file)
        sheet = {name: torch.cat(pictures) for name, pictures in columns.items()}
        written.insert(0, draw_columns(sheet, output / f"{word}-{by}.png"))
    return written


def _again(family: Family, plan: Plan, index: int, device: torch.device) -> tuple[Bytes, ...]:
    """gray, truth, answer and its error, uint8 [1 3 h w] each."""
    pictures = plan.pictures
    rgb, ids = pictures.pixels[index : index + 1].to(device), pictures.ids[index : index + 1].to(device)
    batch = Batch.of_bytes(rgb, ids)
    with torch.inference_mode():
        ab_hat = family.colorize(batch.L, Noise.of(plan.protocol.seed, ids, 0)).float()
        hat = color.to_bytes(color.decode(batch.L, ab_hat))
        gray = color.to_bytes(color.decode(batch.L, torch.zeros_like(ab_hat)))
    return gray.cpu(), rgb.cpu(), hat.cpu(), error_map(hat.cpu(), rgb.cpu())


def error_map(hat: Bytes, true: Bytes) -> Bytes:
    """dE76 of every pixel as gray, 0 black and :data:`MOST` white: uint8 [b 3 h w]."""
    gap = color.bytes_to_lab(hat) - color.bytes_to_lab(true)
    distance = gap.square().sum(dim=1, keepdim=True).sqrt()
    return (255 * (distance / MOST).clamp(0, 1)).round().byte().expand(-1, 3, -1, -1)


def _write(picture: Bytes, file: Path) -> None:
    from PIL import Image

    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic.replacing(file) as part:
        Image.fromarray(picture[0].permute(1, 2, 0).contiguous().numpy()).save(part, format="PNG")
