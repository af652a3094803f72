"""Pack the rows of evaluated runs to be committed: ``colorbench rows RUN... --to experiments/NN/rows``

Each evaluation, and the trivial rows of its protocol, becomes one compressed CSV of a line for each picture;
``colorbench table experiments/NN/rows`` prints the table from these files alone.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from colorbench.commands import command
from colorbench.errors import UserError


def _parser() -> argparse.ArgumentParser:
    p = command.parser("rows", __doc__)
    p.add_argument("roots", nargs="+", type=Path, metavar="FOLDER", help="runs, or folders that hold them")
    p.add_argument("--to", type=Path, required=True, metavar="DIR", help="where the files go")
    p.add_argument("--protocol", help="only this protocol (its id or the start of it)")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    args = _parser().parse_args(argv)
    from colorbench.evaluation.archive import write_archive
    from colorbench.report.sheet import gather

    found = [e for e in gather(args.roots) if e.protocol.id.startswith(args.protocol or "")]
    if not found:
        raise UserError(f"{', '.join(map(str, args.roots))}: no evaluated runs; train one with colorbench model=NAME")
    for evaluation in found:
        print(write_archive(evaluation, args.to))
