"""Where a number came from: versions, git state, hardware and command line, for env.json."""

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

PACKAGES = (
    "colorbench",
    "torch",
    "torchvision",
    "numpy",
    "pillow",
    "hydra-core",
    "omegaconf",
    "torchmetrics",
    "lpips",
    "scikit-image",
    "diffusers",
    "safetensors",
    "faiss-cpu",
    "wandb",
)


def describe(device: torch.device, precision: str) -> dict[str, Any]:
    """A JSON-ready record; nothing secret (the environment's variables are not recorded)."""
    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "python": platform.python_version(),
        "packages": {name: v for name in PACKAGES if (v := _version(name))},
        "git": _git(),
        "machine": {
            "system": platform.platform(),
            "processor": _processor(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
        },
        "device": str(device),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "precision": precision,
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def _git() -> dict[str, Any] | None:
    here = Path(__file__).resolve().parents[1]

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=here, capture_output=True, text=True, timeout=10, check=True).stdout

    try:
        return {"commit": git("rev-parse", "HEAD").strip(), "dirty": git("diff", "HEAD", "--", ".")[:200_000]}
    except (OSError, subprocess.SubprocessError):
        return None
