"""Where the parameters and the computation of a model are: ``colorbench inspect RUN``

RUN is a run folder; instead of one, ``model=unet data.size=64`` and other overrides show an untrained model. Prints the
parameters of each module and the floating-point operations of one coloring at the run's picture size (a multiplication
and an addition count as two; a diffusion's are those of all its sampler's steps), then the layers that hold the most
parameters, with the spread of their weights. ``inspect.png`` shows the same, with a histogram of each of these layers:
a spike at zero is a dead layer, heavy tails are a rate too high. ``top=12`` layers, ``depth=2`` levels of modules,
``output=FILE`` for the picture (default: in the run folder, or in the current one); a .csv beside it has every layer.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from colorbench import atomic
from colorbench.commands import command
from colorbench.errors import UserError


def main(argv: Sequence[str] | None = None) -> None:
    parser = command.parser("inspect", __doc__)
    parser.add_argument("words", nargs="+", metavar="RUN|KEY=VALUE", help="a run folder, or overrides")
    command.add_plugins(parser)
    own = {"top": "12", "depth": "2", "output": ""}
    rest = []
    for word in parser.parse_args(argv).words:
        key, _, value = word.partition("=")
        if key in own and value:
            own[key] = value
        else:
            rest.append(word)
    from colorbench.inference.anatomy import anatomy, csv_text, draw, text

    family, size, title, folder = _open(rest)
    found = anatomy(family, size, depth=_number("depth", own["depth"]), top=_number("top", own["top"]))
    if not found.parameters:
        raise UserError(f"{title} has no parameters to inspect")
    print(text(found))
    file = Path(own["output"]) if own["output"] else folder / "inspect.png"
    try:
        print(f"\npicture: {draw(found, file, f'{title}, {size} px')}")
        atomic.write_text(file.with_suffix(".csv"), csv_text(family))
        print(f"every layer: {file.with_suffix('.csv')}")
    except OSError as error:
        raise UserError(f"output={file}: cannot be written ({error.strerror})") from error


def _open(words: list[str]) -> tuple[Any, int, str, Path]:
    import torch

    if len(words) == 1 and "=" not in words[0]:
        from colorbench.runs.run import open_run

        run = open_run(words[0])
        return run.family(torch.device("cpu")), int(run.config["data"]["size"]), run.name, run.path
    from colorbench.registry import build, load_plugins
    from colorbench.runs.config import compose
    from colorbench.trunks.weights import everything_follows

    config = compose(words)
    load_plugins(config["plugins"])
    with everything_follows():  # the shapes need no pretrained weights
        family = build("family", config["model"], "model").eval()
    name = next((w.partition("=")[2] for w in words if w.startswith("model=")), "model")
    return family, int(config["data"]["size"]), f"{name}, untrained", Path()


def _number(key: str, value: str) -> int:
    if not value.isdigit() or int(value) < 1:
        raise UserError(f"{key}: expected a number of at least 1, got {value!r}")
    return int(value)
