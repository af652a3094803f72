"""LPIPS (Zhang et al. 2018): the distance of two pictures in the layers of a trained network.

    d(x, y) = sum_l mean_hw sum_c w_lc (f_lc(x) - f_lc(y))^2,   f_l of length one over the channels at each pixel

f_l are the outputs of five (SqueezeNet: seven) slices of torchvision's features, w_l the published linear heads, which
ship in the ``lpips`` package; without heads every channel counts the same. This is the one place where it is computed:
for the column, and for the loss, which needs slopes where a pixel's channels are all 0 (the package's are NaN there).
The package itself is what the tests compare with.
"""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from colorbench.arrays import PerImage, Picture
from colorbench.errors import UserError
from colorbench.trunks.classifiers import Name, standardize

Net = Literal["alex", "vgg", "squeeze"]
NETS: dict[Net, tuple[Name, tuple[int, ...]]] = {
    "vgg": ("vgg16", (4, 9, 16, 23, 30)),
    "alex": ("alexnet", (2, 5, 8, 10, 12)),
    "squeeze": ("squeezenet1_1", (2, 5, 8, 10, 11, 12, 13)),
}
"""Network, and the ends of the slices of its ``features`` whose outputs are compared (lpips/pretrained_networks.py)."""


class Slices(nn.Module):
    """Picture [b 3 h w] in [0, 1] -> the outputs of consecutive slices of a network's ``features``."""

    def __init__(self, features: nn.Sequential, ends: Sequence[int]) -> None:
        super().__init__()
        self.slices = nn.ModuleList(features[a:b] for a, b in zip((0, *ends), ends, strict=False))

    def forward(self, rgb: Picture) -> list[Tensor]:
        h, maps = standardize(rgb), []
        for layers in self.slices:
            h = layers(h)
            maps.append(h)
        return maps


def distance(maps: Sequence[Tensor], others: Sequence[Tensor], heads: Sequence[Tensor] | None) -> PerImage:
    """[b], from the slices' outputs for two pictures; heads: [1 c 1 1] for each, or None: every channel counts 1."""
    terms = []
    for i, (x, y) in enumerate(zip(maps, others, strict=True)):
        square = (unit(x.float()) - unit(y.float())).square()
        terms.append((square if heads is None else square * heads[i]).sum(dim=1).mean(dim=(1, 2)))
    return torch.stack(terms).sum(dim=0)


def unit(x: Tensor) -> Tensor:
    """Of length one over the channels, with a finite slope where all of them are 0."""
    return x / ((x.square().sum(dim=1, keepdim=True) + 1e-12).sqrt() + 1e-10)


class Heads(nn.Module):
    """The linear weights [1 c 1 1] of each slice: those of the ``lpips`` package, or of a .pth file."""

    def __init__(self, net: Net, source: str = "published") -> None:
        super().__init__()
        published = str(files("lpips") / "weights" / "v0.1" / f"{net}.pth")
        path = Path(published if source == "published" else source)
        if not path.is_file():
            raise UserError(f"heads: {path} is not there; write heads: published, or the path of LPIPS heads for {net}")
        state = torch.load(path, map_location="cpu", weights_only=True)
        for i in range(len(NETS[net][1])):
            head = state[f"lin{i}.model.1.weight"].flatten(0, 1).view(1, -1, 1, 1)
            self.register_buffer(str(i), head, persistent=False)

    def forward(self) -> list[Tensor]:
        """Slice after slice."""
        return list(self.buffers())
