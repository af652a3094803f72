"""Distances: one number for each image, with known values."""

import pytest
import torch

from colorbench import registry
from colorbench.noise import Noise

CHROMA = [
    {"distance": "l1"},
    {"distance": "mse"},
    {"distance": "huber", "delta": 0.05},
    {"distance": "charbonnier", "epsilon": 0.001},
]


def draw(b=3, h=16, w=16):
    noise = Noise.of(0, torch.arange(b))
    L, ab, ab_hat = noise.uniform("L", 1, h, w) * 2 - 1, noise.normal("ab", 2, h, w), noise.normal("hat", 2, h, w)
    return L, (0.1 * ab_hat).clamp(-1, 1), (0.1 * ab).clamp(-1, 1)


@pytest.mark.parametrize("config", CHROMA, ids=lambda c: c["distance"])
def test_a_distance_is_per_image_symmetric_and_zero_only_at_the_truth(config):
    distance = registry.build("distance", config)
    L, ab_hat, ab = draw()
    d = distance(L, ab_hat, ab)
    assert d.shape == (3,)
    assert (d > 0).all()
    torch.testing.assert_close(d, distance(L, ab, ab_hat))
    torch.testing.assert_close(distance(L, ab, ab), torch.zeros(3))
    torch.testing.assert_close(d[1:2], distance(L[1:2], ab_hat[1:2], ab[1:2]))


@pytest.mark.parametrize(
    ("config", "value"),
    [(CHROMA[0], 0.2), (CHROMA[1], 0.04), (CHROMA[2], 0.05 * (0.2 - 0.025)), (CHROMA[3], (0.04 + 1e-6) ** 0.5 - 0.001)],
)
def test_a_constant_error_of_a_fifth_has_the_value_of_its_formula(config, value):
    distance = registry.build("distance", config)
    L, _, ab = draw()
    assert distance(L, ab + 0.2, ab).tolist() == pytest.approx([value] * 3, rel=1e-5)


def test_every_distance_of_conf_loss_builds():
    from colorbench.runs import config

    for name in config.options("loss"):
        tree = config.compose(["data=photos", "model=unet", f"loss={name}"])
        registry.build("distance", tree["loss"])
