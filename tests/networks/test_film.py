"""The steered decoder: many draws of one picture, each by its own z alone."""

import torch

from colorbench import registry

FILM = {
    "network": "film",
    "encoder": {"network": "pyramid", "trunk": None, "scale": 4, "width": 8, "widths": [8, 16], "norm": "none"},
    "widths": [8, 16],
    "blocks": 1,
    "latent": 4,
    "style": 8,
    "start": 1.0,
    "norm": "none",
}


def test_a_draw_is_its_own_z_whatever_is_drawn_beside_it():
    torch.manual_seed(0)
    network = registry.build("network", FILM).eval()
    L, z = torch.rand(2, 1, 16, 16), torch.randn(2, 3, 4)
    z[0, 0] *= 10.0  # a style much longer than the others before it is brought to length
    with torch.no_grad():
        together = network(L, z)
        ones = [[network(L[i : i + 1], z[i : i + 1, k : k + 1])[0] for k in range(3)] for i in range(2)]
        alone = torch.stack([torch.cat(row) for row in ones])
    assert together.shape == (2, 3, 2, 4, 4)
    assert (together[0, 0] - together[0, 1]).abs().max() > 1e-3
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
