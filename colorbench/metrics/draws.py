"""Metrics over several colorings of one picture: is a sampler's spread the spread of the truth?

With draws x_1..x_K of a picture's chroma and its true chroma y, d the mean over pixels of the distance in the a*b*
plane:

    energy   = (1/K) sum_k d(x_k, y) - 1/(2 K (K-1)) sum_{k != l} d(x_k, x_l)

the energy score (Gneiting & Raftery 2007), a proper score: no forecast beats the truth's own distribution. For one
draw it is the distance, so deterministic and stochastic models share a column. The per-pixel form is blind to whether
pixels agree with each other; ``energy_field`` uses the distance of whole fields, sqrt(mean_p |x_p - y_p|^2), instead,
and sees little more of it; the variogram score (variogram.py) and flat variation (flat.py) are about nothing else.

    diversity = 1/(K (K-1)) sum_{k != l} d(x_k, x_l)
    spread2 = (K+1)/K mean_p var_k(x_kp),  error2 = mean_p |mean_k x_kp - y_p|^2;  sqrt(sum spread2 / sum error2) = 1
    when the spread tells the error (Fortin et al. 2014); below 1 is overconfident.
    rank_r = share of values of the truth that have exactly r of the K draws below: flat when calibrated. The interval
    between the j-th lowest and j-th highest draw is nominal (K + 1 - 2j)/(K + 1), and covers sum_{r=j}^{K-j} rank_r.

Metrics of the mean of the draws (``ciede2000_of_mean``) show what averaging would gain on per-pixel errors.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorbench import color
from colorbench.arrays import Bytes, PerImage
from colorbench.column import Column, Derived
from colorbench.metrics import flat, variogram
from colorbench.metrics.difference import CIEDE2000
from colorbench.metrics.flat import flat_scores
from colorbench.metrics.metric import Pair
from colorbench.metrics.psnr import PSNR
from colorbench.metrics.suite import piece
from colorbench.metrics.variogram import variogram_score

COLUMNS = {
    "energy": Column("energy", "lower", 2, "dE", "energy score of a*b*, per pixel", kind="draws", proper=True),
    "energy_field": Column(
        "energy (field)", "lower", 2, "dE", "energy score of whole a*b* fields", kind="draws", proper=True
    ),
    **variogram.COLUMNS,
    **flat.COLUMNS,
    "diversity": Column(
        "diversity", "neither", 2, "dE", "mean distance of two colorings of one picture", kind="draws", low=0.0
    ),
    "spread2": Column("spread2", "neither", 3, kind="draws", part=True, low=0.0),
    "error2": Column("error2", "neither", 3, kind="draws", part=True, low=0.0),
    "psnr_of_mean": Column(
        "PSNR of mean", "higher", 2, "dB", "of the mean of the draws", kind="draws", low=PSNR.low, high=PSNR.high
    ),
    "ciede2000_of_mean": Column(
        "CIEDE2000 of mean", "lower", 2, "dE", "of the mean of the draws", kind="draws", low=0.0
    ),
}
"""Of :func:`score_draws`, with its rank columns (:func:`rank_column`)."""
DERIVED = {
    "spread_skill": Derived(
        ("spread2", "error2"),
        lambda spread, error: np.sqrt(spread / np.maximum(error, 1e-12)),
        Column("spread/skill", "neither", 2, "", "1 is calibrated, below 1 overconfident", low=0.0),
    ),
}
"""Of the means over a set."""
_RANK = "rank_"


def score_draws(hats: Sequence[Bytes], true: Bytes) -> dict[str, PerImage]:
    """One number for each picture, of its K colorings (K pictures [b 3 h w] of bytes). K = 1 gives the scores that need
    no spread."""
    size = piece(true)
    batches = zip(true.split(size), *(hat.split(size) for hat in hats), strict=True)
    parts = [_score_draws(part[1:], part[0]) for part in batches]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _score_draws(hats: Sequence[Bytes], true: Bytes) -> dict[str, PerImage]:
    draws = torch.stack([color.bytes_to_lab(hat)[:, 1:] for hat in hats])  # k b 2 h w
    lab = color.bytes_to_lab(true)
    y = lab[:, 1:]
    k = len(draws)
    scores = energy_scores(draws, y)
    whole = {"variogram": variogram_score(draws, y), **flat_scores(draws, lab)}
    if k == 1:
        return {**scores, **whole}
    diversity = scores.pop("diversity")
    scores |= {**whole, "diversity": diversity}
    mean = draws.mean(0)
    scores["spread2"] = draws.var(0, correction=1).sum(1).mean((1, 2)) * (k + 1) / k
    scores["error2"] = (mean - y).square().sum(1).mean((1, 2))
    scores |= {f"{_RANK}{r}": share for r, share in enumerate(ranks(draws, y))}
    averaged = Pair(color.to_bytes(color.lab_to_rgb(torch.cat([lab[:, :1], mean], dim=1))), true)
    scores |= {f"{metric.name}_of_mean": metric(averaged).float() for metric in (PSNR(), CIEDE2000())}
    return scores


def energy_scores(draws: Tensor, y: Tensor) -> dict[str, PerImage]:
    """``energy`` and ``energy_field`` [b] of K draws [k b 2 h w] of chroma y [b 2 h w], and ``diversity`` where K > 1;
    in the unit of both."""
    k = len(draws)
    near = torch.stack([torch.stack(_distances(x, y)) for x in draws]).mean(0)  # 2 b
    if k == 1:
        return {"energy": near[0], "energy_field": near[1]}
    pairs = [torch.stack(_distances(draws[i], draws[j])) for i in range(k) for j in range(i)]
    apart = torch.stack(pairs).mean(0)  # 2 b
    energy, field = near - apart / 2
    return {"energy": energy, "energy_field": field, "diversity": apart[0]}


def rank_column(name: str) -> Column | None:
    """The column of a rank's share, an ingredient of calibration; None for anything else."""
    words = name.replace("_", " ")
    return Column(words, "neither", 3, kind="draws", part=True, low=0.0, high=1.0) if name.startswith(_RANK) else None


def rank_columns(names: Iterable[str]) -> list[str]:
    """Those that hold ranks' shares, in the order of the ranks."""
    return sorted((n for n in names if n.startswith(_RANK)), key=lambda n: int(n.removeprefix(_RANK)))


def ranks(draws: Tensor, y: Tensor) -> Tensor:
    """[K+1, b]: share of the values of y [b ...] with exactly r of the K draws [k b ...] below; ties are split
    evenly."""
    k = len(draws)
    below = sum((x < y).to(torch.int8) for x in draws)
    tied = sum((x == y).to(torch.int8) for x in draws)
    weight = 1.0 / (1.0 + tied.float())
    return torch.stack([(weight * ((below <= r) & (r <= below + tied))).flatten(1).mean(1) for r in range(k + 1)])


def coverage(shares: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(nominal, actual) coverage of the central intervals of K draws, widest first, from rank shares [..., K+1]."""
    k = shares.shape[-1] - 1
    js = np.arange(1, (k + 1) // 2 + 1)
    nominal = (k + 1 - 2 * js) / (k + 1)
    actual = np.stack([shares[..., j : k - j + 1].sum(-1) for j in js], axis=-1)
    return nominal, actual


def best_of(scores: NDArray[np.float64], better: str) -> NDArray[np.float64]:
    """Expected best of k of the K draws, k = 1..K, over the last axis (Chen et al.'s unbiased pass@k, for scores)."""
    ordered = np.sort(scores, axis=-1) if better == "lower" else -np.sort(-scores, axis=-1)
    total = scores.shape[-1]
    curve = []
    for k in range(1, total + 1):
        # the i-th best is the best of a random k-subset with probability C(total-1-i, k-1) / C(total, k)
        weights = np.zeros(total)
        weights[0] = k / total
        for i in range(1, total - k + 1):
            weights[i] = weights[i - 1] * (total - i - k + 1) / (total - i)
        curve.append(ordered @ weights)
    return np.stack(curve, axis=-1)


def spread_skill(columns: Mapping[str, NDArray[np.float64]]) -> float:
    """sqrt(sum spread2 / sum error2) over a set; 1 is calibrated, below 1 overconfident."""
    error = float(np.sum(columns["error2"]))
    return float(np.sqrt(np.sum(columns["spread2"]) / error)) if error > 0 else float("nan")


def _distances(x: Tensor, y: Tensor) -> tuple[PerImage, PerImage]:
    """Mean over pixels of the a*b* distance, and the root mean square of it; both [b]."""
    square = (x - y).square().sum(1)
    return square.sqrt().mean((1, 2)), square.mean((1, 2)).sqrt()
