"""What a draw costs against how good the draws are: milliseconds, energy score, who is beaten by nothing cheaper.

    pareto.py ROWS RUN=ROW[#TITLE]... --size 128 --to pareto.png

ROWS: a folder of rows (rows/, or ../02_known_law/rows). RUN: a run of that model (how long it was trained costs no
time); ROW: what the table of ROWS calls it; TITLE: what the plot does. Eight gray pictures are colored by every run in
turn, ROUNDS times, on one thread; milliseconds are the processor's for one draw of one picture, medians of the rounds,
bars the 95 % interval of the energy score.
"""

import argparse
import statistics
import time
from pathlib import Path

import torch
from matplotlib.figure import Figure

import colorbench
from colorbench.noise import Noise

PICTURES, ROUNDS = 8, 5


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("rows", type=Path)
    p.add_argument("runs", nargs="+", metavar="RUN=ROW[#TITLE]")
    p.add_argument("--size", type=int, default=128)
    p.add_argument("--score", default="energy")
    p.add_argument("--to", type=Path, required=True)
    args = p.parse_args()
    torch.set_num_threads(1)
    families, titles = {}, {}
    for word in args.runs:
        run, row = word.split("=", 1)
        row, _, title = row.partition("#")
        families[row], titles[row] = colorbench.load(run, device="cpu").family, title or row
    L = torch.rand(PICTURES, 1, args.size, args.size, generator=torch.Generator().manual_seed(0))
    spent: dict[str, list[float]] = {row: [] for row in families}
    with torch.inference_mode():
        for turn in range(ROUNDS + 1):
            for row, family in families.items():
                begun = time.process_time()
                family.colorize(L, Noise.of(0, torch.arange(PICTURES), turn))
                spent[row].append(1000 * (time.process_time() - begun) / PICTURES)
    cost = {row: statistics.median(times[1:]) for row, times in spent.items()}
    table = colorbench.results(args.rows).table(args.score)
    found = {
        row: tuple(float(table.loc[row, args.score + part]) for part in ("", " low", " high")) for row in cost
    }  # mean, low, high
    print(f"| row | ms a draw | {args.score} |\n|---|---:|---|")
    for row, at in sorted(cost.items(), key=lambda pair: pair[1]):
        print(f"| {titles[row]} | {at:.1f} | {found[row][0]:.3f} [{found[row][1]:.3f}, {found[row][2]:.3f}] |")
    figure = Figure(figsize=(8.5, 4.6), layout="constrained")
    axes = figure.add_subplot()
    best = float("inf")
    edge: list[tuple[float, float]] = []
    for i, (row, at) in enumerate(sorted(cost.items(), key=lambda pair: pair[1])):
        mean, low, high = found[row]
        axes.errorbar(at, mean, [[mean - low], [high - mean]], fmt="os^DvP*"[i % 7], capsize=3, label=titles[row])
        if mean < best:
            best = mean
            edge.append((at, mean))
    axes.plot(*zip(*edge, strict=True), color="gray", linewidth=1, linestyle="--", zorder=0)
    axes.set(xscale="log", xlabel="milliseconds a draw, one thread", ylabel=f"{args.score} score, lower is better")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize=9, title="cheapest first")
    figure.savefig(args.to, dpi=110)


if __name__ == "__main__":
    main()
