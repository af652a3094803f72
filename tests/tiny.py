"""A folder of small colorful files, and the command line of a tiny run on it."""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[1]
TINY = [
    "model=unetgan",
    "model.generator.width=8",
    "model.generator.max_width=8",
    "model.generator.levels=2",
    "model.discriminator.width=8",
    "model.discriminator.layers=1",
    "data=folder",
    "data.size=16",
    "data.workers=0",
    "batch_size=8",
    "budget.images=96",
    "monitor.images=8",
    "monitor.previews=2",
    "device=cpu",
    "precision=fp32",
    "protocol.draws=2",
    "protocol.limit=8",
]


@pytest.fixture(scope="session")
def photos(tmp_path_factory) -> Path:
    """60 pictures; smooth, colorful, each its own."""
    root = tmp_path_factory.mktemp("photos")
    for i in range(60):
        small = np.random.default_rng(i).integers(0, 256, (4, 5, 3), dtype=np.uint8)
        Image.fromarray(small).resize((24, 20), Image.Resampling.BICUBIC).save(root / f"{i:02d}.png")
    return root


@pytest.fixture
def overrides(photos, tmp_path, tmp_path_factory) -> Callable[..., list[str]]:
    """The tiny run, with changes."""
    cache = tmp_path_factory.getbasetemp() / "cache"

    def make(*changes: str) -> list[str]:
        return [*TINY, f"data.root={photos}", f"data.cache={cache}", f"output={tmp_path / 'outputs'}", *changes]

    return make


@pytest.fixture
def cli(tmp_path) -> Callable[..., subprocess.CompletedProcess]:
    """python -m colorbench in another folder."""

    def call(
        *words: str, verb: str = "", cwd: Path = tmp_path, path: Path = REPOSITORY, **variables: str
    ) -> subprocess.CompletedProcess:
        environment = {**os.environ, "PYTHONPATH": str(path), "OMP_NUM_THREADS": "1", "COLUMNS": "200", **variables}
        command = [sys.executable, "-m", "colorbench", *([verb] if verb else []), *words]
        return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=240)

    return call


@pytest.fixture(scope="session")
def processes():
    """A server that has imported everything and started no thread: every run is a fork of it."""
    if str(Path(__file__).parent) not in sys.path:
        sys.path.insert(0, str(Path(__file__).parent))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["driver"])
    return context
