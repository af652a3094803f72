"""Small versions of every model in conf/model, composed by Hydra as on the command line."""

from functools import cache
from typing import Any

import pytest
import torch

from colorbench.batch import Batch
from colorbench.color import to_bytes
from colorbench.family import Family, Weights
from colorbench.noise import Noise
from colorbench.registry import build
from colorbench.runs import config
from colorbench.training.schema import on_paper

SMALL: dict[str, Any] = {
    "width": 16,
    "max_width": 32,
    "levels": 3,
    "blocks": 1,
    "layers": 2,
    "base": 8,
    "poolings": 2,
    "stem": "half",
    "posterior_width": 8,
    "latent": 16,
    "multipliers": [1, 1],
    "condition_width": 16,
    "steps": 8,
    "widths": [16, 32],
    "style": 16,
}
"""Option of any network or sampler -> a value that makes it quick, where it is of the same type."""


@cache
def _composed(model: str, overrides: tuple[str, ...]) -> dict[str, Any]:
    perceptual = ["perceptual=none"] if model.startswith("resunet") else []  # VGG's weights are no part of the tests
    return config.compose(["data=photos", f"model={model}", *perceptual, *overrides])


def learners() -> list[str]:
    """The models of conf/model with something to train: found, not listed."""
    return [name for name in config.options("model") if _learns(name)]


@cache
def _learns(model: str) -> bool:
    return bool(on_paper(_shrunk(_composed(model, ())["model"])).trainable())


def alike(models: list[str]) -> list[str]:
    """One of each group that train alike: what differs in the sampler only is left out."""
    found: dict[str, str] = {}
    for model in models:
        found.setdefault(str({k: v for k, v in _composed(model, ())["model"].items() if k != "sampler"}), model)
    return list(found.values())


def small(model: str, *overrides: str, seed: int = 0, **changes: Any) -> Family:
    """The model, narrow, with its samplers cut to a few steps; ``changes`` replace keys of its yaml."""
    tree = {**_shrunk(_composed(model, overrides)["model"]), **changes}
    torch.manual_seed(seed)
    return build("family", tree, "model")


def _shrunk(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    node = {key: _shrunk(value) for key, value in node.items()}
    if not any(isinstance(node.get(kind), str) for kind in ("network", "sampler")):
        return node
    return {key: SMALL[key] if type(SMALL.get(key)) is type(value) else value for key, value in node.items()}


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
    objectives = family.objectives(batch, noise, Weights(family.weights))
    while True:
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):  # left before weights change: it caches casts
            objective = next(objectives, None)
        if objective is None:
            return losses
        loss = objective.loss.mean()
        for name in objective.groups:
            optimizers[name].zero_grad()
            losses[name] = float(loss.detach())
        loss.backward(inputs=[p for name in objective.groups for p in family.trainable()[name].parameters()])
        for name in objective.groups:
            optimizers[name].step()


def adam(family: Family, lr: float = 2e-3) -> dict[str, torch.optim.Optimizer]:
    """One optimizer for each group."""
    return {name: torch.optim.Adam(m.parameters(), lr, betas=(0.5, 0.99)) for name, m in family.trainable().items()}


@pytest.fixture
def batch() -> Batch:
    return pictures()
