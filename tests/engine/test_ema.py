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
    assert torch.equal(average.state_dict()["weight"], module.weight)
    before = module.weight.data_ptr()
    with average.applied():
        assert torch.equal(module.weight, torch.full_like(module.weight, 7.0))
    assert module.weight.data_ptr() == before
    average.load({"weight": torch.zeros(2, 2), "bias": torch.zeros(2)}, steps=3)  # nothing but the weights counts
    assert torch.equal(average.state_dict()["weight"], module.weight)
    assert average.steps == 3
    assert average.average == {}  # nor is a second copy kept
