"""Color photographs with a trained model: ``colorbench colorize PATH... [--model MODEL] [-o OUT]``

PATH: files, folders (searched to the bottom), globs, or - for a list of names on standard input. MODEL: the starter
that comes with the package, a run folder, a portable model (folder or .safetensors file), or USER/NAME of the Hugging
Face Hub. Results go to OUT (default:
colorized), under the names of the originals, which are never touched. Any size: the lightness stays the photograph's,
pixel for pixel. A second start skips what is finished; other options color anew.

--set changes how a run's model draws, as in `colorbench evaluate`: the row that won in the table is what colors.

    colorbench colorize scans --model outputs/default/RUN --set sampler=heun sampler.steps=10 sampler.temperature=1.03

Sepia and other photographs toned in one hue count as gray; pictures in color are refused, unless --recolor.

--uncertainty: the mean of the draws, the draws, a map of how far they lie apart with a legend, and a JSON file that
says which model colored the picture and what share of it is a guess. Every colored file says in its XMP that it was
colorized.

Every picture that could not be colored is named with its reason, and nothing is written for it. Exit codes: 0 all
colored, 1 some were not, 2 the command is wrong.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from colorbench.commands import command
from colorbench.errors import UserError
from colorbench.runs.starter import STARTER


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; 1 when some pictures were not colored."""
    options = _parser().parse_args(argv)
    from colorbench.inference.colorize import colorize, find, plan

    if options.uncertainty and options.samples == 1:
        options.samples = 8
    if options.vivid is not None and not 0 < options.vivid <= 4:
        raise UserError(f"--vivid {options.vivid}: expected more than 0 and at most 4")
    if not 0 < options.strength <= 4:
        raise UserError(f"--strength {options.strength}: expected more than 0 and at most 4")
    for key, least in (("samples", options.samples), ("max-pixels", options.max_pixels)):
        if least < 1:
            raise UserError(f"--{key} {least}: expected 1 or more")
    if options.size is not None and not 8 <= options.size <= 4096:
        raise UserError(f"--size {options.size}: expected 8 to 4096")
    if options.average is not None and not 1 <= options.average <= 64:
        raise UserError(f"--average {options.average}: expected 1 to 64")
    run = next((word for word in options.path if word and (Path(word) / "config.yaml").is_file()), None)
    if run is not None:
        raise UserError(f"{run}: a run folder, not pictures; color with its model by --model {run}")
    files, missing = find(options.path)
    if not files and not missing:
        raise UserError(f"no picture in {' '.join(options.path)}")
    from colorbench.api import load

    model = load(
        options.model,
        device=options.device,
        checkpoint=options.checkpoint,
        size=options.size,
        average=options.average,
        drawing=options.drawing,
    )
    if options.uncertainty and not model.family.stochastic:
        raise UserError(
            f"--uncertainty: {model.name} gives one answer for each picture, and nothing says how sure it is"
        )
    for key in ("samples", "average"):
        if (getattr(options, key) or 1) > 1 and not model.family.stochastic:
            raise UserError(f"--{key} {getattr(options, key)}: {model.name} gives one answer for each picture")
    out = Path(options.output)
    if options.vivid is not None:
        options.strength *= model.vivid(options.vivid)
    jobs = plan(files, out, options.format, options.samples, options.uncertainty)
    failures = [(name, "no such file or folder") for name in missing]
    try:
        done, skipped = colorize(jobs, model, out, options, failures)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt("interrupted; the same command goes on") from stop
    from colorbench.data.folder import printable

    for name, reason in failures:
        print(f"colorbench.inference.colorize: {printable(name)}: {printable(reason)}", file=sys.stderr)
    already = f", {skipped} finished before" if skipped else ""
    print(f"{done} colored{already}, {len(failures)} failed; {printable(str(out))}")
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = command.parser("colorize", __doc__)
    parser.add_argument("path", nargs="+", help="files, folders, globs, or - for names on standard input")
    parser.add_argument("--model", default=STARTER, help="run folder, portable model, USER/NAME of the Hub (starter)")
    parser.add_argument("-o", "--output", default="colorized", help="folder (or, for one picture, file) to write")
    parser.add_argument(
        "--format",
        default="same",
        choices=("same", "png", "jpg", "webp", "tif"),
        help="same as the original (default); png, webp and tif lose nothing",
    )
    parser.add_argument("--samples", type=int, default=1, help="colorings of each picture, and a contact sheet")
    parser.add_argument(
        "--uncertainty", action="store_true", help="mean and map of the draws (8), and what it is sure of"
    )
    parser.add_argument("--average", type=int, help="one coloring is the mean of so many draws (as the model says)")
    parser.add_argument("--seed", type=int, default=0, help="of the colorings of a stochastic model")
    parser.add_argument(
        "--vivid", type=float, help="by guidance or temperature where the model has it, else a factor (1)"
    )
    parser.add_argument("--strength", type=float, default=1.0, help="factor of the colors (1)")
    parser.add_argument("--hint", "--reference", help="a picture whose colors are taken (retrieval, models on a trunk)")
    parser.add_argument("--recolor", action="store_true", help="also pictures in color: forget their colors")
    parser.add_argument("--size", type=int, help="px of the shorter side seen by the model (as trained)")
    command.add_drawing(parser)
    command.add_checkpoint(parser)
    command.add_plugins(parser)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps")
    parser.add_argument("--max-pixels", type=int, default=200_000_000, help="refuse larger pictures, by their header")
    return parser
