"""What the engine costs: training through it, beside a loop written by hand of the same network on the same batches.

``make bench-engine``, or ``python benchmarks/engine.py [--models unet,unetgan] [--batch 32,4] [--size 64]``. Both train
in one run, a block of steps of one and then a block of the other, from the same weights:

    by hand    for objective in objectives(batch): zero_grad, mean loss, backward, fused Adam's step; nothing else
    engine     ``Engine.fit``: rates, the gradients' check, averaged weights, sums for the log, clock, progress

The ratio is of the medians (above 1: the engine is slower). Operations of forward and backward pass are counted by
torch (multiply-adds count twice), the matrix peak is measured with one large product in the same precision, and the
last column is the share of that peak which training reaches.
"""

import argparse
import copy
import csv
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from colorbench import registry
from colorbench.batch import Batch
from colorbench.engine.budget import Budget
from colorbench.engine.engine import Engine, Settings
from colorbench.engine.precision import autocast, choose_device, choose_precision
from colorbench.engine.progress import Progress
from colorbench.family import Family, Weights
from colorbench.noise import Noise
from colorbench.runs.config import compose

COLUMNS = (
    "model",
    "batch",
    "engine images/s",
    "by hand images/s",
    "time ratio",
    "GFLOP/image",
    "share of matrix peak",
)

SILENCE = {"log_every": 10**9, "validate_every": 10**9, "checkpoint_seconds": 10**6}
"""Of the engine's settings: no log, no validation, no saving while it is measured."""


class Silent:
    """A record, and a monitor that looks at nothing."""

    best = "val/none"
    gray: Mapping[str, float] = MappingProxyType({})

    def log(self, images: int, values: Any) -> None:
        """Nothing."""

    def __call__(self, family: Family, images: int, progress: float) -> dict[str, float]:
        return {"val/none": 0.0}


def pictures(count: int, size: int, device: torch.device) -> list[Batch]:
    """Four batches of noise."""
    batches = []
    for i in range(4):
        ids = torch.arange(i * count, (i + 1) * count, device=device)
        noise = Noise.of(0, ids)
        L, ab = (2.0 * noise.uniform(name, c, size, size) - 1.0 for name, c in (("L", 1), ("ab", 2)))
        batches.append(Batch(L, ab, ids, torch.zeros_like(ids)))
    return batches


class ByHand:
    """The bare loop."""

    def __init__(self, family: Family, optim: dict[str, Any], precision: str, device: torch.device) -> None:
        self.family, self.precision, self.device = family.train(), precision, device
        self.groups = {name: list(module.parameters()) for name, module in family.trainable().items()}
        self.optimizers = {
            name: torch.optim.Adam(p, lr=optim["lr"], betas=tuple(optim.get("betas", (0.9, 0.999))), fused=True)
            for name, p in self.groups.items()
        }

    def step(self, batch: Batch) -> None:
        objectives = self.family.objectives(batch, Noise.of(0, batch.ids, batch.visits), Weights(self.family.weights))
        while True:
            with autocast(self.precision, self.device):
                objective = next(objectives, None)
            if objective is None:
                return
            for name in objective.groups:
                self.optimizers[name].zero_grad(set_to_none=True)
            objective.loss.mean().backward(inputs=[p for name in objective.groups for p in self.groups[name]])
            for name in objective.groups:
                self.optimizers[name].step()


def compare(
    model: str, count: int, size: int, device: torch.device, precision: str, seconds: float, words: list[str]
) -> dict[str, Any]:
    """One row of the table."""
    config = compose([f"model={model}", f"data.size={size}", *words])
    torch.manual_seed(0)
    family = registry.build("family", config["model"], "model").to(device)
    batches = pictures(count, size, device)
    with torch.no_grad():
        family.prepare(batches)
    hand = ByHand(copy.deepcopy(family), config["optim"], precision, device)
    counter = FlopCounterMode(display=False)
    with counter:
        hand.step(batches[0])
    ours, theirs = race(family, hand.step, batches, config, device, precision, seconds)
    return {
        "model": model,
        "batch": count,
        "engine images/s": count / ours,
        "by hand images/s": count / theirs,
        "time ratio": ours / theirs,
        "GFLOP/image": counter.get_total_flops() / count / 1e9,
        "share of matrix peak": counter.get_total_flops() / ours / peak(device, precision),
    }


def race(
    family: Family,
    step: Callable[[Batch], None],
    batches: Sequence[Batch],
    config: Mapping[str, Any],
    device: torch.device,
    precision: str,
    seconds: float,
    *,
    channels_last: bool = False,
    rounds: int = 6,
) -> tuple[float, float]:
    """(Processor) seconds of a step of ``Engine.fit`` and of a ``step`` by hand, in turn, for so many seconds and
    rounds; medians."""
    block = 1 if device.type == "cpu" else 10
    times: dict[str, list[float]] = {"engine": [], "hand": []}

    def stream(start: int) -> Iterator[Batch]:
        ends = time.perf_counter() + seconds
        i = 0
        while True:
            asked = now(device)
            for k in range(block):
                step(batches[(i + k) % 4])
            times["hand"].append((now(device) - asked) / block)
            begun = now(device)
            for k in range(block):
                yield batches[(i + k) % 4]
            times["engine"].append((now(device) - begun) / block)
            i += block
            if time.perf_counter() > ends and len(times["hand"]) > rounds:
                raise Enough

    settings = {**config["engine"], **SILENCE, "channels_last": channels_last}
    with tempfile.TemporaryDirectory() as scratch:
        engine = Engine(
            family=family,
            batches=stream,
            optim=config["optim"],
            phases={"phases": []},
            budget=Budget(images=10**9, seconds=None),
            settings=Settings(**settings),
            batch_size=len(batches[0]),
            seed=0,
            device=device,
            precision=precision,
            folder=Path(scratch),
            record=Silent(),
            monitor=Silent(),
            progress=Progress("", quiet=True),
        )
        with suppress(Enough):
            engine.fit()
    skipped = min(2, rounds // 2)
    ours, theirs = (statistics.median(times[name][skipped:]) for name in ("engine", "hand"))
    return ours, theirs


class Enough(Exception):
    """The time is over."""


def now(device: torch.device) -> float:
    """Seconds, when the device has done what it was asked."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() if device.type == "cuda" else time.process_time()


_PEAKS: dict[tuple[str, str], float] = {}


def peak(device: torch.device, precision: str) -> float:
    """Operations per second of one large product of matrices, the best of five."""
    key = (device.type, precision)
    if key not in _PEAKS:
        n = 8192 if device.type == "cuda" else 1024
        dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.float32)
        a, b = (torch.rand(n, n, device=device).to(dtype) for _ in range(2))
        best = float("inf")
        for _ in range(6):
            started = now(device)
            a @ b
            best = min(best, now(device) - started)
        _PEAKS[key] = 2 * n**3 / best
    return _PEAKS[key]


def show(value: Any) -> str:
    """A cell."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def hardware(device: torch.device) -> str:
    """What it ran on."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() and device.type == "cpu" else []
    name = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), name)
    return f"{name}, {torch.get_num_threads()} threads, torch {torch.__version__}, load {os.getloadavg()[0]:.1f}"


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="unet,unetgan,ddpm,vae,pix2pix")
    parser.add_argument("--batch", default="32,4")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=15.0, help="of each row")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--csv", type=Path, help="write the table there too, as rows come")
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE", help="of the configuration, for every model")
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    precision = choose_precision(arguments.precision, device)
    print(f"{hardware(device)}, {precision}, {arguments.size} px\n`{' '.join(['python', *sys.argv])}`\n")
    print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|")
    rows = []
    for model in arguments.models.split(","):
        for count in map(int, arguments.batch.split(",")):
            row = compare(model, count, arguments.size, device, precision, arguments.seconds, arguments.words)
            rows.append(row)
            print("| " + " | ".join(show(row[c]) for c in COLUMNS) + " |", flush=True)
            if arguments.csv:
                with open(arguments.csv, "w", newline="") as file:
                    writer = csv.DictWriter(file, COLUMNS)
                    writer.writeheader()
                    writer.writerows(rows)


if __name__ == "__main__":
    main()
