"""The page of `colorbench demo`: photographs in, colorings by several models beside each other, for one browser.

An upload is bounded in bytes before it is stored, alone and with all others, and in pixels before it is decoded; what
was uploaded and made is deleted after an hour, and when the page's program ends.
"""

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from colorbench.arrays import Chroma, Luma
from colorbench.errors import UserError
from colorbench.inference.colorizer import Colorizer
from colorbench.inference.paint import paint
from colorbench.inference.photo import Photo, picture_image, read_photo, write_photo
from colorbench.inference.room import Room
from colorbench.runs.run import find_runs

SCREEN = 1200  # px of the longer side of what the page shows
SAMPLES = 8  # draws of one model at most
KEPT = 3600  # seconds for which uploads and results stay on disk
LOOK = """
.gradio-container { max-width: 1240px !important; margin: auto; }
footer { display: none !important; }
"""


@dataclass(frozen=True)
class Coloring:
    """One answer. label: its model, and which draw. L, ab: its maps at the model's size. shown: for the screen."""

    label: str
    L: Luma
    ab: Chroma
    shown: Image.Image


@dataclass(frozen=True)
class Sitting:
    """A photograph on the page. gray: how it looks without colors, for the screen."""

    source: Path
    gray: Image.Image
    colorings: tuple[Coloring, ...]


def open_models(words: Sequence[str], device: str = "auto") -> dict[str, Colorizer]:
    """{name: model} of run folders, folders of runs, portable models and the Hub; two of one name are numbered."""
    sources: list[str] = []
    for word in words:
        path = Path(word)
        holds_runs = path.is_dir() and not any((path / file).is_file() for file in ("config.yaml", "config.json"))
        runs = find_runs([path]) if holds_runs else []
        if holds_runs and not runs:
            raise UserError(f"{word}: holds no trained run; train one: python -m colorbench")
        sources += [str(run.path) for run in runs] or [word]
    models: dict[str, Colorizer] = {}
    for source in sources:
        model = Colorizer.from_pretrained(source, device=device)
        alike = sum(known == model.name or known.startswith(f"{model.name} (") for known in models)
        models[f"{model.name} ({alike + 1})" if alike else model.name] = model
    return models


def colorize(
    source: Path, models: Mapping[str, Colorizer], *, samples: int, seed: int, strength: float, max_pixels: int
) -> tuple[Sitting, list[str]]:
    """Every coloring of one photograph, at the screen's size, and what failed, one line for each model.

    Raises UserError: unreadable, too large, options out of range.
    """
    if not (1 <= samples <= SAMPLES and 0 < strength <= 4 and abs(seed) < 2**63):
        raise UserError(f"draws: 1 to {SAMPLES}; strength: more than 0, at most 4; seed: a whole number")
    photo = read_photo(source, recolor=True, max_pixels=max_pixels)
    small = photo.shrunk(SCREEN)
    found: list[Coloring] = []
    failed = []
    for name, model in models.items():
        draws = samples if model.family.stochastic else 1
        try:
            for draw in range(draws):
                L, ab = model.maps(photo, seed=seed, draw=draw if draws > 1 else None, strength=strength)
                label = f"{name}, draw {draw + 1}" if draws > 1 else name
                found.append(Coloring(label, L, ab, _for_screen(small, L, ab)))
        except UserError as error:
            failed.append(f"{name}: {error}")
    gray = torch.zeros(1, 2, 1, 1)
    return Sitting(source, _for_screen(small, gray[:, :1], gray), tuple(found)), failed


def _for_screen(small: Photo, L: Luma, ab: Chroma) -> Image.Image:
    return picture_image(paint(small, L, ab).astype(np.uint8, copy=False), small)


def full_size(sitting: Sitting, chosen: int, folder: Path, max_pixels: int) -> Path:
    """A PNG of one coloring at the photograph's own size, in a new folder below ``folder``."""
    coloring = sitting.colorings[chosen]
    photo = read_photo(sitting.source, recolor=True, max_pixels=max_pixels)
    words = f"{sitting.source.stem[:60]}-{coloring.label}"
    target = (
        Path(tempfile.mkdtemp(prefix="full-", dir=folder)) / f"{re.sub(r'[^A-Za-z0-9_]+', '-', words).strip('-')}.png"
    )
    write_photo(target, paint(photo, coloring.L, coloring.ab), photo)
    return target


def page(models: Mapping[str, Colorizer], room: Room, *, max_pixels: int) -> Any:
    """The Gradio page; ``room`` takes its uploads and results."""
    folder = room.folder
    gradio = gradio_for(str(folder))
    stochastic = any(model.family.stochastic for model in models.values())
    one_at_a_time = {"concurrency_limit": 1, "concurrency_id": "models", "api_visibility": "private"}

    def color(file: str | None, names: list[str], samples: int, seed: int, strength: float) -> tuple[Any, ...]:
        if not file or not names:
            raise gradio.Error("Drop a photograph and choose a model first.", print_exception=False)
        try:
            room.demand()
            sitting, failed = colorize(
                Path(file),
                {name: models[name] for name in names},
                samples=int(samples),
                seed=int(seed or 0),
                strength=float(strength),
                max_pixels=max_pixels,
            )
        except UserError as error:
            raise gradio.Error(f"{Path(file).name}: {error}", print_exception=False) from error
        if not sitting.colorings:
            raise gradio.Error("; ".join(failed), print_exception=False)
        for line in failed:
            gradio.Warning(line)
        tiles = [(coloring.shown, coloring.label) for coloring in sitting.colorings]
        return sitting, gradio.Gallery(tiles, selected_index=0), *show(sitting, 0)

    def show(sitting: Sitting, chosen: int) -> tuple[Any, ...]:
        coloring = sitting.colorings[chosen]
        slider = gradio.ImageSlider((sitting.gray, coloring.shown), label=f"gray | {coloring.label}")
        return slider, chosen, gradio.DownloadButton("The full size is being written ...", interactive=False)

    def choose(sitting: Sitting, event: gradio.SelectData) -> tuple[Any, ...]:  # type: ignore[name-defined]
        return show(sitting, int(event.index))

    def write(sitting: Sitting, chosen: int) -> Any:
        try:
            room.demand()
            file = full_size(sitting, chosen, folder, max_pixels)
        except UserError as error:
            raise gradio.Error(str(error), print_exception=False) from error
        label = f"Download {sitting.colorings[chosen].label}, full size (PNG)"
        return gradio.DownloadButton(label, value=file, interactive=True)

    with gradio.Blocks(title="colorbench", analytics_enabled=False, delete_cache=(KEPT // 6, KEPT)) as site:
        gradio.Markdown(
            "# colorbench\nDrop a photograph. The colors are a model's guess; the lightness stays the "
            "photograph's. One in color loses its colors first."
        )
        sitting, chosen = gradio.State(time_to_live=KEPT), gradio.State(0)
        with gradio.Row():
            with gradio.Column(scale=1, min_width=280):
                file = gradio.File(label="Photograph", file_types=["image"], height=150, elem_id="photograph")
                names = gradio.CheckboxGroup(list(models), value=list(models)[:4], label="Models")
                samples = gradio.Slider(
                    1,
                    SAMPLES,
                    value=1,
                    step=1,
                    label="Draws",
                    visible=stochastic,
                    info="of models that draw",
                )
                seed = gradio.Number(0, precision=0, label="Seed", visible=stochastic)
                strength = gradio.Slider(0.1, 2.0, value=1.0, step=0.1, label="Strength")
                button = gradio.Button("Color", variant="primary", elem_id="color")
            with gradio.Column(scale=3, min_width=480):
                slider = gradio.ImageSlider(
                    label="gray | colored",
                    interactive=False,
                    format="png",
                    max_height=520,
                    buttons=["fullscreen"],
                    elem_id="slider",
                )
                download = gradio.DownloadButton("Download", interactive=False, elem_id="download")
                gradio.Markdown("Every coloring; choose one:")
                tiles = gradio.Gallery(
                    show_label=False,
                    columns=4,
                    height="auto",
                    object_fit="contain",
                    format="png",
                    allow_preview=False,
                    interactive=False,
                    buttons=[],
                    label="Every coloring",
                    elem_id="tiles",
                )
        shown = [slider, chosen, download]
        inputs = [file, names, samples, seed, strength]
        for event in (
            button.click(color, inputs, [sitting, tiles, *shown], **one_at_a_time),
            tiles.select(choose, [sitting], shown, **one_at_a_time),
        ):
            event.success(write, [sitting, chosen], [download], **one_at_a_time)
    return site.queue(max_size=16, api_open=False)


def gradio_for(folder: str) -> Any:
    """Gradio, told before it is imported that it may measure nothing and where uploads go."""
    os.environ.update(GRADIO_ANALYTICS_ENABLED="False", GRADIO_TEMP_DIR=folder, HF_HUB_DISABLE_TELEMETRY="1")
    try:
        import gradio
    except ImportError as error:
        raise UserError("the page needs Gradio: pip install 'colorbench[demo]'") from error
    return gradio
