"""What a notebook needs, a few lines each; the same parts that the commands are made of.

    import colorbench

    run = colorbench.train("budget.images=2000", model="unet", data={"size": 64})
    run.curves, run.rows                                        # data frames
    colorbench.sweep(model=["resnet", "unet"], seed=[0, 1])     # every combination; gives the results
    colorbench.results("outputs").compare("resnet", "unet")
    colorbench.list_runs(state="interrupted")                   # which run is mine
    colorbench.evaluate(run.path, overrides=["protocol.draws=16"])
    colorbench.load(run.path)("photo.jpg")                      # a picture in color
    colorbench.list_models("unet*")

An override is a word as it is typed after ``colorbench`` (``"data.size=64"``), or a keyword (``seed=1``,
``model="unet"``; a dictionary for the keys of a group: ``budget={"images": 2000}``). Mistakes are
:class:`colorbench.errors.UserError`, one line that names the key and the cure. A finished run is not trained again.
"""

import fnmatch
import itertools
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorbench.errors import UserError
from colorbench.runs.cells import expanded
from colorbench.runs.config import compose, composed, conf_dir, described, flatten, normalize

if TYPE_CHECKING:
    from pandas import DataFrame

    from colorbench.inference.colorizer import Colorizer
    from colorbench.report.results import Results


@dataclass(frozen=True)
class Trained:
    """A run: path, its folder; skipped: it was finished before; best: the lowest value of ``monitor.best``."""

    path: Path
    skipped: bool
    best: float | None

    @property
    def curves(self) -> "DataFrame":
        """Every number of the training: one line for each moment, by ``images_seen``; ``train/loss_...``,
        ``val/psnr`` (dB) ..., NaN where a moment has no such number."""
        import pandas

        from colorbench.runs.record import read_jsonl

        rows = read_jsonl(self.path / "metrics.jsonl")
        return pandas.DataFrame(rows, columns=None if rows else ["images_seen"]).groupby("images_seen").first()

    @property
    def rows(self) -> "DataFrame":
        """One line for each test picture, means over draws. UserError: it was trained with evaluate=false."""
        found = results(self.path).rows
        return found[found["kind"] == "model"].drop(columns=["kind"]).reset_index(drop=True)

    @property
    def results(self) -> "Results":
        """This run between the rows that learned nothing."""
        return results(self.path)

    def _repr_html_(self) -> str:
        """In a notebook: where it is, its curves, and its table where it was judged."""
        from base64 import b64encode
        from html import escape

        picture = self.path / "curves.png"
        shown = (
            f'<img src="data:image/png;base64,{b64encode(picture.read_bytes()).decode()}">' if picture.is_file() else ""
        )
        with suppress(UserError):  # trained with evaluate=false
            shown += self.results._repr_html_()
        return f"<p>{escape(str(self.path))}{' (finished before)' if self.skipped else ''}</p>{shown}"


def train(*overrides: str, config_dirs: Sequence[str | Path] = (), **keys: Any) -> Trained:
    """Train one run, judge it, print its table: ``colorbench KEY=VALUE ...``. A finished run is skipped, a cut one goes
    on. config_dirs: folders of your own yaml. Raises UserError for what you can mend."""
    from colorbench.training.train import train as carry_out

    words = [*overrides, *_words(keys)]
    folders = [str(folder) for folder in config_dirs]
    config, chosen = composed(words, folders)
    experiment = chosen.get("experiment", "default")
    typed = expanded(normalize(words), [conf_dir(), *map(Path, folders)])
    done = carry_out(config, model=chosen["model"], experiment=experiment, overrides=typed, choices=chosen)
    return Trained(done.path, done.skipped, done.best)


def sweep(*overrides: str, **keys: Any) -> "Results":
    """Train every combination of the lists among ``keys``, one after another, and give the results of all:
    ``sweep(model=["resnet", "unet"], seed=[0, 1, 2])``. A cell that fails does not stop the others; then, at the end,
    UserError names those that failed. The same call goes on where it was cut."""
    axes = {key: list(value) for key, value in keys.items() if isinstance(value, list | tuple | range)}
    fixed = {key: value for key, value in keys.items() if key not in axes}
    if not axes:
        raise UserError('sweep: nothing to sweep over; give a list, as in seed=[0, 1, 2], or call "train"')
    cells = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    for cell in cells:  # a mistake is told before anything is trained
        compose([*overrides, *_words({**fixed, **cell})])
    finished, failed = [], []
    for number, cell in enumerate(cells, 1):
        said = " ".join(_words(cell))
        print(f"\ncell {number} of {len(cells)}: {said}", file=sys.stderr)
        try:
            finished.append(train(*overrides, **fixed, **cell).path)
        except Exception as error:
            print(f"failed: {said}: {type(error).__name__}: {error}", file=sys.stderr)
            failed.append(said)
    if failed:
        raise UserError(f"sweep: {len(failed)} of {len(cells)} runs failed: {'; '.join(failed)}")
    return results(*finished)


def results(
    *roots: str | Path,
    columns: Sequence[str] = (),
    protocol: str | None = None,
    resamples: int = 2000,
    apart: bool = False,
) -> "Results":
    """What was judged below some folders (default: ``outputs``): rows, tables, comparisons, figures
    (:class:`colorbench.report.results.Results`, which says what the options are). UserError: nothing there."""
    from colorbench.report.results import Results

    return Results.of(roots or ("outputs",), columns=columns, protocol=protocol, resamples=resamples, apart=apart)


def evaluate(
    *paths: str | Path,
    truth: str | Path | None = None,
    name: str | None = None,
    overrides: Sequence[str] = (),
    checkpoint: str | None = None,
    baselines: Sequence[str] | None = None,
    output: str | Path | None = None,
    size: int | None = None,
    allow_gray: bool = False,
    device: str = "auto",
    precision: str = "auto",
    batch_size: int = 64,
    force: bool = False,
) -> "Results":
    """Color the test pictures of runs and judge them, or judge a folder of pictures that another program made, and give
    their results under that protocol; what was judged before is read.

    paths: run folders, or with ``truth`` one folder of pictures. truth: a run, whose table the row joins, or a folder
    of true pictures. name: of that row (default: the folder's). overrides: words of ``metrics``, ``protocol``,
    ``sampler``, or what of ``model`` its draws alone depend on (``"protocol.draws=16"``). checkpoint: best, last or
    a kept one. baselines: the trivial rows to judge beside truth's (``"gray"``, ``"neighbors"`` ...); None is all.
    output: where trivial rows and submissions go (default: where the run's study is). size: px, both
    cropped to the center square and resized. allow_gray: judge gray answers of another program too. Raises
    UserError for what is no run or no picture."""
    from colorbench.engine.precision import choose_device
    from colorbench.evaluation.baselines import TRIVIAL
    from colorbench.evaluation.runs import evaluate_folder, evaluate_run, nodes
    from colorbench.runs.resampled import is_of_drawing

    folders = [Path(path) for path in paths]
    changed, drawing = nodes(list(overrides)), [word for word in overrides if is_of_drawing(word)]
    where = Path(output) if output is not None else None
    trivial = TRIVIAL if baselines is None else tuple(baselines)
    if truth is not None:
        if len(folders) != 1:
            raise UserError("--truth: judge one folder at a time")
        if drawing:
            raise UserError(f"--set {drawing[0]}: only a run draws; leave out --truth")
        of_run = (Path(truth) / "config.yaml").is_file()
        if baselines is not None and not of_run:
            raise UserError("--baselines: beside a folder's pictures gray and truth alone are judged; leave it out")
        done = evaluate_folder(
            folders[0],
            truth=Path(truth),
            name=name or folders[0].name,
            output=where or (Path(truth).resolve().parents[1] if of_run else Path("outputs")),
            device=choose_device(device),
            overrides=changed,
            size=size,
            batch_size=batch_size,
            allow_gray=allow_gray,
            baselines=trivial,
        )
        assert done.folder is not None
        beside = [Path(truth)] if (Path(truth) / "eval" / done.protocol.id).is_dir() else []
        return results(*beside, done.folder, protocol=done.protocol.id)
    stranger = next((path for path in folders if not (path / "config.yaml").is_file()), None)
    if stranger is not None:
        raise UserError(f"{stranger}: not a run folder (no config.yaml); to judge a folder of pictures, give --truth")
    judged = [
        evaluate_run(
            path,
            device=choose_device(device),
            overrides=changed,
            output=where,
            batch_size=batch_size,
            precision=precision,
            checkpoint=checkpoint,
            drawing=drawing,
            baselines=trivial,
            force=force,
        )
        for path in folders
    ]
    ids = {done.protocol.id for done in judged}
    return results(*folders, protocol=ids.pop() if len(ids) == 1 else None)


def load(source: str | Path = "starter", **options: Any) -> "Colorizer":
    """A model that colors photographs (:class:`colorbench.Colorizer`): the starter, a run folder, a portable model, or
    USER/NAME of the Hugging Face Hub. options: device, checkpoint, size, average, drawing. Its ``family`` is the torch
    module."""
    from colorbench.inference.colorizer import Colorizer

    return Colorizer.from_pretrained(source, **options)


def list_models(pattern: str = "*") -> "DataFrame":
    """The models whose names match ``pattern`` (``unet*``): name, what it is in one line, its family, whether it draws
    (its colorings of one picture differ), its parameters."""
    import pandas

    from colorbench.training.schema import on_paper

    rows = []
    for name, line in described("model").items():
        if fnmatch.fnmatch(name, pattern):
            model = compose([f"model={name}"])["model"]
            family = on_paper(model)
            count = sum(p.numel() for p in family.parameters())
            rows.append((name, line, model["family"], family.stochastic, count))
    return pandas.DataFrame(rows, columns=["name", "summary", "family", "stochastic", "parameters"]).set_index("name")


def list_runs(folder: str | Path = "outputs", *, state: str | None = None) -> "DataFrame":
    """The runs below ``folder``, the newest first: when (UTC), state, what tells it from the others, data, seed, images
    seen, its budget, its mean CIEDE2000 on the test pictures (NaN where it was not judged), its folder.

    state: only running, trained, finished, paused, interrupted, cut (its process was killed), failed or damaged ones.
    Raises UserError where no run is."""
    import pandas

    from colorbench.runs.ledger import cells, overview

    found = [cell for cell in cells(Path(folder)) if state in (None, cell.state)]
    if not found:
        others = sorted({cell.state for cell in cells(Path(folder))})
        raise UserError(f"{folder}: no run is {state}; there are {', '.join(others)} ones")
    return pandas.DataFrame([vars(each) for each in overview(found)])


def _words(keys: Mapping[str, Any]) -> list[str]:
    """Keywords as Hydra's words: a group takes an option's name, any other text is quoted."""
    words = []
    for key, value in keys.items():
        if isinstance(value, Mapping) and value:
            words += [_word(f"{key}.{leaf}", each) for leaf, each in flatten(value)]
        else:
            words.append(_word(key, value))
    return words


def _word(key: str, value: Any) -> str:
    plain = isinstance(value, str) and (conf_dir() / key).is_dir()
    return f"{key}={value if plain else _spoken(value)}"


def _spoken(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str | Path):
        text = str(value)
        ends = len(text) - len(text.rstrip("\\"))  # Hydra reads a backslash before the closing quote as an escape
        return "'" + text.replace("'", r"\'") + "\\" * ends + "'"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_spoken(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_spoken, value)) + "]"
    return str(value)
