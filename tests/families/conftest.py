"""Small versions of every model in conf/model, composed by Hydra as on the command line."""

from functools import cache
from typing import Any

import pytest
import torch

from colorbench.batch import Batch
from colorbench.color import to_bytes
from colorbench.family import Family
from colorbench.noise import Noise
from colorbench.registry import build
from colorbench.runs import config

SMALL: dict[str, dict[str, Any]] = {
    "unet": {"width": 16, "max_width": 32, "levels": 3, "blocks": 1},
    "autoencoder": {"width": 16, "max_width": 32, "levels": 3, "blocks": 1},
    "unetcolorizer": {"base": 8, "poolings": 2},
    "resnet": {"width": 8, "stem": "half"},
    "resunet": {"width": 8, "stem": "half", "blocks": 1},
    "pix2pix": {"width": 16, "levels": 4},
    "latent": {"width": 16, "max_width": 32, "levels": 3, "posterior_width": 8, "latent": 16},
    "denoiser": {"width": 32, "multipliers": [1, 1], "blocks": 1, "condition_width": 16},
    "film": {"widths": [16, 32], "blocks": 1, "style": 16},
    "pyramid": {"width": 8, "widths": [16, 32]},
    "patch": {"width": 8, "layers": 2},
    "convolutional": {"width": 8, "layers": 2},
}
"""Network -> options that make it quick."""

TRAINED = (
    "resnet", "unet", "unetcolorizer", "gan", "unetgan", "pix2pix", "vae", "unetvae", "ddpm", "ddim", "resunetgan",
    "resunetgan_retrieval", "energy",
)  # fmt: skip
"""The models of this project that learn."""


@cache
def _composed(model: str, overrides: tuple[str, ...]) -> dict[str, Any]:
    perceptual = ["perceptual=none"] if model.startswith("resunet") else []  # VGG's weights are no part of the tests
    return config.compose(["data=photos", f"model={model}", *perceptual, *overrides])


def small(model: str, *overrides: str, seed: int = 0, **changes: Any) -> Family:
    """The model, narrow, with its samplers cut to a few steps; ``changes`` replace keys of its yaml."""
    tree = {**_shrunk(_composed(model, overrides)["model"]), **changes}
    torch.manual_seed(seed)
    return build("family", tree, "model")


def _shrunk(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    node = {key: _shrunk(value) for key, value in node.items()}
    if "sampler" in node and isinstance(node["sampler"], str) and "steps" in node:
        node["steps"] = 4
    return {**node, **SMALL.get(node.get("network"), {})} if isinstance(node.get("network"), str) else node


def pictures(count: int = 4, size: int = 32, seed: int = 0) -> Batch:
    """Smooth pictures whose upper and lower halves have colors of their own, that their brightness betrays."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 2, 2, generator=generator)
    rgb = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")
    grain = 0.05 * torch.rand(count, 1, size, size, generator=generator)
    return Batch.of_bytes(to_bytes(rgb * 0.9 + grain), torch.arange(count) + 100 * seed)


def step(
    family: Family, optimizers: dict[str, torch.optim.Optimizer], batch: Batch, noise: Noise, bfloat16: bool = False
) -> dict[str, float]:
    """One step as the engine makes it; the mean loss of each group."""
    losses = {}
    objectives = family.objectives(batch, noise, family.weights)
    while True:
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):  # left before weights change: it caches casts
            objective = next(objectives, None)
        if objective is None:
            return losses
        group = list(family.trainable()[objective.updates].parameters())
        optimizers[objective.updates].zero_grad()
        loss = objective.loss.mean()
        loss.backward(inputs=group)
        optimizers[objective.updates].step()
        losses[objective.updates] = float(loss.detach())


def adam(family: Family, lr: float = 2e-3) -> dict[str, torch.optim.Optimizer]:
    """One optimizer for each group."""
    return {name: torch.optim.Adam(m.parameters(), lr, betas=(0.5, 0.99)) for name, m in family.trainable().items()}


@pytest.fixture
def batch() -> Batch:
    return pictures()
