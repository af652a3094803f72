"""Networks: any size, their start, and what the text says of them."""

import pytest
import torch

from colorbench import registry
from colorbench.errors import UserError
from colorbench.networks.blocks import crop, pad
from colorbench.networks.denoiser import Attention
from colorbench.networks.guided import enlarge, shrink

UNET = {
    "network": "unet",
    "trunk": None,
    "inputs": 1,
    "outputs": 2,
    "width": 16,
    "max_width": 32,
    "levels": 3,
    "stem": 2,
    "blocks": 1,
    "norm": "batch",
    "activation": "relu",
}
RESUNET = {
    "network": "resunet",
    "hints": 0,
    "outputs": 2,
    "depth": 18,
    "stem": "full",
    "blocks": 1,
    "width": 8,
    "norm": "batch",
    "activation": "relu",
    "weights": "none",
}


def test_padding_is_undone_by_cropping():
    x = torch.rand(2, 3, 13, 7)
    padded = pad(x, 8)
    assert padded.shape[-2:] == (16, 8)
    assert torch.equal(crop(padded, x), x)
    assert torch.equal(padded[..., 13:, :7], x[..., 12:13, :].expand(-1, -1, 3, -1))


@pytest.mark.parametrize("norm", ["batch", "instance", "group", "none"])
def test_every_normalization_makes_a_network(norm):
    assert registry.build("network", {**UNET, "norm": norm})(torch.zeros(2, 1, 16, 16)).shape == (2, 2, 16, 16)


def test_an_unknown_normalization_or_depth_or_stem_is_one_clear_line():
    with pytest.raises(
        UserError, match="expected one of batch, instance, group, none, got 'bach'; did you mean 'batch'"
    ):
        registry.build("network", {**UNET, "norm": "bach"})
    with pytest.raises(UserError, match="depth: expected one of 18, 34, 50, got 20"):
        registry.build("network", {**RESUNET, "depth": 20})
    with pytest.raises(UserError, match="stem"):
        registry.build("network", {**RESUNET, "stem": "tiny"})


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_every_depth_of_resnet_works(depth):
    network = registry.build(
        "network",
        {
            "network": "resnet",
            "outputs": 2,
            "depth": depth,
            "stem": "full",
            "width": 8,
            "norm": "batch",
            "activation": "relu",
            "weights": "none",
        },
    ).eval()
    assert network(torch.zeros(1, 1, 40, 33)).shape == (1, 2, 40, 33)


@pytest.mark.parametrize("stem", ["full", "half", "small"])
def test_hints_start_without_effect_and_can_be_learned(stem):
    torch.manual_seed(0)
    network = registry.build("network", {**RESUNET, "hints": 2, "stem": stem}).train()
    x = torch.randn(2, 3, 32, 32)
    other = torch.cat([x[:, :1], torch.randn(2, 2, 32, 32)], dim=1)
    torch.testing.assert_close(network(x), network(other))
    network(x).square().sum().backward()
    assert network.hints.weight.grad.abs().sum() > 0


def test_the_patches_of_pix2pix_are_70_pixels_wide():
    network = registry.build(
        "network",
        {
            "network": "patch",
            "inputs": 3,
            "width": 4,
            "layers": 3,
            "norm": "none",
            "spectral": False,
            "init_std": 0.02,
        },
    )
    ab = torch.zeros(1, 2, 256, 256, requires_grad=True)
    logits = network(torch.zeros(1, 1, 256, 256), ab)
    assert logits.shape[-2:] == (30, 30)
    with torch.no_grad():
        for p in network.parameters():
            p.fill_(0.01)
    (slope,) = torch.autograd.grad(network(torch.zeros(1, 1, 256, 256), ab)[0, 0, 15, 15], ab)
    rows = slope.abs().sum(dim=(0, 1, 3)).nonzero()
    assert int(rows.max() - rows.min()) + 1 == 70


def test_spectral_normalization_bounds_every_convolution():
    network = registry.build(
        "network",
        {
            "network": "patch",
            "inputs": 3,
            "width": 8,
            "layers": 2,
            "norm": "none",
            "spectral": True,
            "init_std": 5.0,
        },
    )
    for _ in range(20):
        network(torch.randn(1, 1, 32, 32), torch.randn(1, 2, 32, 32))
    for layer in network.body:
        if isinstance(layer, torch.nn.Conv2d):
            assert torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2).item() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("scale", [2, 4])
def test_enlarging_keeps_constants_and_shrinking_gives_the_map_back(scale):
    guide = torch.rand(2, 1, 37, 26) * 2 - 1
    constant = torch.full((2, 2, 37, 26), 0.3)
    torch.testing.assert_close(enlarge(shrink(constant, scale), guide, scale), constant)
    smooth = torch.linspace(-1, 1, 40).view(1, 1, 40, 1).expand(2, 2, 40, 24)
    guide = torch.rand(2, 1, 40, 24)
    again = shrink(enlarge(shrink(smooth, scale), guide, scale), scale)
    assert (again - shrink(smooth, scale)).abs().max() < 0.05


@pytest.mark.parametrize("scale", [2, 4])
def test_enlarging_follows_the_edges_of_the_guide(scale):
    guide = torch.full((1, 1, 32, 32), -0.8)
    guide[..., 15:] = 0.8  # an edge that no cell border meets
    ab = 0.5 * guide.expand(-1, 2, -1, -1)
    small = shrink(ab, scale)
    plain = torch.nn.functional.interpolate(small, scale_factor=scale, mode="bilinear")
    assert (enlarge(small, guide, scale) - ab).abs().mean() < 0.7 * (plain - ab).abs().mean()


def test_the_denoiser_uses_condition_and_time_and_every_place_sees_every_other():
    torch.manual_seed(0)
    network = registry.build(
        "network",
        {
            "network": "denoiser",
            "outputs": 2,
            "scale": 4,
            "width": 32,
            "multipliers": [1, 1],
            "blocks": 1,
            "attention": 1,
            "condition_width": 16,
            "norm": "batch",
            "dropout": 0.0,
        },
    ).eval()
    for p in network.parameters():
        if p.ndim > 1 and not p.any():
            torch.nn.init.normal_(p, 0.0, 0.05)
    x, L = torch.randn(1, 2, 16, 16, requires_grad=True), torch.randn(1, 1, 64, 64)
    t = torch.tensor([0.5])
    y = network(x, t, L)
    assert not torch.allclose(y, network(x, t, L.flip(2)))
    assert not torch.allclose(y, network(x, t + 0.4, L))
    (slope,) = torch.autograd.grad(y[0, 0, 0, 0], x)
    assert slope[0, :, 15, 15].abs().sum() > 0  # the far corner: attention, or it would not reach
    torch.testing.assert_close(y, network.denoise(x, t, network.encode(L)))


def test_back_projection_gives_the_small_map_its_own_values_back():
    """Over a flat guide the slope is zero: up(p), and then the error of shrinking it, added (Irani & Peleg 1991)."""
    p, guide = torch.rand(2, 2, 8, 6), torch.zeros(2, 1, 32, 24)
    up = lambda x: torch.nn.functional.interpolate(x, scale_factor=4, mode="bilinear")  # noqa: E731
    torch.testing.assert_close(enlarge(p, guide, 4), up(p) + up(p - shrink(up(p), 4)))
    assert (shrink(enlarge(p, guide, 4), 4) - p).norm() < 0.7 * (shrink(up(p), 4) - p).norm()


def test_the_widths_of_a_patch_discriminator_double_up_to_eight_times_the_first():
    options = {"inputs": 3, "width": 8, "layers": 5, "norm": "none", "spectral": False, "init_std": 0.02}
    network = registry.build("network", {"network": "patch", **options})
    assert [m.out_channels for m in network.modules() if isinstance(m, torch.nn.Conv2d)] == [8, 16, 32, 64, 64, 64, 1]


@pytest.mark.parametrize(("channels", "heads"), [(32, 1), (64, 1), (96, 2), (128, 2), (192, 3), (200, 4), (50, 1)])
def test_attention_has_as_few_heads_of_at_most_64_channels_as_divide(channels, heads):
    attention = Attention(channels)
    assert attention.heads == heads
    assert attention(torch.zeros(1, channels, 3, 2)).shape == (1, channels, 3, 2)
