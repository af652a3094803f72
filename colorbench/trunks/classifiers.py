"""torchvision's classifiers without their heads, layer by layer: what published metrics and losses are defined on.

Whatever only needs features takes a trunk instead (see trunk.py). A gray picture enters through a stem of one channel
whose weights are the sums over R, G and B: what the three-channel stem computes for R = G = B.
"""

from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from colorbench.arrays import Picture
from colorbench.errors import UserError
from colorbench.trunks.weights import download, follows, hub_file, of_file, of_path

Name = Literal["resnet18", "resnet34", "resnet50", "vgg16", "alexnet", "squeezenet1_1"]

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's sRGB in [0, 1], as torchvision trains
GRAY_MEAN, GRAY_STD = sum(MEAN) / 3, sum(STD) / 3


def classifier(name: Name, weights: str) -> nn.Module:
    """torchvision's network ``name`` without its classifier, filled from ``weights``; input [b 3 h w]."""
    from torchvision import models

    network = models.get_model(name, weights=None)
    for head in ("fc", "classifier"):
        if hasattr(network, head):
            setattr(network, head, nn.Identity())
    if weights != "none" and not follows():
        kept = {k: v for k, v in state(name, weights).items() if not k.startswith(("fc.", "classifier."))}
        try:
            network.load_state_dict(kept)
        except RuntimeError as error:
            first = " ".join(str(error).splitlines()[1:2]).strip()
            raise UserError(f"weights: {weights} does not hold torchvision's {name} ({first})") from error
    return network


def gray_classifier(name: Name, weights: str) -> nn.Module:
    """:func:`classifier` whose stem takes one channel, by summing the weights over R, G and B."""
    network = classifier(name, weights)
    for parent in network.modules():
        for key, child in parent.named_children():
            if isinstance(child, nn.Conv2d) and child.in_channels == 3:
                shape: Any = {key: getattr(child, key) for key in ("kernel_size", "stride", "padding")}
                stem = nn.Conv2d(1, child.out_channels, **shape, bias=child.bias is not None)
                stem.weight.data.copy_(child.weight.data.sum(dim=1, keepdim=True))
                if child.bias is not None and stem.bias is not None:
                    stem.bias.data.copy_(child.bias.data)
                setattr(parent, key, stem)
                return network
    raise AssertionError(f"{name} has no stem of three channels")


def standardize(rgb: Picture) -> Tensor:
    """[b 3 h w] in [0, 1] -> what the networks were trained on."""
    mean, std = (torch.tensor(v, device=rgb.device).view(1, 3, 1, 1) for v in (MEAN, STD))
    return (rgb - mean) / std


def standardize_gray(x: Tensor) -> Tensor:
    """[b 1 h w] in [-1, 1] -> what a one-channel stem expects."""
    return (x * 0.5 + 0.5 - GRAY_MEAN) / GRAY_STD


def cached(name: Name) -> Path:
    """Where torch hub keeps torchvision's ImageNet weights of ``name``, present or not."""
    return hub_file(Path(source(name)).name)


def state(name: Name, weights: str) -> dict[str, Tensor]:
    """The numbers that ``weights`` (imagenet or a path) holds, under torchvision's names."""
    if weights != "imagenet":
        return of_path(weights, name, "imagenet, or none")
    path = cached(name)
    if not path.is_file():
        download(source(name), path, name)
    return of_file(path)


def source(name: Name) -> str:
    """Where torchvision says that its ImageNet weights are."""
    from torchvision import models

    return models.get_model_weights(name)["IMAGENET1K_V1"].url
