"""Regression: the head of a picture, and the perceptual term."""

import torch
from families.conftest import _composed, _shrunk, adam, pictures, small, step

from colorbench.noise import Noise


def test_a_head_of_three_channels_answers_with_the_chroma_of_its_picture():
    network = {**_shrunk(_composed("unetcolorizer", ())["model"])["network"], "outputs": 3}
    family, batch = small("unetcolorizer", head="rgb", network=network).train(), pictures(4)
    optimizers = adam(family)
    losses = [step(family, optimizers, batch, Noise.of(0, batch.ids))["network"] for _ in range(30)]
    assert losses[-1] < 0.7 * losses[0]
    ab = family.eval().colorize(batch.L, Noise.of(0, batch.ids))
    assert ab.shape == batch.ab.shape
    assert ab.abs().max() <= 1.0


def test_a_perceptual_term_is_added_with_its_weight():
    perceptual = {"distance": "lpips", "net": "squeeze", "weights": "none", "heads": "published"}
    batch = pictures(2)
    values = []
    for weight in (0.0, 2.0):
        family = small("unet", perceptual=perceptual, weights={"distance": 1.0, "perceptual": weight}).eval()
        (objective,) = family.objectives(batch, Noise.of(0, batch.ids), family.weights)
        values.append(objective)
    assert set(values[0].logs) == {"distance", "chroma_ratio"}
    expected = values[0].loss + 2.0 * values[1].logs["perceptual"]
    torch.testing.assert_close(values[1].loss, expected)
