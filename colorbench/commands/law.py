"""Where a trained model stands between gray and the scenes' own law: ``colorbench law RUN...``

Only for runs on ``data=scenes``, whose p(ab | L) is known. A perfect sampler (the oracle) colors the same pictures
under the same protocol, so every score has a best that can be reached; and a coloring can be judged as a draw from a
distribution (colorbench/data/scenes/reading.py). Place (colorbench/metrics/place.py) says where a model stands between
``neighbors``, a sampler that learned nothing (0), and the law (1).

    colorbench law outputs/default/*     # one table, the best first in the picture
    colorbench law RUN --set sampler.steps=50   # drawn in another way; pictures go to law/ beside it
    colorbench law --oracles data.level=hard protocol.limit=300 --to experiments/02_known_law
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from colorbench import atomic
from colorbench.commands import command
from colorbench.errors import UserError


def _parser() -> argparse.ArgumentParser:
    p = command.parser("law", __doc__)
    p.add_argument(
        "words", nargs="*", metavar="RUN|KEY=VALUE", help="run folders; with --oracles, overrides of the config"
    )
    p.add_argument("--oracles", action="store_true", help="the table of all oracles, perfect and broken")
    command.add_drawing(p)
    p.add_argument("--to", type=Path, metavar="DIR", help="write table.md, picture and calibration plot there")
    p.add_argument("--output", type=Path, help="where baselines are kept (default: beside the runs; outputs)")
    p.add_argument("--device", default="auto")
    command.add_plugins(p)
    return p


def main(argv: Sequence[str] | None = None) -> None:
    args = _parser().parse_args(argv)
    if args.oracles and args.drawing:
        raise UserError(f"--set {args.drawing[0]}: an oracle draws from the law; leave out --oracles or --set")
    if args.oracles:
        _print_oracles(args)
    else:
        _print_runs(args)


def _print_runs(args: argparse.Namespace) -> None:
    from colorbench.engine.precision import choose_device
    from colorbench.report.law.conclude import conclude

    if not args.words:
        raise UserError("give run folders (outputs/<study>/<run>), or --oracles")
    paths = [Path(word) for word in args.words]
    output = args.output or paths[0].resolve().parents[1]
    to = args.to or (paths[0] if len(paths) == 1 and not args.drawing else output / "law")
    done = conclude(paths, device=choose_device(args.device), output=output, to=to, drawing=args.drawing)
    if args.to is not None:
        atomic.write_text(to / "table.md", done.table)
    print(done.table, *done.sentences, f"picture: {done.picture}", f"calibration: {done.calibration}", sep="\n")


def _print_oracles(args: argparse.Namespace) -> None:
    from colorbench.data.dataset import open_data
    from colorbench.engine.precision import choose_device
    from colorbench.evaluation.law import world_of
    from colorbench.evaluation.protocol import plan
    from colorbench.metrics.suite import Suite
    from colorbench.report.law.conclude import conclude_oracles
    from colorbench.runs.config import compose

    config = compose(["data=scenes", *args.words])
    device, output = choose_device(args.device), args.output or Path(config["output"])
    data = open_data(config["data"])
    planned = plan(config["protocol"], data, Suite.of(config["metrics"]))
    print(conclude_oracles(planned, data, world_of(data), device=device, output=output, to=args.to))
