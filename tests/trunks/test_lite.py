"""EfficientNet-Lite: timm's networks, tensor by tensor and bit for bit, without timm."""

import pytest
import timm
import torch

from colorbench.trunks.lite import LITE, EfficientNetLite


@pytest.mark.parametrize("name", LITE)
def test_names_shapes_initial_numbers_and_all_later_ones_are_timm_s(name):
    drawn = []
    for build in (EfficientNetLite, timm.create_model):
        torch.manual_seed(0)
        drawn.append((build(name).state_dict(), torch.rand(1)))
    (ours, after), (theirs, theirs_after) = drawn
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert torch.equal(after, theirs_after)  # what is built next draws the same numbers, too


@pytest.mark.parametrize("name", LITE)
@pytest.mark.parametrize("indices", [[1, 2, 3, 4], [2, 3]])
def test_maps_slopes_and_moving_statistics_are_timm_s(name, indices):
    torch.manual_seed(1)
    x = torch.rand(2, 3, 65, 94)
    seen = []
    for build in (EfficientNetLite, timm.create_model):
        torch.manual_seed(0)
        network = build(name).train()
        network.prune_intermediate_layers(indices, prune_head=True)
        maps = network.forward_intermediates(x, indices=indices, intermediates_only=True, stop_early=True)
        sum(m.square().mean() for m in maps).backward()
        slopes = {key: p.grad for key, p in network.named_parameters()}
        with torch.no_grad():
            judged = network.eval().forward_intermediates(x, indices=indices, intermediates_only=True, stop_early=True)
        infos = network.feature_info if isinstance(network.feature_info, list) else network.feature_info.info
        strides = [(info["num_chs"], info["reduction"]) for info in infos]
        seen.append((maps, slopes, judged, network.state_dict(), strides))
    (maps, slopes, judged, state, strides), theirs = seen
    assert strides == theirs[4]
    for ours, other in ((maps, theirs[0]), (judged, theirs[2])):
        assert all(torch.equal(a, b) for a, b in zip(ours, other, strict=True))
    for ours, other in ((slopes, theirs[1]), (state, theirs[3])):
        assert list(ours) == list(other)
        assert all(torch.equal(ours[key], other[key]) for key in ours)


def test_logits_are_timm_s():
    logits = []
    for build in (EfficientNetLite, timm.create_model):
        torch.manual_seed(0)
        network = build("tf_efficientnet_lite0").eval()
        with torch.no_grad():
            logits.append(network(torch.linspace(-1, 1, 3 * 64 * 64).view(1, 3, 64, 64)))
    torch.testing.assert_close(*logits, rtol=1e-5, atol=1e-6)
