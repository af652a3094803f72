"""Untrained models that color visibly, as portable folders, and pictures of every odd kind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from colorbench.batch import Batch
from colorbench.family import Family
from colorbench.inference import portable
from colorbench.registry import build

UNET = {
    "network": "unet",
    "trunk": None,
    "inputs": 1,
    "outputs": 2,
    "width": 8,
    "max_width": 8,
    "levels": 2,
    "stem": 2,
    "blocks": 1,
    "norm": "batch",
    "activation": "relu",
}
REGRESSION = {
    "family": "regression",
    "head": "ab",
    "network": UNET,
    "distance": {"distance": "l1"},
    "perceptual": None,
    "weights": {"distance": 1, "perceptual": 0},
}
VAE = {
    "family": "vae",
    "divergence": "sum",
    "distance": {"distance": "mse"},
    "perceptual": None,
    "weights": {"distance": 1, "kl": 1, "perceptual": 0},
    "network": {
        "network": "latent",
        "latent": 8,
        "width": 8,
        "max_width": 8,
        "levels": 2,
        "skips": False,
        "posterior_width": 8,
        "norm": "batch",
        "activation": "relu",
    },
}
RETRIEVAL = {
    "family": "retrieval",
    "generator": UNET,
    "discriminator": {
        "network": "patch",
        "inputs": 3,
        "width": 8,
        "layers": 1,
        "norm": "none",
        "spectral": False,
        "init_std": 0.02,
    },
    "embedder": {"network": "thumbnail", "grid": 4, "directions": 4},
    "index": {"index": "torch"},
    "distance": {"distance": "l1"},
    "adversary": {"adversary": "bce"},
    "perceptual": None,
    "hint": "blend",
    "hint_weight": 0.5,
    "bank_size": 4,
    "bank_limit": None,
    "duplicate": 0.1,
    "weights": {"distance": 1, "adversarial": 1, "perceptual": 0},
}
MODELS = {"regression": REGRESSION, "vae": VAE, "retrieval": RETRIEVAL}


def colorful(config: dict[str, Any], seed: int = 0) -> Family:
    """The family with weights that answer in color."""
    torch.manual_seed(seed)
    family = build("family", config, "model")
    for module in family.modules():
        if getattr(module, "head", None) is not None and isinstance(module.head, torch.nn.Conv2d):
            torch.nn.init.normal_(module.head.weight, 0.0, 0.2)
            torch.nn.init.constant_(module.head.bias, 0.2)
    pixels = torch.randint(0, 256, (6, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    family.prepare([Batch.of_bytes(pixels, torch.arange(6))])
    return family.eval()


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> Callable[[str], Path]:
    """The folder of a portable model of a family."""
    made: dict[str, Path] = {}

    def find(name: str) -> Path:
        if name not in made:
            folder = tmp_path_factory.mktemp("model") / name
            made[name] = portable.save(
                colorful(MODELS[name]), portable.Portable(name, 16, MODELS[name]), folder, "# card\n"
            )
        return made[name]

    return find


def levels(height: int = 40, width: int = 56, seed: int = 0) -> np.ndarray:
    """A smooth gray picture with edges, uint8."""
    from PIL import Image

    small = np.random.default_rng(seed).integers(20, 236, (5, 7), dtype=np.uint8)
    image = np.array(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))
    image[height // 3 : height // 2, width // 4 : width // 2] = 30
    return image
