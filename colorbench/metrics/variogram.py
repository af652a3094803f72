"""The variogram score: do two places of a picture agree as much as those of the truth?

With draws x_1..x_K of a picture's a*b* and the truth y, for a pair of places i, j (Scheuerer & Hamill 2015, p = 1/2):

    v_k = |x_ki - x_kj|^p,   v = |y_i - y_j|^p
    score = mean over pairs w_ij [ (v - mean_k v_k)^2 - var_k(v_k) / K ]

The square of a mean over K draws is too large by the variance of that mean, which is taken away (K > 1): so a forecast
of few draws is scored as one of many would be. The score is proper: no forecast beats the truth's distribution. It is
blind to a shift of all colors, and sees what the energy score of fields hardly does: whether places hang together.

Pairs lie ``LAGS`` pixels apart along rows, columns and both diagonals; each lag and direction weighs the same, and lags
that a small picture does not have are left out. Units are those of |x|^(2p): CIELAB units for p = 1/2.
"""

import torch
from torch import Tensor

from colorbench.arrays import PerImage
from colorbench.column import Column

COLUMNS = {
    "variogram": Column(
        "variogram",
        "lower",
        3,
        "dE",
        "variogram score: do pixels differ as the truth's do",
        kind="draws",
        proper=True,
    ),
}
LAGS = (1, 2, 4, 8, 16, 32)
"""Pixels."""
STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Directions: down, right."""
_CACHED = 2**18


def variogram_score(draws: Tensor, y: Tensor, lags: tuple[int, ...] = LAGS) -> PerImage:
    """[b], of draws [k b 2 h w] against the truth [b 2 h w]."""
    both = torch.cat([y[None], draws])
    some = max(1, _CACHED // max(both[:, :1].numel(), 1))  # pictures at a time that stay in a processor's cache
    return torch.cat([_score(part, lags) for part in both.split(some, dim=1)])


def _score(both: Tensor, lags: tuple[int, ...]) -> PerImage:
    fits = [lag for lag in lags if lag < min(both.shape[-2:])]
    parts = [pair_errors(gaps(both, lag, step)).mean((1, 2)) for lag in fits for step in STEPS]
    return torch.stack(parts).mean(0) if parts else both.new_zeros(both.shape[1])


def pair_errors(distances: Tensor) -> Tensor:
    """[b ...]: the square in the score of each pair, less the mean's variance. distances [1 + k b ...]: of the truth's
    pairs, then of those of k draws."""
    true, found = distances[0].sqrt(), distances[1:].sqrt()
    k, mean = len(found), found.mean(0)
    error = (true - mean).square()
    return error - (distances[1:].mean(0) - mean.square()) / (k - 1) if k > 1 else error


def gaps(x: Tensor, lag: int, step: tuple[int, int]) -> Tensor:
    """[... h' w']: a*b* distance of each pair, of x [... 2 h w]."""
    one, other = partners(x, lag, step)
    square = (one - other).square_()
    return square[..., 0, :, :].add_(square[..., 1, :, :]).sqrt_()


def partners(x: Tensor, lag: int, step: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Two views [... h' w'] of x [... h w]: each place, and the one ``lag`` steps on."""
    down, right = (lag * s for s in step)
    h, w = x.shape[-2:]
    left = max(0, -right)
    return x[..., : h - down, left : w - max(0, right)], x[..., down:, left + right : w + min(0, right)]
