"""Flat variation: do places that look alike in gray have colors that agree?

On photographs no color law is known, but two cells of one lightness and little texture mostly show one thing: a wall, a
sky, a road. With a*b* and L* averaged over cells of 4 x 4 px (the truth's JPEG noise is gone), s the deviation of L* in
a cell, and pairs of cells 1, 2 and 4 cells apart (4 to 16 px) along rows, columns and diagonals,

    w_ij = exp(-((L_i - L_j) / 3)^2) exp(-((s_i + s_j) / 6)^2)
    flat = mean_pairs w_ij |x_i - x_j|,      flat variation = sum flat(model) / sum flat(truth), over a set's pictures
    flat score = sum_pairs w_ij [ (v - mean_k v_k)^2 - var_k(v_k) / K ] / sum_pairs w_ij,   v as in variogram.py

Flat variation near 1 is the truth's; gray has 0, mottled skies and patchwork more than 1.5. The weights are made of L*
alone, so the score is proper, and no model can move them.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from colorbench.arrays import PerImage
from colorbench.column import Column, Derived
from colorbench.metrics.variogram import STEPS, gaps, pair_errors, partners

COLUMNS = {
    "flat_score": Column(
        "flat score",
        "lower",
        3,
        "dE",
        "variogram score of pairs that look alike in gray",
        kind="draws",
        proper=True,
    ),
    "flat": Column("flat", "neither", 3, kind="draws", part=True, low=0.0),
    "flat_true": Column("flat true", "neither", 3, kind="draws", part=True, low=0.0),
}
DERIVED = {
    "flat_variation": Derived(
        ("flat", "flat_true"),
        lambda hat, true: hat / np.maximum(true, 1e-12),
        Column("flat variation", "neither", 2, "", "of color where gray looks the same, over the truth's", low=0.0),
    ),
}
CELL = 4
LAGS = (1, 2, 4)
"""Cells."""
ALIKE, SMOOTH = 3.0, 6.0
"""L* units: how near two lightnesses are, and how little texture two cells have, that count as flat."""
EXPECTED = (0.4, 1.5)
"""Outside of this flat variation an alarm rings: too even (gray, sepia), or patchwork and confetti."""
_LEAST = 1e-3  # mean weight of a picture's pairs below which its score is not divided by less


def flat_scores(draws: Tensor, lab: Tensor) -> dict[str, PerImage]:
    """``flat``, ``flat_true`` and ``flat_score``, [b] each; draws [k b 2 h w] of pictures lab [b 3 h w]; zeros for
    pictures of less than two cells."""
    k, b = draws.shape[:2]
    L, y = F.avg_pool2d(lab[:, :1], CELL), F.avg_pool2d(lab[:, 1:], CELL)
    both = torch.cat([y[None], F.avg_pool2d(draws.flatten(0, 1), CELL).unflatten(0, (k, b))])
    texture = (F.avg_pool2d(lab[:, :1].square(), CELL) - L.square()).clamp_min(0.0).sqrt()
    sums: dict[str, list[Tensor]] = {"flat": [], "flat_true": [], "flat_score": [], "weight": []}
    for lag in (lag for lag in LAGS if lag < min(y.shape[-2:])):
        for step in STEPS:
            (L1, L2), (s1, s2) = partners(L[:, 0], lag, step), partners(texture[:, 0], lag, step)
            w = (-((L1 - L2) / ALIKE).square() - ((s1 + s2) / SMOOTH).square()).exp()
            distances = gaps(both, lag, step)
            sums["flat"].append((w * distances[1:].mean(0)).mean((1, 2)))
            sums["flat_true"].append((w * distances[0]).mean((1, 2)))
            sums["flat_score"].append((w * pair_errors(distances)).mean((1, 2)))
            sums["weight"].append(w.mean((1, 2)))
    if not sums["weight"]:
        return {name: lab.new_zeros(b) for name in sums if name != "weight"}
    means = {name: torch.stack(parts).mean(0) for name, parts in sums.items()}
    weight = means.pop("weight").clamp_min(_LEAST)
    return {**means, "flat_score": means["flat_score"] / weight}


def alarm(variation: float) -> str:
    """What a flat variation outside of ``EXPECTED`` means, in a few words; empty inside."""
    low, high = EXPECTED
    if low <= variation <= high:
        return ""
    meaning = "patchwork or confetti" if variation > high else "too even: gray or sepia"
    return f"flat variation {variation:.2f}, expected {low:g} to {high:g}: {meaning}"
