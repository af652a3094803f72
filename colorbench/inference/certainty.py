"""Certainty: how far a model's draws lie apart, and how often it is right where they lie so far apart.

    spread(p) = mean over draws k of CIEDE2000(draw_k(p), answer(p))          answer: the mean of the draws
    sure(p)   = P(CIEDE2000(answer(p), truth(p)) < 10 | spread(p))            learned from validation pictures

``sure`` never rises with the spread: the share of right pixels in 32 groups of equal size, pooled where it rises (pool
adjacent violators, Barlow et al. 1972), joined by lines. A pixel is a guess where it is less sure than a half. Whether
that holds is measured on test pictures: at what it calls 80 % sure, 80 % should be right, and its Brier score, the mean
of (sure - right)^2, should be below that of the constant, the share of right pixels of the validation pictures.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorbench import atomic, color
from colorbench.arrays import Chroma, Luma
from colorbench.data.pictures import Pictures
from colorbench.errors import UserError
from colorbench.family import Family
from colorbench.inference.paint import in_gamut
from colorbench.metrics.difference import delta_e_2000
from colorbench.noise import Noise
from colorbench.report.statistics import Bootstrap, Interval

RIGHT = 10.0  # CIEDE2000 to the truth below which a color counts as right
GROUPS = 32
FILE = "certainty.json"
_STRIDE = 2  # of pixels looked at while calibrating


@dataclass(frozen=True)
class Certainty:
    """spread: ascending, CIEDE2000. sure: P(right) at each, never rising. draws: that the spread was measured with."""

    spread: tuple[float, ...]
    sure: tuple[float, ...]
    draws: int

    @classmethod
    def of(cls, spread: NDArray[Any], right: NDArray[Any], draws: int) -> "Certainty":
        """Learned from pixels: their spread and whether they were right, both [n]."""
        groups = np.array_split(np.argsort(spread, kind="stable"), min(GROUPS, len(spread)))
        blocks: list[list[float]] = []  # [share right, pixels, their mean spread * pixels]
        for group in groups:
            blocks.append([float(right[group].mean()), float(len(group)), float(spread[group].sum())])
            while len(blocks) > 1 and blocks[-1][0] >= blocks[-2][0]:
                share, n, total = blocks.pop()
                before = blocks[-1]
                before[0] = (before[0] * before[1] + share * n) / (before[1] + n)
                before[1], before[2] = before[1] + n, before[2] + total
        return cls(tuple(b[2] / b[1] for b in blocks), tuple(b[0] for b in blocks), draws)

    def __call__(self, spread: Tensor) -> Tensor:
        """P(right), of the same shape."""
        found = np.interp(spread.numpy(), self.spread, self.sure).astype(np.float32)
        return torch.from_numpy(np.asarray(found))

    @classmethod
    def beside(cls, weights: Path) -> "Certainty | None":
        """What lies beside a model's weights; None where nothing does, UserError where it is damaged."""
        file = weights.parent / FILE
        if not file.is_file():
            return None
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            spread, sure = (tuple(float(x) for x in found[key]) for key in ("spread", "sure"))
            fine = 0 < len(spread) == len(sure) and sorted(spread) == list(spread) and all(0 <= x <= 1 for x in sure)
            made = cls(spread, sure, int(found["draws"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{file}: damaged; write it again: colorbench calibrate") from error
        if not fine:
            raise UserError(f"{file}: damaged; write it again: colorbench calibrate")
        return made


@dataclass(frozen=True)
class Calibration:
    """Shown on test pictures. said, found: what groups of pixels were called, and the share right, [m] each. brier,
    constant: per picture. gain: constant less brier, over pictures."""

    said: NDArray[Any]
    found: NDArray[Any]
    brier: NDArray[Any]
    constant: NDArray[Any]
    gain: Interval

    @property
    def off(self) -> float:
        """Mean distance of said from found, the groups being of equal size."""
        return float(np.abs(self.said - self.found).mean())


def spread(L: Luma, draws: Tensor, answer: Chroma) -> Tensor:
    """[b h w], CIEDE2000. L [b 1 h w]; draws [k b 2 h w] and answer [b 2 h w], brought into the gamut first."""
    middle = _lab(L, answer)
    return torch.stack([delta_e_2000(_lab(L, draw), middle) for draw in draws]).mean(dim=0)


def pixels(
    family: Family, pictures: Pictures, *, draws: int, seed: int, device: torch.device, batch_size: int = 32
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """(spread, is it right?) of every picture's pixels, one in four of them, [n] each."""
    with torch.no_grad():
        for batch in pictures.batches(batch_size, device):
            ids = batch.ids
            drawn = torch.stack([family.colorize(batch.L, Noise.of(seed, ids, k)).float() for k in range(draws)]).cpu()
            L, ab = (x[..., ::_STRIDE, ::_STRIDE].cpu() for x in (batch.L, batch.ab))
            drawn = drawn[..., ::_STRIDE, ::_STRIDE]
            answer = drawn.mean(dim=0)
            apart = spread(L, drawn, answer)
            right = delta_e_2000(_lab(L, answer), _lab(L, ab)) < RIGHT
            yield from zip(apart.flatten(1).numpy(), right.flatten(1).numpy(), strict=True)


def learn(found: list[tuple[NDArray[Any], NDArray[Any]]], draws: int) -> tuple[Certainty, float]:
    """(certainty, share of right pixels) of validation pictures."""
    apart, right = (np.concatenate([pair[i] for pair in found]) for i in (0, 1))
    return Certainty.of(apart, right, draws), float(right.mean())


def show(certainty: Certainty, base: float, found: list[tuple[NDArray[Any], NDArray[Any]]]) -> Calibration:
    """What a certainty is worth on other pictures. base: the constant that it has to beat."""
    said = [certainty(torch.from_numpy(apart)).numpy().astype(np.float64) for apart, _ in found]
    right = [r.astype(np.float64) for _, r in found]
    brier = np.array([np.square(s - r).mean() for s, r in zip(said, right, strict=True)])
    constant = np.array([np.square(base - r).mean() for r in right])
    every, true = np.concatenate(said), np.concatenate(right)
    groups = np.array_split(np.argsort(every, kind="stable"), 10)
    gain = Bootstrap(len(found)).mean((constant - brier)[None]).interval
    return Calibration(
        np.array([every[g].mean() for g in groups]), np.array([true[g].mean() for g in groups]), brier, constant, gain
    )


def write(certainty: Certainty, base: float, shown: Calibration, folder: Path, facts: dict[str, Any]) -> Path:
    """certainty.json, which ``colorize --uncertainty`` looks for beside a model's weights."""
    numbers = {
        "brier": round(float(shown.brier.mean()), 5),
        "brier_of_the_constant": round(float(shown.constant.mean()), 5),
        "gain": [round(x, 5) for x in (shown.gain.mean, shown.gain.low, shown.gain.high)],
        "said": [round(float(x), 4) for x in shown.said],
        "found": [round(float(x), 4) for x in shown.found],
        "mean_distance": round(shown.off, 4),
    }
    curve = {"spread": [round(x, 4) for x in certainty.spread], "sure": [round(x, 4) for x in certainty.sure]}
    made = {"right_below": RIGHT, "draws": certainty.draws, **curve, "share_right": round(base, 4)}
    atomic.write_json(folder / FILE, {**made, **facts, "on_test_pictures": numbers})
    return folder / FILE


def plot(certainty: Certainty, shown: Calibration, file: Path, title: str) -> None:
    """The curve that was learned, and what it said against what was found."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.4), layout="constrained")
    left.plot(certainty.spread, certainty.sure, color="#0072b2")
    left.set(xlabel="spread of the draws (CIEDE2000)", ylabel=f"P(error < {RIGHT:.0f})", ylim=(0, 1), xlim=(0, None))
    left.set_title("learned on validation pictures")
    right.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=1)
    right.plot(shown.said, shown.found, "o-", color="#d55e00", markersize=4)
    right.set(xlabel="said to be right", ylabel="found right", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    right.set_title("on test pictures, in ten equal groups")
    figure.suptitle(title, fontsize=9)
    with atomic.replacing(file) as part:
        figure.savefig(part, format="png", dpi=110)
    plt.close(figure)


def _lab(L: Luma, ab: Chroma) -> Tensor:
    return color.rgb_to_lab(in_gamut(L, ab))
