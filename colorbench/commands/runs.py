"""Which run is mine: what, where, when, how far, how good, the newest first: ``colorbench runs``

    colorbench runs                     those below outputs
    colorbench runs outputs/ablations --state interrupted

CIEDE2000 is the mean over the test pictures (lower is better). A run that was interrupted, or whose process was killed
(``cut``), goes on when its command is typed again; the lines below the table say what to type.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from colorbench.commands import command
from colorbench.errors import UserError

_STATES = ("running", "trained", "finished", "paused", "interrupted", "cut", "failed", "damaged")


def _parser() -> argparse.ArgumentParser:
    p = command.parser("runs", __doc__)
    p.add_argument("root", nargs="?", type=Path, default=Path("outputs"), metavar="FOLDER", help="(default: outputs)")
    p.add_argument("--state", choices=_STATES, help="only these")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    args = _parser().parse_args(argv)
    from colorbench.runs.ledger import advice, aligned, cells, overview

    found = [cell for cell in cells(args.root) if args.state in (None, cell.state)]
    if not found:
        raise UserError(f"{args.root}: no run is {args.state}")
    rows = overview(found)
    if sys.stdout.isatty():  # the folder on a line of its own, so that the others fit
        heads, *lines = aligned([row[:-1] for row in rows])
        print("\n".join([heads, *(f"{line}\n    {row[-1]}" for line, row in zip(lines, rows[1:], strict=True))]))
    else:
        print("\n".join(aligned(rows)))
    print("\n".join(["", *advice(found)]))
