"""The pictures of the models' pages: what each run makes of the same photographs, or of the same scenes.

    python docs/strips.py RUN... [--photos FOLDER]
    python docs/strips.py "RUN sampler=ddpm sampler.steps=20" --name ddpm --photos FOLDER      drawn otherwise

Writes ``docs/pictures/MODEL-photographs.jpg`` (a run on photographs) or ``MODEL-scenes.jpg`` (a run on scenes), with a
JSON file that says how it was made, and makes only what is missing: delete a strip to have it made again. FOLDER holds
the ``nips17_`` files of natural256's test split; which photographs are shown was decided by the SHA-1 of their names
before any model colored them (docs/photographs.md says whose they are).
"""

import argparse
import hashlib
import io
import json
from pathlib import Path

from PIL import Image, ImageOps
from skimage import data

from colorbench.data.dataset import open_data
from colorbench.data.photos import PHOTOS
from colorbench.errors import UserError
from colorbench.inference.colorizer import Colorizer
from colorbench.runs.run import Run, open_run

PICTURES = Path(__file__).resolve().parent / "pictures"
SIDE = 150
LINE = 6
LARGEST = 150_000  # bytes
GAP = 8

Shown = dict[str, list[Image.Image]]
"""{what a row is: its twelve pictures}"""


def main() -> None:
    p = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    p.add_argument("runs", nargs="+")
    p.add_argument("--photos", type=Path)
    p.add_argument("--name", help="of the model whose page it is (default: the run's)")
    args = p.parse_args()
    PICTURES.mkdir(exist_ok=True)
    for source in args.runs:
        folder, *words = source.split()
        run = open_run(folder)
        kind = "scenes" if run.config["data"]["source"]["source"] == "scenes" else "photographs"
        file = PICTURES / f"{args.name or run.name}-{kind}.jpg"
        if file.is_file():
            print(f"{file.name}: is there")
            continue
        truths = scenes(run) if kind == "scenes" else photographs(args.photos)
        rows = colored(Colorizer.from_pretrained(folder, device="cpu", drawing=words), truths)
        made = {"rows": list(rows), "said": ", ".join([said(run), *words])}
        file.write_bytes(strip(rows))
        file.with_suffix(".json").write_text(json.dumps(made, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        print(f"{file.name}: {file.stat().st_size} bytes, {made['said']}")


def photographs(folder: Path | None) -> list[Image.Image]:
    """The twelve, whole."""
    if folder is None:
        raise UserError("--photos: the folder of the nips17_ files is needed")
    files = sorted(folder.glob("nips17_*"), key=lambda file: hashlib.sha1(file.name.encode()).hexdigest())[:7]
    if len(files) < 7:
        raise UserError(f"--photos {folder}: holds no seven files nips17_*")
    shipped = [Path(data.__file__).parent / name for name in PHOTOS]
    return [Image.open(file).convert("RGB") for file in (*shipped, *files)]


def scenes(run: Run) -> list[Image.Image]:
    """The first twelve test scenes, which no run has learned from."""
    pictures = open_data(run.config["data"]).test.take(12)
    return [Image.fromarray(pixels.permute(1, 2, 0).numpy()) for pixels in pictures.pixels]


def colored(color: Colorizer, truths: list[Image.Image]) -> Shown:
    """Gray, one coloring or two draws, the truth."""
    grays = [truth.convert("L").convert("RGB") for truth in truths]
    draws = {"one draw": 0, "another draw": 1} if color.family.stochastic else {"the model": None}
    answers = {title: [color(gray, draw=draw) for gray in grays] for title, draw in draws.items()}
    return {"gray": grays, **answers, "the truth": truths}


def strip(rows: Shown) -> bytes:
    """Two bands of six columns, rows below each other; a JPEG as good as LARGEST allows."""
    height = SIDE * len(rows)
    sheet = Image.new("RGB", (SIDE * LINE, 2 * height + GAP), "white")
    for y, pictures in enumerate(rows.values()):
        for i, picture in enumerate(pictures):
            band, x = divmod(i, LINE)
            sheet.paste(square(picture), (SIDE * x, band * (height + GAP) + SIDE * y))
    for quality in range(90, 10, -4):
        out = io.BytesIO()
        sheet.save(out, "JPEG", quality=quality, optimize=True)
        if out.tell() <= LARGEST:
            break
    return out.getvalue()


def square(picture: Image.Image) -> Image.Image:
    """The center of a picture, SIDE px wide with a border of a pixel."""
    return ImageOps.expand(ImageOps.fit(picture, (SIDE - 2, SIDE - 2), Image.Resampling.LANCZOS), 1, "white")


def said(run: Run) -> str:
    """How the run was made, in half a line."""
    config, status = run.config, run.status
    trunk = config["trunk"].get("name", "no trunk")
    before = status.get("before", {})  # of the runs that it started from
    seen, seconds = (status[key] + before.get(key, 0) for key in ("images_seen", "seconds"))
    spent = f"{seen:,} pictures seen in {seconds:,.0f} s"
    return f"{config['data']['size']} px, {trunk}, {spent}, seed {config['seed']}"


if __name__ == "__main__":
    main()
