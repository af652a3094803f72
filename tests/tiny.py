"""A folder of small colorful files, and the command line of a tiny run on it."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from multiprocessing import forkserver
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
UNJUDGED = ("budget.images=16", "monitor.previews=0", "evaluate=false")


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


@pytest.fixture(scope="session", autouse=True)
def undrawn():
    """The runs of this process draw no curves, which are half of a tiny run's time; those of the command line do."""
    from colorbench.training import train

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "draw_curves", lambda *_: None)
        yield


@pytest.fixture(scope="session")
def trained(photos, tmp_path_factory) -> Path:
    """The folder of a tiny run that is finished and was not judged; to read from."""
    from colorbench.runs.config import compose
    from colorbench.training.train import train

    words = [*TINY, f"data.root={photos}", f"data.cache={tmp_path_factory.getbasetemp() / 'cache'}", *UNJUDGED]
    words.append(f"output={tmp_path_factory.mktemp('trained')}")
    return train(compose(words), model="unetgan", experiment="default", overrides=words).path


@pytest.fixture
def cli(tmp_path, processes) -> Callable[..., subprocess.CompletedProcess]:
    """``colorbench verb words`` in another folder: a fork of what has imported everything, which saves most of a tiny
    run's seconds; with ``path``, the checkout there, in an interpreter of its own."""

    def call(
        *words: str, verb: str = "", cwd: Path = tmp_path, path: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess:
        environment = {**os.environ, "PYTHONPATH": str(path or REPOSITORY), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
        environment |= variables
        typed = [*([verb] if verb else []), *words]
        if path is not None:
            command = [sys.executable, "-m", "colorbench", *typed]
            return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=240)
        return forked(processes, typed, cwd, environment)

    return call


def forked(processes, words: list[str], cwd: Path, environment: dict[str, str]) -> subprocess.CompletedProcess:
    import driver

    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder) / name for name in ("out", "err")]
        child = processes.Process(target=driver.typed, args=(words, str(cwd), environment, *map(str, said)))
        child.start()
        child.join(240)
        if child.is_alive():
            child.kill()
            raise subprocess.TimeoutExpired(words, 240)
        return subprocess.CompletedProcess(words, child.exitcode, *(file.read_text() for file in said))


@pytest.fixture(scope="session")
def processes():
    """A server that has imported everything and started no thread: every run is a fork of it."""
    here = str(Path(__file__).parent)
    if here not in sys.path:
        sys.path.insert(0, here)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["driver"])
    with pytest.MonkeyPatch.context() as patch:  # before 3.12 the server looks for what it imports on its own path only
        patch.setenv("PYTHONPATH", os.pathsep.join([here, str(REPOSITORY)]))
        forkserver.ensure_running()
    return context
