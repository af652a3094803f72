"""How much chroma lies at each hue.

    H_k = (1/N) sum over pictures of mean_p C_p [h_p in bin k],   C = |(a*, b*)|, h = atan2(b*, a*)

over 36 bins of 10 degrees, the first centered at 0 (red). What is averaged away loses its hues; a cast lengthens one.
"""

import math

import torch
from torch import Tensor

from colorbench.arrays import Lab

BINS = 36


def hue_histogram(lab: Lab) -> Tensor:
    """float64 [36]: the sum over pictures of the mean chroma in each bin."""
    a, b = lab[:, 1].double(), lab[:, 2].double()
    bins = torch.remainder(torch.round(torch.atan2(b, a) * (BINS / (2 * math.pi))), BINS).long()
    chroma = torch.hypot(a, b) / a[0].numel()
    empty = torch.zeros(BINS, dtype=torch.float64, device=lab.device)
    return empty.index_add_(0, bins.flatten(), chroma.flatten()).cpu()
