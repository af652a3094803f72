"""LPIPS (Zhang et al. 2018): distance between the activations of a trained network.

The published metric is the linear heads (shipped with the ``lpips`` package) on top of torchvision's networks; it is
computed in trunks/lpips.py. A network's weights are looked for in the torch hub cache, or at the path given by
``weights``; nothing is
downloaded behind anybody's back. A file is torchvision's when its sha256 begins with the digits in torchvision's own
file name; then the column is ``lpips_alex``, ``lpips_vgg`` or ``lpips_squeeze``. Any other trained network is welcome
for comparing models with each other, but its activations are not those that the heads were fitted to: it is used
without heads (w = 1) and has its own name, ``lpips_squeeze(deepscale)``. Without weights the cell says so.
"""

from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from colorbench.arrays import PerImage, Picture
from colorbench.column import Column
from colorbench.errors import UserError
from colorbench.metrics.metric import Metric, Pair, require_range
from colorbench.registry import register
from colorbench.trunks.classifiers import classifier
from colorbench.trunks.lpips import NETS, Heads, Net, Slices, distance
from colorbench.trunks.weights import chosen_file, file_digest, of_file

TORCHVISION = {
    "alex": ("alexnet-owt-7be5be79.pth", "alexnet-owt-4df8aa71.pth"),
    "vgg": ("vgg16-397923af.pth",),
    "squeeze": ("squeezenet1_1-b8a52dc0.pth", "squeezenet1_1-f364aa15.pth"),
}
"""torchvision's file names; the digits are the first 8 of the file's sha256."""


class Distance(nn.Module):
    """LPIPS over a network's weights; ``heads`` are the published linear weights, else every channel counts the same.

    Raises ValueError for pictures that leave [0, 1].
    """

    def __init__(self, *, net: Net, state: dict[str, Tensor], heads: bool) -> None:
        super().__init__()
        name, ends = NETS[net]
        with torch.random.fork_rng(devices=[]):  # building draws weights that are replaced at once
            features = classifier(name, "none").features
        assert isinstance(features, nn.Sequential)
        self.slices = Slices(features, ends)
        slots = [f"features.{slot}" for slot in features.state_dict()]
        missing = [key for key in slots if key not in state]
        if missing:
            raise UserError(f"lpips: the weights given lack {missing[0]!r}; torchvision's names for {net!r} are needed")
        features.load_state_dict({key.removeprefix("features."): state[key] for key in slots})
        self.heads = Heads(net) if heads else None
        self.requires_grad_(False).eval()

    def forward(self, x_hat: Picture, x: Picture) -> PerImage:
        """[b] distances of pictures in [0, 1]."""
        for values in (x_hat, x):
            require_range(values, 0.0, 1.0, "lpips")
        return distance(self.slices(x_hat), self.slices(x), None if self.heads is None else self.heads())


@register("metric", "lpips")
class LPIPS(Metric):
    """Perceptual distance.

    net: alex, vgg or squeeze. weights: path of a trunk's state dict (.pth or .safetensors, torchvision's names), or
    None: the torch hub cache. label: a name for weights that are not torchvision's.
    """

    better = "lower"
    digits = 4
    fed = "8-bit sRGB scaled to [-1, 1]"  # by the package; torchvision's mean and deviation of [0, 1] are the same

    def __init__(self, *, net: Net = "alex", weights: str | None = None, label: str | None = None) -> None:
        self.net = net
        self.path = chosen_file(weights, "metrics.lpips.weights", *TORCHVISION[net])
        self.missing = "" if self.path else f"weights not found: colorbench fetch-weights {NETS[net][0]}"
        self.digest = file_digest(self.path) if self.path else ""
        prefixes = tuple(name.rsplit("-", 1)[-1][:8] for name in TORCHVISION[net])
        self.published = not self.digest or self.digest.startswith(prefixes)
        self.name = f"lpips_{net}" if self.published else f"lpips_{net}({label or self.digest[:8]})"
        self.weights = f"{self.name} sha256:{self.digest[:16]}" if self.digest else "none"

    @classmethod
    def column(cls, name: str) -> Column | None:
        return cls.declared(name.replace("lpips_", "LPIPS "), "lpips") if name.startswith("lpips_") else None

    @cached_property
    def distance(self) -> Distance:
        assert self.path is not None, self.missing
        return Distance(net=self.net, state=of_file(self.path), heads=self.published)

    def unavailable(self, size: int) -> str:
        if self.missing:
            return self.missing
        return "" if size >= 32 else f"LPIPS needs 32 px, pictures have {size}"

    def score(self, pair: Pair) -> PerImage:
        return self.distance.to(pair.hat.device)(pair.rgb_hat, pair.rgb)

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "net": self.net, "heads": self.published}
