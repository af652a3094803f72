"""Perceptual distances: how different two pictures look to a network that was trained to recognize things.

    lpips         sum over layers l of  mean_hw  w_l . (f_l(x) / |f_l(x)| - f_l(y) / |f_l(y)|)^2   Zhang et al. 2018
    trunk_features  the same with w = 1, on any trunk (perceptual=trunk: EfficientNet-Lite0, which needs no download)
    vgg_feature   mean |f(x) - f(y)|^2 at VGG-16's relu3_3                                        Johnson et al. 2016

f are the activations of a frozen trunk, w_l the published linear heads (they ship in the ``lpips`` package). Both
pictures have the true L. The trunks' weights are torchvision's (imagenet, a path), or random numbers when a config
says ``none``; another trunk than the published one gives another distance: name it by its weights. Nothing here is
trained or saved in checkpoints, and under ``trunks.weights.checkpoint_follows`` the weights are not even looked for.
"""

from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from colorbench import color
from colorbench.arrays import Chroma, Luma, PerImage, Picture
from colorbench.errors import UserError
from colorbench.losses.distance import Distance
from colorbench.ranges import Text
from colorbench.registry import register
from colorbench.trunks.classifiers import Name, classifier, standardize
from colorbench.trunks.frozen import Frozen
from colorbench.trunks.trunk import Trunk

TRUNKS: dict[str, tuple[Name, tuple[int, ...]]] = {
    "vgg": ("vgg16", (4, 9, 16, 23, 30)),
    "alex": ("alexnet", (2, 5, 8, 10, 12)),
    "squeeze": ("squeezenet1_1", (2, 5, 8, 10, 11, 12, 13)),
}
"""Network, and the ends of the slices of its ``features`` whose outputs are compared (lpips/pretrained_networks.py)."""


@register("distance", "lpips")
class LPIPS(Distance):
    """Learned perceptual image patch similarity. heads: published, or a path to a .pth file of linear heads."""

    def __init__(self, *, net: Literal["vgg", "alex", "squeeze"], weights: Text, heads: Text) -> None:
        super().__init__()
        name, ends = TRUNKS[net]
        self.slices = Frozen(Slices(name, weights, ends), saved=False)
        for i, head in enumerate(_heads(net, heads)):
            self.register_buffer(f"head{i}", head, persistent=False)

    def forward(self, L: Luma, ab_hat: Chroma, ab: Chroma) -> PerImage:
        """[b]."""
        with torch.no_grad():
            true = self.slices(color.decode(L, ab))
        return self.compare(self.slices(color.decode(L, ab_hat)), true)

    def compare(self, maps: list[Tensor], others: list[Tensor]) -> PerImage:
        """[b], from the slices' outputs for two pictures."""
        total: Any = 0.0
        for i, (x, y) in enumerate(zip(maps, others, strict=True)):
            difference = (_unit(x.float()) - _unit(y.float())).square()
            total = total + (difference * getattr(self, f"head{i}")).sum(dim=1).mean(dim=(1, 2))
        return total


@register("distance", "trunk_features")
class TrunkFeatures(Distance):
    """As LPIPS without its linear heads, on any trunk: sum over its maps of mean_hw |f(x)/|f(x)| - f(y)/|f(y)||^2."""

    def __init__(self, *, trunk: Trunk) -> None:
        super().__init__()
        if not trunk.frozen:
            raise UserError("perceptual.trunk.train: a trunk that judges must not learn from its verdict; write none")
        self.trunk = trunk

    def forward(self, L: Luma, ab_hat: Chroma, ab: Chroma) -> PerImage:
        """[b]."""
        with torch.no_grad():
            true = self.trunk.see(color.decode(L, ab))
        found = self.trunk.see(color.decode(L, ab_hat))
        terms = [(_unit(found[s].float()) - _unit(true[s].float())).square().sum(1).mean((1, 2)) for s in true]
        return torch.stack(terms).sum(dim=0)


@register("distance", "vgg_feature")
class VGGFeature(Distance):
    """Squared error of relu3_3."""

    def __init__(self, *, weights: Text) -> None:
        super().__init__()
        self.slices = Frozen(Slices("vgg16", weights, (16,)), saved=False)

    def forward(self, L: Luma, ab_hat: Chroma, ab: Chroma) -> PerImage:
        """[b]."""
        with torch.no_grad():
            (true,) = self.slices(color.decode(L, ab))
        (found,) = self.slices(color.decode(L, ab_hat))
        return (found.float() - true.float()).square().mean(dim=(1, 2, 3))


class Slices(nn.Module):
    """Picture [b 3 h w] in [0, 1] -> the outputs of consecutive slices of a trunk's features."""

    def __init__(self, name: Name, weights: str, ends: tuple[int, ...]) -> None:
        super().__init__()
        try:
            features: Any = classifier(name, weights).features
        except UserError as error:
            raise UserError(
                f"{error} with perceptual.weights=PATH; perceptual=none trains without it, "
                "perceptual=squeeze perceptual.weights=PATH takes SqueezeNet's"
            ) from error
        self.slices = nn.ModuleList(features[a:b] for a, b in zip((0, *ends), ends, strict=False))

    def forward(self, rgb: Picture) -> list[Tensor]:
        h, maps = standardize(rgb), []
        for layers in self.slices:
            h = layers(h)
            maps.append(h)
        return maps


def _unit(x: Tensor) -> Tensor:
    return x / ((x.square().sum(dim=1, keepdim=True) + 1e-12).sqrt() + 1e-10)  # a finite slope where all is 0


def _heads(net: str, heads: str) -> list[Tensor]:
    path = Path(str(files("lpips") / "weights" / "v0.1" / f"{net}.pth")) if heads == "published" else Path(heads)
    if not path.is_file():
        raise UserError(f"heads: {path} is not there; write heads: published, or the path of LPIPS heads for {net}")
    state = torch.load(path, map_location="cpu", weights_only=True)
    return [state[f"lin{i}.model.1.weight"].flatten(0, 1).view(1, -1, 1, 1) for i in range(len(TRUNKS[net][1]))]
