"""Checks the claim of a record and prints its row: ``colorbench records RUN...``

A record is a recipe, one file of words (experiments/07_records/NAME.txt), whose retrainings reach the place of the
track (track.yaml beside it) in the fewest processor seconds. Its retrainings lie in a study of its name; the seeds are
a hash of its words, and the first n of them all count. Exit code 1 if the claim is not shown.

    colorbench records --recipe experiments/07_records/NAME.txt --plan 4 | sh     # trains them; again: goes on
    colorbench records outputs/NAME/*/                                            # the claim, and its row
    colorbench records outputs/NAME/*/ --against outputs/RECORD/*/                # is it faster, too?
    colorbench records outputs/NAME/*/ --sigma                                     # measures the track's sigma
"""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from colorbench.commands import command
from colorbench.errors import UserError

FOLDER = Path("experiments/07_records")


def _parser() -> argparse.ArgumentParser:
    p = command.parser("records", __doc__)
    p.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="run folders, all of one recipe")
    p.add_argument("--recipe", type=Path, metavar="FILE", help=f"default: {FOLDER}/STUDY.txt of the runs")
    p.add_argument("--plan", type=int, metavar="N", help="print the commands of N retrainings")
    p.add_argument("--sigma", action="store_true", help="print what the spread of these runs makes of the track")
    p.add_argument("--against", nargs="+", type=Path, metavar="RUN", help="retrainings of the record to beat")
    p.add_argument("--output", default="outputs", help="where --plan's runs go (outputs)")
    p.add_argument("--device", default="cpu")
    command.add_plugins(p)
    return p


def main(argv: Sequence[str] | None = None) -> int | None:
    args = _parser().parse_args(argv)
    from colorbench.engine.precision import choose_device
    from colorbench.report import records

    if args.plan is None and not args.runs:
        raise UserError("give run folders, or --recipe FILE --plan N")
    file = _recipe_of(args.runs) if args.recipe is None else args.recipe
    recipe, track = records.Recipe.read(file), records.Track.read(file.parent / "track.yaml")
    if args.plan is not None:
        for seed in recipe.seeds(args.plan):
            print("colorbench", shlex.join(recipe.command(track, seed, args.output)))
        return None
    device = choose_device(args.device)
    claim = records.check(recipe, track, records.read(args.runs, recipe, track, device=device))
    for run in claim.runs:
        print(f"seed {run.seed}: place {100 * run.place:.1f} %, {run.seconds:,.1f} processor seconds")
    if args.sigma:
        value, error = records.sigma(claim.runs)
        print(f"sigma: {value:.4f} # +- {error:.4f}\nretrainings: {len(claim.runs)}")
        return None
    print(f"{records.HEADER}\n{claim.row()}")
    shown = claim.shown
    if args.against:
        other = records.Recipe.read(_recipe_of(args.against))
        record = records.check(other, track, records.read(args.against, other, track, device=device))
        p = records.faster(claim, record)
        print(f"against {other.name}: {record.seconds / claim.seconds:.2f} times as fast, p={p:.2g}")
        shown = shown and p < track.significance
    return 0 if shown else 1


def _recipe_of(runs: Sequence[Path]) -> Path:
    """By the study that the runs lie in. UserError: they lie in several, or it has none."""
    studies = {path.resolve().parent.name for path in runs}
    file = FOLDER / f"{min(studies)}.txt"
    if len(studies) > 1 or not file.is_file():
        raise UserError(
            f"--recipe FILE is needed: the runs lie in {', '.join(sorted(studies))}, and there is no {file}"
        )
    return file
