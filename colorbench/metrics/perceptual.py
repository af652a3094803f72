"""LPIPS (Zhang et al. 2018): distance between the activations of a trained network.

    d(x, y) = sum_l mean_hw sum_c w_lc (f_lc(x) - f_lc(y))^2,   f_l unit length over channels at each pixel

with pictures in [-1, 1]. The published metric is the linear heads w (shipped with the ``lpips`` package) on top of
torchvision's trunk. A trunk is looked for in the torch hub cache, or at the path given by ``weights``; nothing is
downloaded behind anybody's back. A file is torchvision's when its sha256 begins with the digits in torchvision's own
file name; then the column is ``lpips_alex``, ``lpips_vgg`` or ``lpips_squeeze``. Any other trained trunk is welcome for
comparing models with each other, but its activations are not those that the heads were fitted to: it is used without
heads (w = 1) and has its own name, ``lpips_squeeze(deepscale)``. Without weights the cell says so.
"""

import hashlib
import warnings
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from colorbench.arrays import PerImage
from colorbench.column import Column
from colorbench.errors import UserError
from colorbench.metrics.metric import Metric, Pair, require_range
from colorbench.registry import register

Net = Literal["alex", "vgg", "squeeze"]
TORCHVISION = {
    "alex": ("alexnet-owt-7be5be79.pth", "alexnet-owt-4df8aa71.pth"),
    "vgg": ("vgg16-397923af.pth",),
    "squeeze": ("squeezenet1_1-b8a52dc0.pth", "squeezenet1_1-f364aa15.pth"),
}
"""torchvision's file names; the digits are the first 8 of the file's sha256."""


class Distance(nn.Module):
    """LPIPS over a trunk; ``heads`` are the published linear weights, else every channel counts the same.

    Raises ValueError for pictures that leave [-1, 1], and for a batch without any value below 0, which is what
    pictures in [0, 1] look like.
    """

    def __init__(self, *, net: Net, trunk: dict[str, Tensor], heads: bool) -> None:
        super().__init__()
        import lpips

        # building the trunk draws weights that are replaced at once, and warns of torchvision's old keywords
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.lpips = lpips.LPIPS(net=net, lpips=heads, pnet_rand=True, verbose=False)
        slots = {}
        for name in self.lpips.net.state_dict():
            _, layer = name.split(".", 1)  # slice3.5.squeeze.weight -> layer 5 of torchvision's features
            slots[name] = f"features.{layer}"
        missing = [key for key in slots.values() if key not in trunk]
        if missing:
            raise UserError(f"lpips: the weights given lack {missing[0]!r}; torchvision's names for {net!r} are needed")
        self.lpips.net.load_state_dict({slot: trunk[key] for slot, key in slots.items()})
        self.requires_grad_(False).eval()

    def forward(self, x_hat: Tensor, x: Tensor) -> PerImage:
        """[b] distances of pictures in [-1, 1]."""
        for values in (x_hat, x):
            require_range(values, -1.0, 1.0, "lpips")
        if min(x_hat.min(), x.min()) >= 0:
            raise ValueError("lpips is fed pictures in [-1, 1]; these have no value below 0 and look like [0, 1]")
        return self.measure(x_hat, x)

    def measure(self, x_hat: Tensor, x: Tensor) -> PerImage:
        """:meth:`forward` without the checks, for values that are in [-1, 1] by construction."""
        return self.lpips(x_hat, x).flatten()


@register("metric", "lpips")
class LPIPS(Metric):
    """Perceptual distance.

    net: alex, vgg or squeeze. weights: path of a trunk's state dict (.pth or .safetensors, torchvision's names), or
    None: the torch hub cache. label: a name for weights that are not torchvision's.
    """

    better = "lower"
    digits = 4
    fed = "8-bit sRGB scaled to [-1, 1]"

    def __init__(self, *, net: Net = "alex", weights: str | None = None, label: str | None = None) -> None:
        self.net = net
        self.path = find_trunk(net, weights)
        where = f"{TORCHVISION[net][0]} in the torch hub cache, or metrics.lpips.weights=PATH"
        self.missing = "" if self.path else f"weights not found: {where}"
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
        return Distance(net=self.net, trunk=read_weights(self.path), heads=self.published)

    def unavailable(self, size: int) -> str:
        if self.missing:
            return self.missing
        return "" if size >= 32 else f"LPIPS needs 32 px, pictures have {size}"

    def score(self, pair: Pair) -> PerImage:
        distance = self.distance.to(pair.hat.device)
        return distance.measure(2 * pair.rgb_hat - 1, 2 * pair.rgb - 1)

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "net": self.net, "heads": self.published}


def find_trunk(net: Net, weights: str | None) -> Path | None:
    """Where the trunk lies: the path given (which must exist), or torchvision's file in the torch hub cache."""
    if weights is not None:
        path = Path(weights).expanduser()
        if not path.is_file():
            raise UserError(f"metrics.lpips.weights: no such file: {weights}; give a trunk's state dict, or null")
        return path
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    return next((cache / name for name in TORCHVISION[net] if (cache / name).is_file()), None)


def file_digest(path: Path) -> str:
    """sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_weights(path: Path) -> dict[str, Tensor]:
    """A state dict from .safetensors or a torch file (never unpickling code)."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise UserError(f"cannot read the weights {path.name}: {error}") from error
