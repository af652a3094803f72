"""The results table, from local rows only: ``colorbench table outputs``

Best bold, second italic, third bold italic; ties share a rank. Every row says what it is better at than rows
that learned nothing.

    colorbench table outputs --diff unet unetgan                       rows, under every protocol that judged both
    colorbench table --diff outputs/default/unet-A outputs/default/unet-B    two runs, of any seed
    colorbench table outputs --race race.png                           who leads when, by validation score
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from colorbench.commands import command
from colorbench.errors import UserError

if TYPE_CHECKING:
    from colorbench.report.sheet import Sheet


def _parser() -> argparse.ArgumentParser:
    p = command.parser("table", __doc__)
    p.add_argument(
        "roots",
        nargs="*",
        type=Path,
        default=[Path("outputs")],
        metavar="FOLDER",
        help="runs, or folders that hold them (default: outputs)",
    )
    p.add_argument("--metrics", nargs="+", default=[], metavar="COLUMN", help="columns to show; 'all' for all")
    p.add_argument("--no-intervals", action="store_true", help="means only")
    p.add_argument("--no-costs", action="store_true", help="without costs: what a repetition gives again to the byte")
    p.add_argument(
        "--format",
        choices=["md", "csv", "tex", "html"],
        help="default: as wide as the terminal; md where there is none",
    )
    p.add_argument(
        "--diff", nargs=2, metavar=("A", "B"), help="paired differences of two rows or run folders, in all columns"
    )
    p.add_argument(
        "--race", type=Path, metavar="PNG", help="validation scores against seconds and images, and who leads when"
    )
    p.add_argument("--protocol", help="only this protocol (its id or the start of it)")
    p.add_argument("--resamples", type=int, default=2000, help="of the bootstrap (default: 2000)")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    args = _parser().parse_args(argv)
    from colorbench.api import results

    wanted = args.metrics or (["all"] if args.diff else [])
    runs = [Path(word) for word in args.diff or () if (Path(word) / "eval").is_dir()]
    found = results(
        *(runs or args.roots),
        columns=wanted,
        protocol=args.protocol,
        resamples=args.resamples,
        apart=bool(runs),
    )
    if args.race:
        _race(args.race, found.sheet)
    elif args.diff:
        names = [Path(word).resolve().name if Path(word) in runs else word for word in args.diff]
        print(found.differences(*names), end="")
    elif args.format is None:
        found.show(intervals=not args.no_intervals, costs=not args.no_costs)
    else:
        print(found.written(args.format, intervals=not args.no_intervals, costs=not args.no_costs), end="")


def _race(file: Path, sheet: "Sheet") -> None:
    from colorbench.report.race import draw_race, of_lines, told

    found = of_lines(sheet.lines)
    if not found:
        raise UserError("--race: no run of these kept its validation scores (metrics.jsonl of two looks or more)")
    print("\n".join([*told(found), f"figure: {draw_race(found, file)}"]))
