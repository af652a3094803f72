"""One HTML page that holds everything, for people who want to look: ``colorbench report outputs``

Table, plots, training curves and a gallery of gray | truth | every model, in one self-contained file without any
network access. The page's own script draws it from the numbers embedded in it; the pictures are small WebP images,
shrunk as far as the size limit asks. ``--figures DIR`` writes the same as PNG and PDF for papers.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from colorbench.commands import command


def _parser() -> argparse.ArgumentParser:
    p = command.parser("report", __doc__)
    p.add_argument(
        "roots",
        nargs="*",
        type=Path,
        default=[Path("outputs")],
        metavar="FOLDER",
        help="runs, or folders that hold them (default: outputs)",
    )
    p.add_argument("-o", "--out", type=Path, default=Path("report.html"), help="the page (default: report.html)")
    p.add_argument("--title", default="colorbench report")
    p.add_argument("--protocol", help="only this protocol (its id or the start of it; default: most models)")
    p.add_argument("--limit-mb", type=float, default=20.0, help="size limit of the page; pictures shrink to fit")
    p.add_argument("--figures", type=Path, metavar="DIR", help="also write PNG and PDF figures for papers")
    p.add_argument("--resamples", type=int, default=2000, help="of the bootstrap (default: 2000)")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    args = _parser().parse_args(argv)
    from colorbench.api import results

    found = results(*args.roots, columns=["all"], protocol=args.protocol, resamples=args.resamples)
    print(found.report(args.out, title=args.title, limit_mb=args.limit_mb))
    if found.others:
        others = ", ".join(other.sheet.protocol.id for other in found.others)
        print(f"other protocols were left out: {others} (choose with --protocol ID)", file=sys.stderr)
    if args.figures:
        from colorbench.report.figures import write_figures

        for path in write_figures(found.sheet, args.figures):
            print(path)
