"""Small families with known answers, and batches without a data set."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from colorbench.batch import Batch
from colorbench.engine.budget import Budget
from colorbench.engine.engine import Engine, Settings
from colorbench.engine.progress import Progress
from colorbench.family import Family, Objective
from colorbench.noise import Noise

SETTINGS = Settings(
    accumulate=1,
    channels_last=False,
    log_every="50%",
    validate_every="50%",
    keep_every=None,
    checkpoint_seconds=1e9,
    patience=None,
    max_bad_steps=3,
)
SGD = {
    "optimizer": "sgd",
    "momentum": 0.0,
    "nesterov": False,
    "lr": 0.1,
    "weight_decay": 0.0,
    "clip": None,
    "groups": {},
    "decay": {"decay": "constant", "warmup": 0.0},
    "ema": 0.0,
}


class Line(Family):
    """ab = w L + b, fitted by squares; the weight ``noise`` adds the image's own noise to the target."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Conv2d(1, 2, 1)
        self.weights = {"distance": 1.0, "noise": 0.0}

    def trainable(self):
        return {"net": self.net}

    def objectives(self, batch: Batch, noise: Noise, weights) -> Iterator[Objective]:
        target = batch.ab + weights["noise"] * noise.normal("target", 2, 1, 1)
        yield Objective(weights["distance"] * (self.net(batch.L) - target).square().mean(dim=(1, 2, 3)), "net")

    def colorize(self, L, noise):
        return self.net(L).clamp(-1, 1)


class Duel(Family):
    """Two groups; the second objective reads the first group's updated weights."""

    def __init__(self) -> None:
        super().__init__()
        self.generator, self.discriminator = nn.Conv2d(1, 2, 1), nn.Conv2d(3, 1, 1)
        self.weights = {"distance": 10.0, "adversarial": 1.0}
        self.seen: list[torch.Tensor] = []

    def trainable(self):
        return {"generator": self.generator, "discriminator": self.discriminator}

    def objectives(self, batch: Batch, noise: Noise, weights) -> Iterator[Objective]:
        fake = self.generator(batch.L)
        real_score = self.discriminator(torch.cat([batch.L, batch.ab], 1))
        fake_score = self.discriminator(torch.cat([batch.L, fake.detach()], 1))
        yield Objective((fake_score - real_score).mean(dim=(1, 2, 3)), "discriminator")
        self.seen.append(self.discriminator.weight.detach().clone())
        loss = weights["distance"] * (fake - batch.ab).square().mean(dim=(1, 2, 3))
        if weights["adversarial"]:
            loss = loss - weights["adversarial"] * self.discriminator(torch.cat([batch.L, fake], 1)).mean(dim=(1, 2, 3))
        yield Objective(loss, "generator")

    def colorize(self, L, noise):
        return self.generator(L).clamp(-1, 1)


class Memory:
    """A record and a monitor that remember; ``best`` falls or rises as told."""

    best = "val/score"

    def __init__(self, scores=()) -> None:
        self.rows: list[tuple[int, dict]] = []
        self.scores = list(scores)
        self.calls = 0
        self.gray = {"val/score": 2.0}

    def log(self, images, values):
        self.rows.append((images, dict(values)))

    def __call__(self, family, images, progress):
        self.calls += 1
        return {"val/score": self.scores.pop(0) if self.scores else 1.0 / self.calls}


def batches(size: int = 8, n: int = 40):
    """start -> endless batches of n pictures whose color is a linear function of L."""
    generator = torch.Generator().manual_seed(0)
    L = torch.rand(n, 1, 4, 4, generator=generator) * 2 - 1
    ab = torch.cat([0.5 * L + 0.1, -0.3 * L], 1)

    def stream(start: int) -> Iterator[Batch]:
        while True:
            i = torch.arange(start, start + size) % n
            yield Batch(L[i], ab[i], i, torch.arange(start, start + size) // n)
            start += size

    return stream


def engine(family: Family, folder: Path, **changes: Any) -> Engine:
    memory = changes.pop("memory", Memory())
    if "phases" in changes:
        changes["phases"] = {"phases": changes["phases"]}
    arguments: dict[str, Any] = {
        "family": family,
        "batches": batches(),
        "optim": SGD,
        "phases": {"phases": []},
        "budget": Budget(images=80, seconds=None),
        "settings": SETTINGS,
        "batch_size": 8,
        "seed": 0,
        "device": torch.device("cpu"),
        "precision": "fp32",
        "folder": folder,
        "record": memory,
        "monitor": memory,
        "progress": Progress("toy", quiet=True),
    }
    return Engine(**{**arguments, **changes})


def weights(family: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().reshape(-1) for p in family.parameters()])
