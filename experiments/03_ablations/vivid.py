"""What is a game's vividness worth beside a number? The chroma of a plain answer times a number, as vivid as its.

    vivid.py PLAIN VIVID... [--pictures 320]

PLAIN, VIVID: runs of one set that answer once (of one that draws, a draw). On the first validation pictures: both as
they are, and PLAIN times the number at which its chroma ratio is VIVID's; then PLAIN at the chroma ratios that are
asked of games. CIEDE2000 and the distance in the features of Lite0; differences are paired, 95 %, bootstrap over
pictures.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from colorbench import color
from colorbench.metrics.colorfulness import ChromaRatio
from colorbench.metrics.difference import CIEDE2000
from colorbench.metrics.metric import Pair
from colorbench.metrics.trunk import TrunkDistance
from colorbench.noise import Noise
from colorbench.report.statistics import Bootstrap
from colorbench.runs.run import open_run

CPU = torch.device("cpu")
METRICS = (CIEDE2000(), TrunkDistance(trunk="lite0"))
Answers = Sequence[tuple[Tensor, Tensor, Tensor]]
"""(L, ab_hat, true 8-bit picture) of each batch."""


def answers(path: Path, count: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    run = open_run(path)
    family = run.family(CPU).eval()
    for batch in run.data().val.take(count).batches(32, CPU):
        yield batch.L, family.colorize(batch.L, Noise.of(0, batch.ids)).float(), color.to_bytes(batch.rgb)


def pairs(found: Answers, factor: float) -> Iterator[Pair]:
    for L, ab, true in found:
        yield Pair(color.to_bytes(color.decode(L, ab * factor)), true)


def chroma(found: Answers, factor: float = 1.0) -> float:
    return float(torch.cat([ChromaRatio()(pair) for pair in pairs(found, factor)]).mean())


def factor_of(found: Answers, wanted: float) -> float:
    """The number that brings the chroma ratio to ``wanted``, by the secant through 1: out of gamut it is not linear."""
    own = chroma(found)
    factor = wanted / own
    for _ in range(2):
        gained = chroma(found, factor) - own
        factor = 1.0 + (wanted - own) * (factor - 1.0) / gained if gained else factor
    return factor


def judged(found: Answers, factor: float = 1.0) -> Tensor:
    """[metric, picture]."""
    return torch.cat([torch.stack([metric(pair) for metric in METRICS]) for pair in pairs(found, factor)], dim=1)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("plain", type=Path)
    p.add_argument("vivid", type=Path, nargs="*")
    p.add_argument("--pictures", type=int, default=320)
    args = p.parse_args()
    print("| | times | chroma ratio | CIEDE2000 | against plain | trunk distance lite0 | against plain |")
    print("|---" * 7 + "|")
    with torch.inference_mode():
        plain = list(answers(args.plain, args.pictures))
        base = judged(plain)
        show("plain", plain, 1.0, base, base)
        for path in args.vivid:
            vivid = list(answers(path, args.pictures))
            show(path.name, vivid, 1.0, judged(vivid), base)
            factor = factor_of(plain, chroma(vivid))
            show("plain, as vivid", plain, factor, judged(plain, factor), base)
        for wanted in (0.85, 1.0):
            factor = factor_of(plain, wanted)
            show("plain", plain, factor, judged(plain, factor), base)


def show(title: str, found: Answers, factor: float, values: Tensor, base: Tensor) -> None:
    bootstrap = Bootstrap(base.shape[1])
    cells = [title, f"{factor:.2f}", f"{chroma(found, factor):.3f}"]
    for own, other in zip(values, base, strict=True):
        gap = bootstrap.mean((own - other).numpy()).interval
        cells += [f"{own.mean():.3f}", f"{gap.mean:+.3f} [{gap.low:.3f}, {gap.high:.3f}]"]
    print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
