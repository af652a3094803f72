"""A small world for evaluation: pictures in memory, a suite without trained weights, toy colorizers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from colorbench import color
from colorbench.batch import Batch
from colorbench.evaluation.judge import evaluate_colorizer
from colorbench.evaluation.protocol import Plan, plan
from colorbench.evaluation.rows import Evaluation
from colorbench.metrics.suite import Suite
from colorbench.noise import stable_id

METRICS = {
    "psnr": {"metric": "psnr"},
    "ssim": {"metric": "ssim"},
    "ciede2000": {"metric": "ciede2000"},
    "ms_ssim": {"metric": "ms_ssim"},
    "colorfulness": {"metric": "colorfulness"},
    "colorfulness_true": {"metric": "colorfulness", "of": "true"},
    "chroma_ratio": {"metric": "chroma_ratio"},
    "drift_a": {"metric": "drift", "axis": "a"},
    "drift_b": {"metric": "drift", "axis": "b"},
    "out_of_gamut": {"metric": "out_of_gamut"},
}
PROTOCOL = {
    "name": "test",
    "split": "test",
    "limit": None,
    "draws": 4,
    "seed": 0,
    "expect": {},
    "gallery": 6,
    "matters": {"psnr": 0.01, "ciede2000": 0.01, "energy": 0.01},
}


@dataclass(frozen=True)
class Memory:
    """What colorbench.data.dataset.Pictures promises, in memory."""

    names: list[str]
    pixels: torch.Tensor

    @property
    def ids(self) -> torch.Tensor:
        return torch.tensor([stable_id(name) for name in self.names])

    @property
    def size(self) -> int:
        return self.pixels.shape[-1]

    def __len__(self) -> int:
        return len(self.names)

    def take(self, n: int) -> "Memory":
        return Memory(self.names[:n], self.pixels[:n])

    def batches(self, batch_size: int, device: torch.device) -> Iterator[Batch]:
        for i in range(0, len(self), batch_size):
            yield Batch.of_bytes(self.pixels[i : i + batch_size].to(device), self.ids[i : i + batch_size].to(device))


@dataclass(frozen=True)
class Data:
    train: Memory
    test: Memory
    fingerprint: str = "0123456789abcdef"


def pictures(n: int, size: int, seed: int) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, 3, 4, 4, generator=g)
    return color.to_bytes(torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic", align_corners=False))


@pytest.fixture(scope="session")
def data() -> Data:
    names = [f"street/{i:02d}.jpg" for i in range(24)]
    return Data(Memory([f"t{i}" for i in range(16)], pictures(16, 32, 1)), Memory(names, pictures(24, 32, 2)))


@pytest.fixture(scope="session")
def make_plan(data: Data) -> Callable[..., Plan]:
    def make(metrics: dict[str, Any] = METRICS, **changes: Any) -> Plan:
        return plan({**PROTOCOL, **changes}, data, Suite.of(metrics))

    return make


@pytest.fixture(scope="session")
def cpu() -> torch.device:
    return torch.device("cpu")


@pytest.fixture(scope="session")
def judge(make_plan: Callable[..., Plan], cpu: torch.device) -> Callable[..., Evaluation]:
    """Judge 'the truth times a factor plus noise' under a name, into output/<study>/<name>-<seed>/eval/<id>."""

    def make(
        output: Path,
        name: str,
        factor: float,
        *,
        spread: float = 0.0,
        seed: int = 0,
        draws: int = 1,
        plan: Plan | None = None,
        **record: Any,
    ) -> Evaluation:
        made = plan or make_plan()

        def colorize(batch: Batch, noise: Any) -> torch.Tensor:
            g = torch.Generator().manual_seed(seed)
            wobble = spread * noise.normal("wobble", 2, 1, 1) + 0.01 * torch.randn(2, 1, 1, generator=g)
            return (factor * batch.ab + wobble).clamp(-1, 1)

        folder = output / "default" / f"{name}-{seed}" / "eval" / made.protocol.id
        facts = {"name": name, "group": name, "seed": seed, "parameters": 1000, "images_seen": 5000, "seconds": 9.0}
        return evaluate_colorizer(colorize, made, folder=folder, record={**facts, **record}, device=cpu, draws=draws)

    return make
