"""Gallery: pictures side by side, with a label over every column."""

from collections.abc import Mapping
from pathlib import Path

from colorbench import atomic
from colorbench.arrays import Bytes


def draw_columns(columns: Mapping[str, Bytes], file: Path, side: int = 128, across: int = 2) -> Path:
    """Write a PNG: one column for each label, one row for each picture, ``across`` such tables beside each other.

    columns: {label: uint8 [n 3 h w]}. Small pictures are enlarged to about ``side`` by whole factors, without blur.
    """
    from PIL import Image, ImageDraw, ImageFont

    first = next(iter(columns.values()))
    n, height, width = first.shape[0], *first.shape[2:]
    factor = max(1, round(side / max(height, width)))
    w, h, gap, head = width * factor, height * factor, 6, 24
    across = min(across, n)
    rows = -(-n // across)
    table = len(columns) * (w + gap) + 2 * gap
    canvas = Image.new("RGB", (across * table - gap, head + rows * (h + gap) + gap), "white")
    pen = ImageDraw.Draw(canvas)
    fonts = [ImageFont.load_default(size=points) for points in range(14, 7, -1)]
    font = next((f for f in fonts if max(pen.textlength(label, f) for label in columns) <= w), fonts[-1])
    for j, (label, pictures) in enumerate(columns.items()):
        for block in range(across):
            x = gap + block * table + j * (w + gap)
            pen.text((x + w / 2, head / 2), label, fill="black", font=font, anchor="mm")
            for row in range(rows):
                i = block * rows + row
                if i < n:
                    picture = Image.fromarray(pictures[i].permute(1, 2, 0).cpu().numpy())
                    canvas.paste(picture.resize((w, h), Image.Resampling.NEAREST), (x, head + row * (h + gap)))
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic.replacing(file) as part:
        canvas.save(part, format="PNG")
    return file
