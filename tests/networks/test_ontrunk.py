"""What stands on a trunk: its head, at every scale of chroma and every size of picture."""

import pytest
import torch

from colorbench import registry
from colorbench.networks.ontrunk import Head

TRUNK = {
    "trunk": "timm",
    "name": "resnet18",
    "weights": "none",
    "train": "none",
    "width": 8,
    "enlarge": "guided",
    "keep": False,
}


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_a_head_answers_at_its_scale_and_sees_every_pixel_of_the_lightness(scale):
    head = Head(registry.build("trunk", {**TRUNK, "chroma_scale": scale}), 3, norm="none", act="relu").eval()
    L, h = torch.zeros(1, 1, 13, 22), torch.randn(1, 8, -(-13 // scale), -(-22 // scale))
    assert head.small(h, L).shape == (1, 3, -(-13 // scale), -(-22 // scale))
    assert head(h, L).shape == (1, 3, 13, 22)
    L.requires_grad_()
    head.small(h, L).sum().backward()
    assert (L.grad != 0).all()
