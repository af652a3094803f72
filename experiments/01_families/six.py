"""The six photographs that are shown: which they are was fixed before any model colored them.

    six.py PHOTOS RUN=TITLE... --to six.jpg          # "RUN sampler=heun sampler.steps=10=TITLE": drawn otherwise

PHOTOS: natural256's test folder. The six are its ``nips17_`` files (CC BY 2.0; credits in the README) with the lowest
SHA-1 of their names. Each is made gray and colored by every run, once, with seed 0; a run that is named again draws
with the next seed. The rows are gray, the runs, the truth.
"""

import argparse
import hashlib
from collections import Counter
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

from colorbench.inference.colorizer import Colorizer


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("photos", type=Path)
    p.add_argument("runs", nargs="+")
    p.add_argument("--to", type=Path, required=True)
    args = p.parse_args()
    names = sorted(args.photos.glob("nips17_*"), key=lambda f: hashlib.sha1(f.name.encode()).hexdigest())[:6]
    truths = [Image.open(name).convert("RGB") for name in names]
    grays = [truth.convert("L").convert("RGB") for truth in truths]
    columns, seeds = {"gray": grays}, Counter[str]()
    for word in args.runs:
        source, title = word.rsplit("=", 1)
        path, *drawing = source.split()
        torch.manual_seed(0)
        colorizer = Colorizer.from_pretrained(path, device="cpu", drawing=drawing)
        columns[title] = [colorizer(gray, seed=seeds[source]) for gray in grays]
        seeds[source] += 1
    columns["truth"] = truths
    side, head = 200, 24
    sheet = Image.new("RGB", (side * 6, (side + 2) * len(columns) + head * len(columns)), "white")
    draw, y = ImageDraw.Draw(sheet), 0
    for title, pictures in columns.items():
        draw.text((4, y + 3), title, fill="black", font=ImageFont.load_default(15))
        y += head
        for i, picture in enumerate(pictures):
            sheet.paste(picture.resize((side - 2, side - 2), Image.Resampling.LANCZOS), (side * i, y))
        y += side + 2
    sheet.save(args.to, quality=88)
    print(args.to, *(name.name for name in names), sep="\n")


if __name__ == "__main__":
    main()
