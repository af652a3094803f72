"""The contract of a family: what holds when it says nothing of its own."""

import torch
from torch import nn

from colorbench.family import Family
from colorbench.noise import Noise


class Plain(Family):
    """One pass of one network colors a picture."""

    def __init__(self):
        super().__init__()
        self.network, self.weights = nn.Conv2d(1, 2, 1), {}

    def trainable(self):
        return {"network": self.network}

    def objectives(self, batch, noise, weights):
        yield from ()

    def colorize(self, L, noise):
        return self.network(L).tanh()


def test_a_family_that_says_nothing_is_counted_as_the_one_pass_it_makes():
    family, passes = Plain(), []
    family.network.register_forward_hook(lambda *_: passes.append(1))
    family.colorize(torch.zeros(1, 1, 8, 8), Noise.of(0, torch.arange(1)))
    assert family.evaluations(8, 8) == len(passes)
    assert not family.stochastic
    assert not family.vivid(2.0)
