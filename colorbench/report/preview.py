"""Preview: one picture with a row for each test image, gray | truth | model, labeled."""

from collections.abc import Sequence
from pathlib import Path

from colorbench import atomic
from colorbench.evaluation.rows import Evaluation


def write_preview(
    evaluations: Sequence[Evaluation],
    path: Path,
    *,
    images: int = 6,
    across: int = 2,
    cell: int | None = None,
    samples: int = 1,
) -> Path:
    """Lay out the gallery pictures of evaluations under one protocol (say gray, truth and the models), as a PNG.

    images: how many test images. across: how many of them side by side. cell: px of one picture (default: at least
    128). samples: colorings shown of stochastic models. Returns ``path``.
    """
    from PIL import Image, ImageDraw, ImageFont

    size = evaluations[0].protocol.size
    cell = cell or (128 if size <= 128 else size)
    columns = []
    for e in evaluations:
        assert e.folder is not None
        for k in range(min(samples, e.record["draws"])):
            label = str(e.record["name"]).replace("_", " ")
            columns.append((label if k == 0 else f"{label}, again", e.folder / "gallery", k))
    images = min(images, evaluations[0].protocol.gallery)
    across = min(across, images)
    lines = -(-images // across)
    gap, margin, head = 4, 20, 26
    block = len(columns) * (cell + gap) - gap
    width = 2 * margin + across * block + (across - 1) * 3 * margin // 2
    height = margin + head + lines * (cell + gap) - gap + margin
    sheet = Image.new("RGB", (width, height), (250, 250, 248))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for i in range(images):
        x0 = margin + (i % across) * (block + 3 * margin // 2)
        y = margin + head + (i // across) * (cell + gap)
        for c, (label, gallery, k) in enumerate(columns):
            x = x0 + c * (cell + gap)
            if i < across:
                pen.text((x + cell / 2, margin + head / 2 - 3), label, fill=(40, 40, 40), font=font, anchor="mm")
            with Image.open(gallery / f"{i:05d}-{k}.png") as picture:
                smooth = Image.Resampling.LANCZOS if cell < size else Image.Resampling.BICUBIC
                sheet.paste(picture.resize((cell, cell), smooth), (x, y))
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic.replacing(path) as part:
        sheet.save(part, format="PNG")
    return path
