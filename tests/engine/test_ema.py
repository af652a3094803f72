"""The average of the weights."""

import torch
from torch import nn

from colorbench.engine.ema import Ema


def test_without_averaging_the_average_is_the_weights():
    module = nn.Linear(2, 2)
    average = Ema(module, 0.0)
    with torch.no_grad():
        module.weight.fill_(7.0)
    average.update()
    assert torch.equal(average.average["weight"], module.weight)
