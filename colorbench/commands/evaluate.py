"""Color the pictures of a protocol and judge them: ``colorbench evaluate RUN...``

    true L  --family-->  ab_hat  --join the true L, clip and round ONCE-->  8-bit picture  --metrics-->  rows

A stochastic family colors each picture K times, with the noise of (seed, picture, draw), which is the same for every
model. The trivial rows (gray, the training split's mean color, its mean color at each lightness, the nearest
neighbor's colors, and the truth sent through the same conversions) are judged once for each protocol and reused.

Rows go to RUN/eval/<protocol id>; a finished evaluation is kept; one table of all is printed. A folder of pictures that
another program made is judged like a run (folder mode), and its row is printed beside the run's: it lies in
submissions/NAME beside the study, so `colorbench table OUTPUT` of the whole output folder shows it too.

    colorbench evaluate outputs/default/* --set protocol.draws=16
    colorbench evaluate outputs/default/RUN --set sampler=dpmpp sampler.steps=20   # a row of its own: another sampler
    colorbench evaluate outputs/default/RUN --set model.steps=10   # as well, where a draw alone depends on it
    colorbench evaluate outputs/default/RUN --set protocol.limit=null --baselines gray neighbors   # not all eight
    colorbench evaluate outputs/default/RUN --checkpoint images-000006000   # a kept checkpoint (engine.keep_every=25%)
    colorbench evaluate outputs/default/RUN --export PICTURES      # truth/ and gray/ as PNG
    colorbench evaluate COLORED --truth outputs/default/RUN --name theirs   # a row of that run's table
    colorbench evaluate COLORED --truth ORIGINALS --size 256 --name theirs
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from colorbench.commands import command
from colorbench.errors import UserError


def _parser() -> argparse.ArgumentParser:
    p = command.parser("evaluate", __doc__)
    p.add_argument("paths", nargs="+", type=Path, metavar="RUN_OR_FOLDER", help="run folders, or one of pictures")
    p.add_argument("--truth", type=Path, metavar="RUN_OR_FOLDER", help="where the true pictures are (folder mode)")
    p.add_argument("--name", help="what to call the row (folder mode; default: the folder's name)")
    p.add_argument("--size", type=int, help="crop the center square of both and resize it (folder mode)")
    p.add_argument("--allow-gray", action="store_true", help="judge gray answers too (folder mode)")
    p.add_argument("--export", type=Path, metavar="DIR", help="write the run's test pictures (truth/, gray/) and stop")
    p.add_argument("--output", type=Path, help="where baselines and submissions go (default: beside the runs)")
    p.add_argument(
        "--set",
        dest="overrides",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="change metrics.*, protocol.* or sampler.* keys; choose metrics=, protocol=, sampler=NAME",
    )
    p.add_argument("--baselines", nargs="+", metavar="NAME", help="the trivial rows to judge (all; truth always)")
    command.add_checkpoint(p)
    command.add_plugins(p)
    p.add_argument("--device", default="auto")
    p.add_argument("--precision", default="auto", help="of the networks: auto, fp32, bf16, fp16 (metrics: always fp32)")
    p.add_argument("--batch-size", type=int, default=64)
    p.add_argument("--force", action="store_true", help="evaluate again although it is done")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    args = _parser().parse_args(argv)
    if args.export is not None:
        print(_export(args))
        return
    from colorbench.api import evaluate

    found = evaluate(
        *args.paths,
        truth=args.truth,
        name=args.name,
        overrides=args.overrides,
        checkpoint=args.checkpoint,
        baselines=args.baselines,
        output=args.output,
        size=args.size,
        allow_gray=args.allow_gray,
        device=args.device,
        precision=args.precision,
        batch_size=args.batch_size,
        force=args.force,
    )
    found.show()
    for folder in found.folders:
        print(folder)


def _export(args: argparse.Namespace) -> Path:
    """The run's test pictures."""
    from colorbench.evaluation.runs import nodes, plan_of_run
    from colorbench.evaluation.submission import export
    from colorbench.runs.resampled import is_of_drawing
    from colorbench.runs.run import open_run

    for word in filter(is_of_drawing, args.overrides):
        raise UserError(f"--set {word}: only a run draws; leave out --export")
    return export(plan_of_run(open_run(args.paths[0]), nodes(args.overrides))[0], args.export)
