"""The results table, from local rows only: ``colorbench table outputs``

Best bold, second italic, third bold italic; ties share a rank. Every row says what it is better at than rows
that learned nothing.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from colorbench.commands import command
from colorbench.errors import UserError


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
    p.add_argument("--format", choices=["md", "csv", "tex", "html"], default="md")
    p.add_argument("--diff", nargs=2, metavar=("A", "B"), help="paired differences of two rows, in all columns")
    p.add_argument("--protocol", help="only this protocol (its id or the start of it)")
    p.add_argument("--resamples", type=int, default=2000, help="of the bootstrap (default: 2000)")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    args = _parser().parse_args(argv)
    from colorbench.report.sheet import sheets
    from colorbench.report.table import FORMATS, difference

    wanted = args.metrics or (["all"] if args.diff else [])
    found = sheets(args.roots, metrics=wanted, resamples=args.resamples, protocol=args.protocol)
    if not found:
        where = ", ".join(map(str, args.roots))
        raise UserError(f"{where}: no evaluated runs; train one with python -m colorbench")
    if args.diff:
        texts = [difference(sheet, *args.diff) for sheet in found[:1]]
    else:
        texts = [
            FORMATS[args.format](sheet, intervals=not args.no_intervals, costs=not args.no_costs) for sheet in found
        ]
    print("\n".join(texts), end="")
