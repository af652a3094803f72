"""Twelve photographs of no training set, colored by the starter: ``python twelve.py NATURAL256 [OUT.jpg]``

Five that scikit-image's wheel ships, and seven of natural256's test part whose names begin with nips17_: the first by
the SHA-256 of their names, so that nobody chose them. From the left: gray, the mean of eight draws, which is what
``colorbench colorize`` writes, three single draws, the truth. Their authors, from ATTRIBUTION_nips17.csv, go to
credits.md beside the picture. NATURAL256: the folder that holds test and that file.
"""

import csv
import hashlib
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from colorbench.data.photos import PHOTOS, photograph
from colorbench.inference.colorizer import Colorizer

SIDE, GAP, HEAD = 168, 4, 22
HEADS = ("gray", "mean of 8 draws", "draw 1", "draw 2", "draw 3", "truth")


def chosen(folder: Path) -> list[Path]:
    """The seven."""
    every = (folder / "test").glob("nips17_*.jpg")
    return sorted(every, key=lambda file: hashlib.sha256(file.name.encode()).hexdigest())[:7]


def colorings(model: Colorizer, true: Image.Image) -> list[Image.Image]:
    """In the order of HEADS, at the photograph's own size."""
    gray = true.convert("L")
    return [gray.convert("RGB"), model(gray), *(model(gray, draw=k) for k in range(3)), true]


def square(picture: Image.Image) -> Image.Image:
    """Its center, small."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS, box=(left, top, left + side, top + side))


def credits(folder: Path, files: list[Path]) -> str:
    """Who took what, as Markdown, from the top."""
    rows = {row["file"]: row for row in csv.DictReader((folder / "ATTRIBUTION_nips17.csv").open(encoding="utf-8"))}
    lines = [f"{number}. scikit-image's `{name}`" for number, name in enumerate(PHOTOS, start=1)]
    for number, file in enumerate(files, start=len(PHOTOS) + 1):
        row = rows[file.name]
        author = f"[{row['author']}]({row['author_profile']})"
        lines.append(f"{number}. {author}, [photograph]({row['original_page']}), [CC BY 2.0]({row['licence']})")
    words = "From the top; scaled to 256 px by others, here cropped, made gray and colored."
    return "\n".join([words, "", *lines, ""])


def main(folder: Path, out: Path) -> None:
    model, files = Colorizer.from_pretrained(), chosen(folder)
    photographs = [photograph(name)[0] for name in PHOTOS] + [Image.open(file).convert("RGB") for file in files]
    step = SIDE + GAP
    sheet = Image.new("RGB", (len(HEADS) * step - GAP, HEAD + len(photographs) * step - GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for column, words in enumerate(HEADS):
        pen.text((column * step + SIDE // 2, 3), words, fill="black", font=font, anchor="ma")
    for row, true in enumerate(photographs):
        for column, picture in enumerate(colorings(model, true)):
            sheet.paste(square(picture), (column * step, HEAD + row * step))
    sheet.save(out, quality=82, optimize=True)
    out.with_name("credits.md").write_text(credits(folder, files), encoding="utf-8")
    print(f"{out}: {out.stat().st_size / 1e3:.0f} KB, starter {model.digest[:12]}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else Path(__file__).with_name("twelve.jpg")))
