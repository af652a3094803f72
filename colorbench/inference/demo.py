"""The page of `colorbench demo`: a photograph in, colored at once, and what of it is a guess; for one browser.

An upload is bounded in bytes before it is stored, alone and with all others, and in pixels before it is decoded; what
was uploaded and made is deleted after an hour, and when the page's program ends.
"""

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from colorbench import atomic
from colorbench.arrays import Chroma, Luma
from colorbench.data.photos import photograph
from colorbench.errors import UserError
from colorbench.inference import origin
from colorbench.inference.colorizer import Colorizer
from colorbench.inference.doubt import Doubt
from colorbench.inference.paint import paint
from colorbench.inference.photo import Photo, picture_image, read_photo, write_photo
from colorbench.inference.room import Room
from colorbench.runs.run import find_runs

SCREEN = 1200  # px of the longer side of what the page shows
SAMPLES = 8  # draws of one model at most
KEPT = 3600  # seconds for which uploads and results stay on disk
EXAMPLE = "rocket.jpg"
GRAY, GUESS = "gray", "where it is a guess"
LOOK = """
.gradio-container { max-width: 1240px !important; margin: auto; }
footer { display: none !important; }
#layout { display: grid; gap: 16px; grid-template: "give see" auto "dial see" 1fr / 300px minmax(0, 1fr); }
#give { grid-area: give; } #see { grid-area: see; } #dial { grid-area: dial; }
#give, #see, #dial { min-width: 0 !important; }
#said .ramp { display: flex; font-size: .8rem; margin: .2rem 0 .4rem; max-width: 520px; }
#said .ramp span { flex: 1; border-top: 10px solid var(--tint); padding-top: .15rem; white-space: nowrap; }
#files { align-items: stretch; } #files button { height: 100%; font-size: .95rem; }
#tiles .grid-container {
  grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)) !important; height: auto !important;
}
#tiles .caption-label { max-width: 100% !important; font-size: .75rem; }
#tiles .thumbnail-lg { aspect-ratio: 4 / 3; }
#tiles .grid-wrap { max-height: none !important; min-height: 0 !important; overflow: visible !important; }
@media (max-width: 800px) {
  .gradio-container { padding: 10px !important; }
  #said .ramp { font-size: .68rem; }
  #layout { grid-template: "give" auto "see" auto "dial" auto / minmax(0, 1fr); }
}
"""


@dataclass(frozen=True)
class Coloring:
    """One answer. label: its model, and which draw. L, ab: its maps at the model's size. shown: for the screen. made:
    what made it. doubt: how far the draws lie apart whose mean it is; None for anything else."""

    label: str
    L: Luma
    ab: Chroma
    shown: Image.Image
    made: dict[str, Any] = field(default_factory=dict)
    doubt: Doubt | None = None


@dataclass(frozen=True)
class Sitting:
    """A photograph on the page. small: it, for the screen. gray: how it looks without colors."""

    source: Path
    small: Photo
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
    source: Path,
    models: Mapping[str, Colorizer],
    *,
    samples: int,
    seed: int,
    vivid: float,
    max_pixels: int,
    reference: Path | None = None,
) -> tuple[Sitting, list[str]]:
    """Every coloring of one photograph, at the screen's size, and what failed, one line for each model. Of a model that
    draws, the mean of its draws comes first, with how far they lie apart.

    Raises UserError: unreadable, too large, options out of range.
    """
    if not (1 <= samples <= SAMPLES and 0 < vivid <= 4 and abs(seed) < 2**63):
        raise UserError(f"draws: 1 to {SAMPLES}; vividness: more than 0, at most 4; seed: a whole number")
    photo = read_photo(source, recolor=True, max_pixels=max_pixels)
    small = photo.shrunk(SCREEN)
    found: list[Coloring] = []
    failed = []
    for name, model in models.items():
        try:
            found += _of_model(name, model, photo, small, samples, seed, vivid, reference)
        except UserError as error:
            failed.append(f"{name}: {error}")
    gray = torch.zeros(1, 2, 1, 1)
    return Sitting(source, small, _for_screen(small, gray[:, :1], gray), tuple(found)), failed


def _of_model(
    name: str,
    model: Colorizer,
    photo: Photo,
    small: Photo,
    samples: int,
    seed: int,
    vivid: float,
    reference: Path | None,
) -> list[Coloring]:
    strength = model.vivid(vivid)
    told: dict[str, Any] = {"seed": seed, "vivid": vivid, "reference": reference and reference.name}
    chosen: dict[str, Any] = {"seed": seed, "strength": strength}
    chosen["reference"] = reference and model.reference(reference)
    if samples == 1 or not model.family.stochastic:
        L, ab = model.maps(photo, **chosen)
        made = origin.record(model, draw=None, draws=model.average, **told)
        return [Coloring(name, L, ab, _for_screen(small, L, ab), made)]
    drawn = [model.maps(photo, draw=k, **chosen) for k in range(samples)]
    L = drawn[0][0]
    answer = torch.stack([ab for _, ab in drawn]).mean(dim=0)
    plain = vivid == 1.0 and reference is None
    doubt = Doubt.of(L, [ab for _, ab in drawn], answer, model.certainty, own=plain)
    made = origin.record(model, draw=None, draws=samples, **told)
    mean = Coloring(f"{name}, mean of {samples}", L, answer, _for_screen(small, L, answer), made, doubt)
    draws = [
        Coloring(f"{name}, draw {k + 1}", L, ab, _for_screen(small, L, ab), origin.record(model, draw=k + 1, **told))
        for k, (_, ab) in enumerate(drawn)
    ]
    return [mean, *draws]


def _for_screen(small: Photo, L: Luma, ab: Chroma) -> Image.Image:
    return picture_image(paint(small, L, ab).astype(np.uint8, copy=False), small)


def full_size(sitting: Sitting, chosen: int, folder: Path, max_pixels: int) -> tuple[Path, Path]:
    """A PNG of one coloring at the photograph's own size, and a JSON file that says what made it and what of it is a
    guess; in a new folder below ``folder``."""
    coloring = sitting.colorings[chosen]
    photo = read_photo(sitting.source, recolor=True, max_pixels=max_pixels)
    words = re.sub(r"[^A-Za-z0-9_]+", "-", f"{sitting.source.stem[:60]}-{coloring.label}").strip("-")
    target = Path(tempfile.mkdtemp(prefix="full-", dir=folder)) / f"{words}.png"
    write_photo(target, paint(photo, coloring.L, coloring.ab), photo, origin.xmp(coloring.made))
    facts = {"file": target.name, "size": list(photo.size[::-1]), **coloring.made}
    atomic.write_json(target.with_suffix(".json"), facts | (coloring.doubt.numbers if coloring.doubt else {}))
    return target, target.with_suffix(".json")


def example(folder: Path) -> Path:
    """scikit-image's photograph of a rocket, made gray; a file below ``folder``."""
    target = Path(tempfile.mkdtemp(prefix="example-", dir=folder)) / "example.png"
    photograph(EXAMPLE)[0].convert("L").save(target)
    return target


def words_of(coloring: Coloring) -> str:
    """HTML below the picture: what of it is a guess, and the legend of the map."""
    if coloring.doubt is None:
        return "<p>One answer: nothing says how sure it is. Several draws of a model that draws do.</p>"
    doubt = coloring.doubt
    ramp = "".join(
        f'<span style="--tint: {tint}">{value:.0f}{"" if sure is None else f" · {sure:.0%}"}</span>'
        for tint, value, sure in doubt.legend
    )
    if doubt.guess is None:
        return (
            "<p>With another vividness, or a reference, the draws no longer say how sure the model is. "
            f"The map: how far they lie apart, CIEDE2000.</p><div class=ramp>{ramp}</div>"
        )
    right = "" if doubt.certainty is None else ", and how often the mean is right (within 10 of the truth) there"
    how = "its draws lie 10 or more apart" if doubt.certainty is None else "it is less sure than a half"
    return (
        f"<p><b>{doubt.guess:.0%} of this picture is a guess</b> ({how}). "
        f"The map: distance of the draws, CIEDE2000{right}.</p><div class=ramp>{ramp}</div>"
    )


def page(models: Mapping[str, Colorizer], room: Room, *, max_pixels: int) -> Any:
    """The Gradio page; ``room`` takes its uploads and results."""
    folder = room.folder
    gradio = gradio_for(str(folder))
    stochastic = any(model.family.stochastic for model in models.values())
    one_at_a_time = {"concurrency_limit": 1, "concurrency_id": "models", "api_visibility": "private"}

    def color(
        file: str | None, names: list[str], samples: int, seed: int, vivid: float, reference: str | None, left: str
    ) -> tuple[Any, ...]:
        if not file or not names:
            raise gradio.Error("Drop a photograph and choose a model first.", print_exception=False)
        try:
            room.demand()
            sitting, failed = colorize(
                Path(file),
                {name: models[name] for name in names},
                samples=int(samples),
                seed=int(seed or 0),
                vivid=float(vivid),
                reference=Path(reference) if reference else None,
                max_pixels=max_pixels,
            )
        except UserError as error:
            raise gradio.Error(f"{Path(file).name}: {error}", print_exception=False) from error
        if not sitting.colorings:
            raise gradio.Error("; ".join(failed), print_exception=False)
        for line in failed:
            gradio.Warning(line)
        tiles = [(coloring.shown, coloring.label) for coloring in sitting.colorings]
        return sitting, gradio.Gallery(tiles, selected_index=0, visible=True), *show(sitting, 0, left)

    def again(file: str | None, *others: Any) -> tuple[Any, ...]:
        return color(file, *others) if file else (gradio.skip(),) * 7

    def show(sitting: Sitting, chosen: int, left: str) -> tuple[Any, ...]:
        coloring = sitting.colorings[chosen]
        doubtful = left == GUESS and coloring.doubt is not None
        before = coloring.doubt.over(sitting.small) if doubtful and coloring.doubt else sitting.gray
        slider = gradio.ImageSlider((before, coloring.shown), label=f"{GUESS if doubtful else GRAY} | {coloring.label}")
        waiting = [gradio.DownloadButton(interactive=False) for _ in range(2)]
        return slider, chosen, words_of(coloring), *waiting

    def choose(sitting: Sitting, left: str, event: gradio.SelectData) -> tuple[Any, ...]:  # type: ignore[name-defined]
        return show(sitting, int(event.index), left)

    def turn(sitting: Sitting | None, chosen: int, left: str) -> Any:
        return show(sitting, chosen, left)[0] if sitting else gradio.skip()

    def write(sitting: Sitting | None, chosen: int) -> Any:
        if sitting is None:
            return gradio.skip(), gradio.skip()
        try:
            room.demand()
            files = full_size(sitting, chosen, folder, max_pixels)
        except UserError as error:
            raise gradio.Error(str(error), print_exception=False) from error
        names = f"Download {sitting.colorings[chosen].label}, full size (PNG)", "How it was made (JSON)"
        return [
            gradio.DownloadButton(name, value=file, interactive=True) for name, file in zip(names, files, strict=True)
        ]

    with gradio.Blocks(title="colorbench", analytics_enabled=False, delete_cache=(KEPT // 6, KEPT)) as site:
        gradio.Markdown(
            "# colorbench\nDrop a photograph: it is colored at once. The colors are a model's guess, and the page says "
            "where; the lightness stays the photograph's. One in color loses its colors first."
        )
        sitting, chosen = gradio.State(time_to_live=KEPT), gradio.State(0)
        with gradio.Row(elem_id="layout"):
            with gradio.Column(elem_id="give"):
                file = gradio.File(label="Photograph", file_types=["image"], height=150, elem_id="photograph")
                instead = gradio.Button("Try an example", size="sm", elem_id="example")
            with gradio.Column(elem_id="see"):
                slider = gradio.ImageSlider(
                    label="gray | colored",
                    interactive=False,
                    format="png",
                    max_height=520,
                    buttons=["fullscreen"],
                    elem_id="slider",
                )
                left = gradio.Radio([GRAY, GUESS], value=GRAY, label="On the left", visible=stochastic, elem_id="left")
                said = gradio.HTML(elem_id="said")
                with gradio.Row(elem_id="files"):
                    download = gradio.DownloadButton("Download", interactive=False, elem_id="download")
                    facts = gradio.DownloadButton("How it was made (JSON)", interactive=False, elem_id="facts")
                tiles = gradio.Gallery(
                    show_label=False,
                    visible=False,
                    height="auto",
                    object_fit="cover",
                    format="png",
                    allow_preview=False,
                    interactive=False,
                    buttons=[],
                    label="Every coloring; choose one",
                    elem_id="tiles",
                )
            with gradio.Column(elem_id="dial"):
                names = gradio.CheckboxGroup(
                    list(models), value=list(models)[:4], label="Models", visible=len(models) > 1
                )
                vivid = gradio.Slider(0.2, 2.0, value=1.0, step=0.1, label="Vividness", elem_id="vivid")
                samples = gradio.Slider(
                    1, SAMPLES, value=SAMPLES if stochastic else 1, step=1, label="Draws", visible=stochastic
                )
                seed = gradio.Number(0, precision=0, label="Seed of the draws", visible=stochastic)
                reference = gradio.File(
                    label="Reference: take this picture's colors", file_types=["image"], height=150, elem_id="reference"
                )
                button = gradio.Button("Color again", variant="primary", elem_id="color")
        shown = [slider, chosen, said, download, facts]
        inputs = [file, names, samples, seed, vivid, reference, left]
        colored = [sitting, tiles, *shown]
        gave = instead.click(lambda: str(example(folder)), None, [file], api_visibility="private")
        for event in (
            file.upload(color, inputs, colored, **one_at_a_time),
            gave.success(color, inputs, colored, **one_at_a_time),
            button.click(color, inputs, colored, **one_at_a_time),
            *(dial.release(again, inputs, colored, **one_at_a_time) for dial in (vivid, samples)),
            *(dial.change(again, inputs, colored, **one_at_a_time) for dial in (names, seed, reference)),
            tiles.select(choose, [sitting, left], shown, **one_at_a_time),
        ):
            event.success(write, [sitting, chosen], [download, facts], **one_at_a_time)
        left.change(turn, [sitting, chosen, left], [slider], **one_at_a_time)
    return site.queue(max_size=16, api_open=False)


def gradio_for(folder: str) -> Any:
    """Gradio, told before it is imported that it may measure nothing and where uploads go."""
    os.environ.update(GRADIO_ANALYTICS_ENABLED="False", GRADIO_TEMP_DIR=folder, HF_HUB_DISABLE_TELEMETRY="1")
    try:
        import gradio
    except ImportError as error:
        raise UserError("the page needs Gradio: pip install 'colorbench[demo]'") from error
    return gradio
