"""The query decoder: a set of queries, each of which sees all of the picture."""

import pytest
import torch

from colorbench.errors import UserError
from colorbench.registry import build

FEATURES = {
    "network": "features",
    "widths": [8, 16],
    "blocks": 1,
    "norm": "batch",
    "encoder": {"network": "pyramid", "scale": 4, "width": 8, "widths": [8, 16], "norm": "batch"},
}
SMALL = {"network": "querydecoder", "features": FEATURES, "queries": 6, "width": 16, "head": 8, "layers": 3}


def network():
    torch.manual_seed(0)
    built = build("network", SMALL).eval()
    torch.nn.init.normal_(built.mix.weight, 0.0, 0.5)
    return built


def test_queries_are_a_set_their_order_says_nothing():
    first, second, order = network(), network(), torch.tensor([3, 1, 5, 0, 2, 4])
    with torch.no_grad():
        second.queries.copy_(first.queries[order])
        second.mix.weight[:, :6] = first.mix.weight[:, order]
        L = torch.rand(2, 1, 32, 40) * 2 - 1
        torch.testing.assert_close(first(L), second(L), atol=1e-5, rtol=1e-4)
        second.queries.copy_(first.queries)
        assert not torch.allclose(first(L), second(L), atol=1e-3)


def test_every_place_reaches_every_other_through_the_queries():
    net, L = network(), (torch.rand(1, 1, 160, 160) * 2 - 1).requires_grad_()
    corner = net(L)[0, :, :4, :4].sum()
    (slope,) = torch.autograd.grad(corner, L)
    assert slope[..., 150:, 150:].abs().sum() > 0
    net.embed[-1].weight.data.zero_()  # without what the queries found, only the surroundings count
    net.embed[-1].bias.data.zero_()
    (slope,) = torch.autograd.grad(net(L)[0, :, :4, :4].sum(), L)
    assert not slope[..., 150:, 150:].any()


def test_a_width_that_heads_do_not_divide_and_a_single_level_are_refused():
    with pytest.raises(UserError, match=r"network\.width: 18"):
        build("network", {**SMALL, "width": 18})
    encoder = {**FEATURES["encoder"], "widths": [8]}
    with pytest.raises(UserError, match="at least 2 widths"):
        build("network", {**SMALL, "features": {**FEATURES, "widths": [8], "encoder": encoder}})
