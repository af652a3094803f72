"""Which run is mine: what, where, when, how far, how good, the newest first: ``colorbench runs``

    colorbench runs                     those below outputs
    colorbench runs outputs/ablations --state interrupted

CIEDE2000 is the mean over the test pictures (lower is better). A run that was interrupted, or whose process was killed
(``cut``), goes on when its command is typed again; the lines below the table say what to type.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from colorbench.commands import command

_STATES = ("running", "trained", "finished", "paused", "interrupted", "cut", "failed", "damaged")


def _parser() -> argparse.ArgumentParser:
    p = command.parser("runs", __doc__)
    p.add_argument("root", nargs="?", type=Path, default=Path("outputs"), metavar="FOLDER", help="(default: outputs)")
    p.add_argument("--state", choices=_STATES, help="only these")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    args = _parser().parse_args(argv)
    from colorbench.api import list_runs
    from colorbench.runs.ledger import advice, aligned

    found = list_runs(args.root, state=args.state)
    rows = [["when (UTC)", "state", "run", "data", "seed", "images", "CIEDE2000", "folder"]]
    for run in found.to_dict("records"):
        seed = "" if run["seed"] is None or math.isnan(run["seed"]) else f"{run['seed']:.0f}"
        images = " / ".join(filter(None, [f"{run['images']:,}", run["budget"]]))
        score = "" if math.isnan(run["ciede2000"]) else f"{run['ciede2000']:.2f}"
        words = [run[key] for key in ("when", "state", "run", "data")]
        rows.append([*words, seed, images, score, str(run["folder"])])
    if sys.stdout.isatty():  # the folder on a line of its own, so that the others fit
        heads, *lines = aligned([row[:-1] for row in rows])
        print("\n".join([heads, *(f"{line}\n    {row[-1]}" for line, row in zip(lines, rows[1:], strict=True))]))
    else:
        print("\n".join(aligned(rows)))
    print("\n".join(["", *advice(list(zip(found["state"], found["folder"], strict=True)))]))
