"""Checks of an installation, and the smallest training there is, through the same engine as every model.

A convolutional net learns the mean intensity of pictures (CIFAR-10's where ``data=cifar10`` has fetched them, else
computed ones), is stopped half-way, resumed from its checkpoint, and its curve is drawn. A scalar is so easy to learn
that a failure is never the model's: it is the plumbing's.
"""

import importlib
import importlib.util
import os
import platform
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from colorbench import registry
from colorbench.batch import Batch
from colorbench.engine.budget import Budget
from colorbench.engine.engine import Engine, Settings
from colorbench.engine.precision import autocast, choose_device, choose_precision
from colorbench.engine.progress import Progress
from colorbench.errors import UserError
from colorbench.family import Family, Objective
from colorbench.noise import Noise
from colorbench.runs.config import cache_folder, options
from colorbench.runs.curves import draw_curves
from colorbench.runs.record import Journal, read_jsonl
from colorbench.trunks.published import published

Check = Callable[[], str]
SIZE, STEPS, BATCH = 32, 120, 32


class Absent(Exception):
    """Something optional is not there."""


def check_python() -> str:
    """The interpreter and the machine."""
    return f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"


def check_packages() -> str:
    """Versions of what colorbench stands on."""
    found, absent = [], []
    for name in ("torch", "torchvision", "numpy", "hydra", "omegaconf", "safetensors", "matplotlib", "skimage"):
        found.append(f"{name} {importlib.import_module(name).__version__}")
    for name in ("faiss", "lpips", "diffusers", "torchmetrics", "wandb", "tensorboard"):
        if importlib.util.find_spec(name) is None:
            absent.append(name)
    return ", ".join(found) + (f"; optional and absent: {', '.join(absent)}" if absent else "")


def check_device(name: str) -> str:
    """A convolution on the device; UserError when its numbers are not finite."""
    device = choose_device(name)
    x = torch.rand(2, 3, 16, 16, device=device)
    finite = torch.nn.functional.conv2d(x, torch.rand(4, 3, 3, 3, device=device)).isfinite().all()
    if not bool(finite):
        raise UserError(f"device: a convolution on {device} gives numbers that are not finite")
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return f"{device}, {torch.cuda.get_device_name(device)}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
    return f"{device}, {torch.get_num_threads()} threads"


def check_precision(device_name: str, name: str) -> str:
    """The number format that training takes, and how fast it is beside fp32."""
    device = choose_device(device_name)
    chosen = choose_precision(name, device)
    conv = torch.nn.Conv2d(32, 32, 3, padding=1).to(device).to(memory_format=torch.channels_last)
    x = torch.rand(16, 32, 64, 64, device=device).contiguous(memory_format=torch.channels_last)
    rates = {}
    for kind in dict.fromkeys(["fp32", chosen]):
        with autocast(kind, device), torch.no_grad():
            conv(x)
            started = time.perf_counter()
            for _ in range(5):
                result = conv(x)
            rates[kind] = 80 / (time.perf_counter() - started + float(result.sum().isnan()))
    speed = ", ".join(f"{kind} {rate:,.0f} pictures/s" for kind, rate in rates.items())
    return f"{chosen} (one convolution of 32 channels at 64 px: {speed})"


def check_models() -> str:
    """How many models and components the registry finds."""
    kinds = {kind: len(registry.names(kind)) for kind in ("family", "network", "distance", "sampler")}
    counts = ", ".join(f"{n} {kind} components" for kind, n in kinds.items())
    return f"{len(options('model'))} models, {counts}"


def check_weights() -> str:
    """Which published weights are at hand, whole; Absent when one is not, with what stays n/a and what to type."""
    known = published()
    here = [name for name, one in known.items() if not one.flaw]
    absent = [
        f"{name} ({one.serves}{'' if one.flaw == 'absent' else f'; {one.flaw}'})"
        for name, one in known.items()
        if one.flaw
    ]
    folder = known["inception"].file.parent
    said = f"{', '.join(here) or 'none'} in {folder}"
    if absent:
        raise Absent(f"{said}; absent: {', '.join(absent)}; colorbench fetch-weights NAME, or all")
    return said


def check_cache() -> str:
    """The folder of prepared data can be written."""
    folder = Path(cache_folder()).expanduser()
    return f"{folder} is writable, {_writable(folder) / 2**30:.1f} GiB free"


def check_disk() -> str:
    """The folder of runs can be written, and how much room it has."""
    folder = Path("outputs")
    return f"{folder.resolve()} is writable, {_writable(folder) / 2**30:.1f} GiB free"


def _writable(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.write(b"colorbench")
            file.flush()
        return shutil.disk_usage(folder).free
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror}); set COLORBENCH_CACHE or output=") from error


def check_wandb() -> str:
    """Weights & Biases can be reached; Absent when not."""
    if importlib.util.find_spec("wandb") is None:
        raise Absent("not installed: pip install wandb, then logger=wandb")
    host = "api.wandb.ai"
    try:
        socket.create_connection((host, 443), timeout=3).close()
    except OSError:
        raise Absent(f"{host} cannot be reached; logger=wandb writes offline, `wandb sync` sends it later") from None
    key = os.environ.get("WANDB_API_KEY") or (Path.home() / ".netrc").is_file()
    return f"{host} can be reached" + ("" if key else "; no key yet (`wandb login`): logger=wandb writes offline")


def check_training(device_name: str, precision: str) -> str:
    """Train half, stop, resume, train the rest; the error must have fallen tenfold, and the curve must be on disk."""
    device = choose_device(device_name)
    chosen = choose_precision(precision, device)
    pictures = cifar10(Path(cache_folder()).expanduser() / "downloads")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        first, _ = _fit(folder, device, chosen, STEPS // 2, pictures)
        last, resumed = _fit(folder, device, chosen, STEPS, pictures)
        curves = folder / "curves.png"
        if resumed != STEPS // 2 * BATCH:
            raise UserError(f"the run should have resumed at {STEPS // 2 * BATCH} images, not at {resumed}")
        if not last < 0.01:
            raise UserError(f"the net did not learn a mean intensity: a mean square of {last:.4f} is left of 0.08")
        if not curves.is_file() or curves.stat().st_size < 1000:
            raise UserError("the curves were not drawn")
    where = "computed pictures" if pictures is None else "CIFAR-10"
    learned = f"mean intensity learned on {where}: error {first:.4f} half-way, saved, resumed, {last:.4f} at the end"
    return f"{learned}; curve drawn"


def cifar10(folder: Path) -> Tensor | None:
    """uint8 [50000 3 32 32]: the training pictures of CIFAR-10 below ``folder``; None where they are not at hand."""
    from torchvision.datasets import CIFAR10

    try:
        pictures = CIFAR10(str(folder), train=True, download=False).data
    except RuntimeError:  # not there, or not whole
        return None
    return torch.from_numpy(pictures).permute(0, 3, 1, 2)


def _fit(folder: Path, device: torch.device, precision: str, steps: int, pictures: Tensor | None) -> tuple[float, int]:
    """Up to ``steps``; the last error, and the image at which this session began."""
    torch.manual_seed(0)
    errors: dict[str, float] = {}

    class Watch:
        best = "val/error"
        gray: Mapping[str, float] = {}  # nothing is colored

        def __call__(self, family: Any, images: int, progress: float) -> Mapping[str, float]:
            batch = _pictures(10**6, device, pictures)
            errors["last"] = float((family.measure(batch.L).float() - batch.L.mean(dim=(1, 2, 3))).square().mean())
            return {"val/error": errors["last"]}

    optim = {
        "optimizer": "adam",
        "lr": 3e-3,
        "betas": [0.9, 0.999],
        "eps": 1e-8,
        "weight_decay": 0.0,
        "clip": None,
        "groups": {},
        "decay": {"decay": "constant", "warmup": 0.0},
        "ema": 0.0,
    }
    engine = Engine(
        family=_regressor().to(device),
        batches=lambda start: _stream(start, device, pictures),
        optim=optim,
        phases={"phases": []},
        budget=Budget(images=steps * BATCH, seconds=None),
        batch_size=BATCH,
        seed=0,
        device=device,
        precision=precision,
        settings=Settings(
            accumulate=1,
            channels_last=True,
            log_every=BATCH * 5,
            validate_every="50%",
            keep_every=None,
            checkpoint_seconds=60,
            patience=None,
            max_bad_steps=3,
        ),
        folder=folder,
        record=Journal(folder),
        monitor=Watch(),
        progress=Progress("doctor", quiet=True),
    )
    engine.resume()
    start = engine.clock.images
    engine.fit()
    draw_curves(read_jsonl(folder / "metrics.jsonl"), folder / "curves.png", "doctor")
    return errors["last"], start


def _regressor() -> Any:
    """The family: L -> its mean, by squares."""

    class MeanIntensity(Family):
        def __init__(self) -> None:
            super().__init__()
            self.weights = {"error": 1.0}
            self.measure = nn.Sequential(
                nn.Conv2d(1, 8, 5, 4), nn.ReLU(), nn.Conv2d(8, 1, 3, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(0)
            )

        def trainable(self) -> Mapping[str, nn.Module]:
            return {"measure": self.measure}

        def objectives(self, batch: Any, noise: Any, weights: Any) -> Iterator[Objective]:
            error = self.measure(batch.L).float() - batch.L.mean(dim=(1, 2, 3))
            yield Objective(weights["error"] * error.square(), "measure")

        def colorize(self, L: Any, noise: Any) -> Any:
            return L.new_zeros(len(L), 2, *L.shape[-2:])

    return MeanIntensity()


def _stream(start: int, device: torch.device, pictures: Tensor | None) -> Iterator[Batch]:
    while True:
        yield _pictures(start, device, pictures)
        start += BATCH


def _pictures(start: int, device: torch.device, pictures: Tensor | None) -> Batch:
    """Pictures of CIFAR-10, else gray ones of any brightness with some grain."""
    ids = torch.arange(start, start + BATCH, device=device)
    if pictures is not None:
        return Batch.of_bytes(pictures[ids.cpu() % len(pictures)].to(device), ids)
    noise = Noise.of(0, ids)
    L = (0.5 * noise.uniform("grain", 1, SIZE, SIZE) + noise.uniform("level", 1, 1, 1) - 0.75).clamp(-1.0, 1.0)
    return Batch(L, torch.zeros(BATCH, 2, SIZE, SIZE, device=device), ids, torch.zeros_like(ids))
