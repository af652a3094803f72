"""The arithmetic of a training is counted, and counting leaves no trace."""

import pytest
import torch
from families.conftest import alike, learners, pictures, small
from torch import nn

from colorbench.family import Family, Objective
from colorbench.training.flops import training_flops


class TwoLayers(Family):
    """Two convolutions without padding tricks, whose cost is known by hand."""

    def __init__(self):
        super().__init__()
        self.weights = {"distance": 1.0}
        self.network = nn.Sequential(nn.Conv2d(1, 4, 1), nn.Conv2d(4, 2, 1))

    def trainable(self):
        return {"network": self.network}

    def objectives(self, batch, noise, weights):
        yield Objective((self.network(batch.L) - batch.ab).square().mean((1, 2, 3)), "network")

    def colorize(self, L, noise):
        return self.network(L)


def test_two_layers_cost_what_they_cost_by_hand():
    pixels, first, second = 8 * 8, 1 * 4, 4 * 2
    forward = 2 * pixels * (first + second)
    backward = 2 * pixels * (first + 2 * second)  # L needs no gradient
    assert training_flops(TwoLayers(), 8, torch.device("cpu")) == forward + backward


@pytest.mark.parametrize("model", alike(learners()))
def test_counting_changes_nothing_and_every_model_costs_something(model):
    family = small(model)
    family.prepare([pictures()])
    before = {name: value.clone() for name, value in family.state_dict().items()}
    state, training = torch.get_rng_state(), family.training
    assert training_flops(family, 32, torch.device("cpu")) > 0
    assert family.training == training
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[name], value) for name, value in family.state_dict().items())
    assert all(p.grad is None for p in family.parameters())


@pytest.mark.parametrize("adversary", ["r3gan", "wgangp"])
def test_a_penalty_on_slopes_is_counted_too(adversary):
    """Twice through the discriminator's derivatives: more than the same game without a penalty."""
    plain = ("model.discriminator.norm=none", "model.discriminator.spectral=false")
    costs = []
    for name in ("bce", adversary):
        costs.append(training_flops(small("unetgan", f"adversary={name}", *plain), 32, torch.device("cpu")))
    assert costs[1] > costs[0] > 0
