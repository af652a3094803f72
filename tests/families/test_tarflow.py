"""TarFlow: a density is one only if the map is invertible, its determinant right and its integral one."""

import math

import pytest
import torch
from families.conftest import pictures, small

from colorbench.noise import Noise


def alive(seed=0, **network):
    """A flow that bends (its steps start as the identity)."""
    from families.conftest import _composed, _shrunk

    from colorbench.registry import build

    torch.manual_seed(seed)
    tree = _shrunk(_composed("tarflow", ())["model"])
    family = build("family", {**tree, "network": {**tree["network"], **network}}, "model").eval()
    for flow in family.network.flows:
        torch.nn.init.normal_(flow.out.weight, 0.0, 0.1)
        for block in flow.transformer.blocks:
            torch.nn.init.normal_(block.mix.weight, 0.0, 0.3)
            torch.nn.init.normal_(block.down.weight, 0.0, 0.3)
    return family


@pytest.mark.parametrize("flows", [1, 3, 4])
def test_back_undoes_the_flow(flows):
    network, batch = alive(flows=flows).network, pictures(3, 24)
    x = torch.randn(3, 2, 6, 6)
    with torch.no_grad():
        known = network.encode(batch.L)
        z, _ = network(x, known)
        assert (z - x).abs().mean() > 0.05
        torch.testing.assert_close(network.back(z, known), x, atol=1e-3, rtol=1e-3)


def test_the_determinant_is_that_of_the_jacobian():
    network, batch = alive().network, pictures(1, 16)
    x = torch.randn(1, 2, 4, 4)
    known = network.encode(batch.L).detach()
    jacobian = torch.autograd.functional.jacobian(lambda v: network(v, known)[0].flatten(), x).view(32, 32)
    sign, expected = torch.linalg.slogdet(jacobian.double())
    assert sign.item() == 1.0 or sign.item() == -1.0
    assert network(x, known)[1].item() == pytest.approx(expected.item(), abs=1e-3)


def test_the_density_of_one_cell_integrates_to_one():
    network = alive(patch=1, flows=3).network
    line = torch.linspace(-12.0, 12.0, 301)
    x = torch.cartesian_prod(line, line).view(-1, 2, 1, 1)
    with torch.no_grad():
        known = network.encode(torch.full((1, 1, 4, 4), 0.3))
        z, change = network(x, known.expand(len(x), -1, -1, -1))
        logs = -0.5 * z.square().sum(dim=(1, 2, 3)) - math.log(2.0 * math.pi) + change
    assert float(logs.double().exp().sum()) * float(line[1] - line[0]) ** 2 == pytest.approx(1.0, abs=2e-3)


def test_before_training_the_density_is_the_standard_normal_of_the_noisy_map_in_cielab_units():
    family, batch = small("tarflow").eval(), pictures(4)
    family.prepare([batch])
    noise = Noise.of(0, batch.ids)
    with torch.no_grad():
        bits = family.likelihood(batch, noise)["bits_per_dim"]
        y = family.small.of(batch.ab)
        y = y + family.sigma * noise.normal("sigma", *y.shape[1:])
    deviation = (family.small.std * 128.0).expand_as(y)
    mean = (family.small.mean * 128.0).expand_as(y)
    density = torch.distributions.Normal(mean, deviation).log_prob(y * deviation + mean)
    torch.testing.assert_close(bits, -density.mean(dim=(1, 2, 3)) / math.log(2.0), atol=1e-4, rtol=1e-4)


def test_draws_cost_what_they_say():
    family, batch, asked = alive(), pictures(2, 24), []
    for flow in family.network.flows:
        flow.out.register_forward_hook(lambda *_: asked.append(1))
    with torch.no_grad():
        family.colorize(batch.L, Noise.of(0, batch.ids))
    assert len(asked) == family.evaluations(24, 24) == 9 * 4


def test_learning_lowers_the_bits():
    from families.conftest import adam, step

    family, batch = small("tarflow").train(), pictures(4)
    family.prepare([batch])
    noise, optimizers = Noise.of(0, batch.ids), adam(family)
    with torch.no_grad():
        before = family.eval().likelihood(batch, noise)["bits_per_dim"].mean()
    family.train()
    for visit in range(80):
        step(family, optimizers, batch, Noise.of(0, batch.ids, visit + 1))
    with torch.no_grad():
        after = family.eval().likelihood(batch, noise)["bits_per_dim"].mean()
    assert after < before - 1.0
