"""Perceptual distances: how different two pictures look to a network that was trained to recognize things.

    lpips         sum over layers l of  mean_hw  w_l . (f_l(x) / |f_l(x)| - f_l(y) / |f_l(y)|)^2   Zhang et al. 2018
    trunk_features  the same with w = 1, on any trunk (perceptual=trunk: EfficientNet-Lite0, which needs no download)
    vgg_feature   mean |f(x) - f(y)|^2 at VGG-16's relu3_3                                        Johnson et al. 2016

f are the activations of a frozen trunk, w_l the published linear heads (they ship in the ``lpips`` package). Both
pictures have the true L. The trunks' weights are torchvision's (imagenet, a path), or random numbers when a config
says ``none``; another trunk than the published one gives another distance: name it by its weights. Nothing here is
trained or saved in checkpoints, and under ``trunks.weights.checkpoint_follows`` the weights are not even looked for.
"""

import torch
from torch import nn

from colorbench import color
from colorbench.arrays import Chroma, Luma, PerImage
from colorbench.errors import UserError
from colorbench.losses.distance import Distance
from colorbench.ranges import Text
from colorbench.registry import register
from colorbench.trunks.classifiers import Name, classifier
from colorbench.trunks.frozen import Frozen
from colorbench.trunks.lpips import NETS, Heads, Net, Slices, distance
from colorbench.trunks.trunk import Trunk


@register("distance", "lpips")
class LPIPS(Distance):
    """Learned perceptual image patch similarity. heads: published, or a path to a .pth file of linear heads."""

    def __init__(self, *, net: Net, weights: Text, heads: Text) -> None:
        super().__init__()
        name, ends = NETS[net]
        self.slices = Frozen(Slices(_features(name, weights), ends), saved=False)
        self.heads = Heads(net, heads)

    def forward(self, L: Luma, ab_hat: Chroma, ab: Chroma) -> PerImage:
        """[b]."""
        with torch.no_grad():
            true = self.slices(color.decode(L, ab))
        return distance(self.slices(color.decode(L, ab_hat)), true, self.heads())


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
        return distance(list(found.values()), list(true.values()), None)


@register("distance", "vgg_feature")
class VGGFeature(Distance):
    """Squared error of relu3_3."""

    def __init__(self, *, weights: Text) -> None:
        super().__init__()
        self.slices = Frozen(Slices(_features("vgg16", weights), (16,)), saved=False)

    def forward(self, L: Luma, ab_hat: Chroma, ab: Chroma) -> PerImage:
        """[b]."""
        with torch.no_grad():
            (true,) = self.slices(color.decode(L, ab))
        (found,) = self.slices(color.decode(L, ab_hat))
        return (found.float() - true.float()).square().mean(dim=(1, 2, 3))


def _features(name: Name, weights: str) -> nn.Sequential:
    try:
        features = classifier(name, weights).features
    except UserError as error:
        raise UserError(
            f"{error} with perceptual.weights=PATH; perceptual=none trains without it, "
            "perceptual=trunk needs no download"
        ) from error
    assert isinstance(features, nn.Sequential)
    return features
