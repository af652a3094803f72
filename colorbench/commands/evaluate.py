"""Color the pictures of a protocol and judge them: ``colorbench evaluate RUN...``

    true L  --family-->  ab_hat  --join the true L, clip and round ONCE-->  8-bit picture  --metrics-->  rows

A stochastic family colors each picture K times, with the noise of (seed, picture, draw), which is the same for every
model. The trivial rows (gray, the training split's mean color, its mean color at each lightness, the nearest
neighbor's colors, and the truth sent through the same conversions) are judged once for each protocol and reused.

Rows go to RUN/eval/<protocol id>; a finished evaluation is kept. A folder of pictures that another program made is
judged like a run (folder mode), and its row is printed beside the run's: it lies in submissions/NAME beside the study,
so `colorbench table OUTPUT` of the whole output folder shows it too.

    colorbench evaluate outputs/default/* --set protocol.draws=16
    colorbench evaluate outputs/default/RUN --set sampler=dpmpp sampler.steps=20   # a row of its own: another sampler
    colorbench evaluate outputs/default/RUN --checkpoint images-000006000   # a kept checkpoint (engine.keep_every=25%)
    colorbench evaluate outputs/default/RUN --export PICTURES      # truth/ and gray/ as PNG
    colorbench evaluate COLORED --truth outputs/default/RUN --name theirs   # a row of that run's table
    colorbench evaluate COLORED --truth ORIGINALS --size 256 --name theirs
"""

import argparse
from collections.abc import Iterator, Sequence
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
    command.add_checkpoint(p)
    command.add_plugins(p)
    p.add_argument("--device", default="auto")
    p.add_argument("--precision", default="auto", help="of the networks: auto, fp32, bf16, fp16 (metrics: always fp32)")
    p.add_argument("--batch-size", type=int, default=64)
    p.add_argument("--force", action="store_true", help="evaluate again although it is done")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    for done in _carry_out(_parser().parse_args(argv)):
        print(done)


def _carry_out(args: argparse.Namespace) -> Iterator[Path | None]:
    from colorbench.engine.precision import choose_device
    from colorbench.evaluation.resampled import is_of_sampler
    from colorbench.evaluation.runs import evaluate_folder, evaluate_run, nodes, plan_of_run

    overrides, device = nodes(args.overrides), choose_device(args.device)
    sampler = [word for word in args.overrides if is_of_sampler(word)]
    runs = [path for path in args.paths if (path / "config.yaml").is_file()]
    if sampler and (args.export is not None or args.truth is not None):
        raise UserError(f"--set {sampler[0]}: only a run has a sampler; leave out --export and --truth")
    if args.export is not None:
        from colorbench.evaluation.submission import export
        from colorbench.runs.run import open_run

        yield export(plan_of_run(open_run(args.paths[0]), overrides)[0], args.export)
    elif args.truth is not None:
        if len(args.paths) != 1:
            raise UserError("--truth: judge one folder at a time")
        from colorbench.api import results

        folder = args.paths[0]
        beside = args.truth.resolve().parents[1] if (args.truth / "config.yaml").is_file() else Path("outputs")
        done = evaluate_folder(
            folder,
            truth=args.truth,
            name=args.name or folder.name,
            output=args.output or beside,
            device=device,
            overrides=overrides,
            size=args.size,
            batch_size=args.batch_size,
            allow_gray=args.allow_gray,
        )
        assert done.folder is not None
        beside_it = [args.truth] if (args.truth / "eval" / done.protocol.id).is_dir() else []
        results(*beside_it, done.folder, protocol=done.protocol.id).show()
        yield done.folder
    elif len(runs) < len(args.paths):
        stranger = next(path for path in args.paths if path not in runs)
        raise UserError(f"{stranger}: not a run folder (no config.yaml); to judge a folder of pictures, give --truth")
    else:
        for path in runs:
            yield evaluate_run(
                path,
                device=device,
                overrides=overrides,
                output=args.output,
                batch_size=args.batch_size,
                precision=args.precision,
                checkpoint=args.checkpoint,
                sampler=sampler,
                force=args.force,
            ).folder
