"""What a training costs in arithmetic, whatever processor does it.

Counted, not estimated: one step of training on a copy of the family, forward and backward of every objective, by
torch's own counter (two operations for a multiplication with its addition; convolutions, matrix products and
attention). Maps of a frozen trunk that a run keeps on disk are counted as if they were made each time.
"""

from copy import deepcopy

import torch
from torch.utils.flop_counter import FlopCounterMode, _FlopCounterMode

from colorbench.batch import Batch
from colorbench.family import Family, Weights
from colorbench.noise import Noise
from colorbench.uncompiled import without_compiler

without_compiler(_FlopCounterMode.__torch_dispatch__)


def training_flops(family: Family, size: int, device: torch.device, images: int = 2) -> float:
    """Floating point operations for one image of ``size`` px in training; the family stays as it is."""
    if not family.trainable():
        return 0.0
    family = deepcopy(family).train()
    steps = torch.arange(images * 3 * size * size, device=device) % 256
    batch = Batch.of_bytes(steps.to(torch.uint8).view(images, 3, size, size), torch.arange(images, device=device))
    groups, counter = family.trainable(), FlopCounterMode(display=False)
    # counted as a whole: the counter's record of modules cannot follow a gradient's gradient (r3gan, WGAN-GP)
    with torch.random.fork_rng(), _FlopCounterMode(counter):
        for objective in family.objectives(batch, Noise.of(0, batch.ids), Weights(family.weights)):
            wanted = [p for name in objective.groups for p in groups[name].parameters()]
            objective.loss.mean().backward(inputs=wanted)
    return counter.get_total_flops() / images
