"""The best and the worst pictures of a run by any metric, over all test pictures: ``colorbench gallery RUN --by ssim``

Two PNGs, best-METRIC.png and worst-METRIC.png: gray | truth | model | error, from lossless pictures that are colored
again with the judge's noise. Each error map (dE76 of every pixel, black 0 to white 40) is a PNG of its own too.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from colorbench.commands import command


def main(argv: Sequence[str] | None = None) -> None:
    p: argparse.ArgumentParser = command.parser("gallery", __doc__)
    p.add_argument("run", type=Path, help="a run folder that has been evaluated")
    p.add_argument("--by", default="ssim", metavar="METRIC", help="a column of its rows (ssim)")
    p.add_argument("--count", type=int, default=8, help="pictures in each (8)")
    p.add_argument("-o", "--output", type=Path, help="where to (default: RUN/gallery)")
    p.add_argument("--device", default="auto")
    command.add_plugins(p)
    args = p.parse_args(argv)
    from colorbench.engine.precision import choose_device
    from colorbench.report.extremes import draw_extremes

    where = args.output or args.run / "gallery"
    for file in draw_extremes(args.run, args.by, args.count, where, choose_device(args.device)):
        print(file)
