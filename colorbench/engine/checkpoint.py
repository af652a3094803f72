"""Checkpoints: safetensors for weights, a tensors-only file for the rest, written so that kill -9 loses nothing.

    checkpoints/images-000012000/   weights.safetensors   what the optimizers see
                                    ema.safetensors       the averaged weights, which color the pictures
                                    state.pt              optimizers, scaler, clock, best (read with weights_only=True)
    checkpoints/last, best          links to one of them, replaced atomically

A checkpoint is written into a temporary folder, flushed, and renamed; only then does the link move, and only then are
older checkpoints deleted. A reader sees an old one or a new one, never half of one.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from colorbench import atomic
from colorbench.errors import UserError


class Checkpoints:
    """The checkpoints of one run folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    def save(
        self,
        images: int,
        weights: Mapping[str, Tensor],
        ema: Mapping[str, Tensor],
        state: Mapping[str, Any],
        links: tuple[str, ...] = ("last",),
        keep: bool = False,
    ) -> Path:
        """Write one checkpoint and point ``links`` at it. ``keep``: never delete it when it is no longer linked."""
        target = self.folder / f"images-{images:09d}"
        building = self.folder / f".{target.name}.{os.getpid()}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(building, ignore_errors=True)
            building.mkdir()
            atomic.write_tensors(building / "weights.safetensors", weights)
            atomic.write_tensors(building / "ema.safetensors", ema)
            atomic.write_state(building / "state.pt", state)
            if keep:
                (building / "keep").touch()
            if target.exists():  # the same moment twice (a resumed run): the old one goes aside first
                if (target / "keep").exists():
                    (building / "keep").touch()
                aside = self.folder / f".old-{target.name}.{os.getpid()}"
                target.rename(aside)
                atomic.publish(building, target)
                shutil.rmtree(aside)
            else:
                atomic.publish(building, target)
            for link in links:
                atomic.point(self.folder / link, target.name)
        except OSError as error:
            shutil.rmtree(building, ignore_errors=True)
            then = "run again: it goes on from the checkpoint before, which is intact"
            raise atomic.one_line(error, self.folder, then) from error
        self._sweep()
        return target

    def find(self, which: str = "last") -> Path | None:
        """The folder that a link (``last``, ``best``) or a name (``images-000012000``) points at, if it is complete."""
        path = (self.folder / which).resolve()
        return path if (path / "state.pt").exists() else None

    def load_state(self, path: Path) -> dict[str, Any]:
        """Optimizers, scaler, clock and best; tensors and plain numbers only."""
        return torch.load(path / "state.pt", map_location="cpu", weights_only=True)

    def _sweep(self) -> None:
        """Delete what no link points at, what is not to be kept, and what a killed process left half-written."""
        linked = {p.resolve().name for p in self.folder.iterdir() if p.is_symlink()}
        for path in self.folder.iterdir():
            stale = path.name.startswith(".") or (path.name not in linked and not (path / "keep").exists())
            if path.is_dir() and not path.is_symlink() and stale:
                shutil.rmtree(path, ignore_errors=True)
        atomic.clear(self.folder)


def load_weights(file: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file; a damaged one is a UserError."""
    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{file}: not a readable checkpoint ({error}); delete it or choose another") from error


def load_into(module: torch.nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    """Strictly: every name and shape must fit, else a UserError that names the first that does not."""
    try:
        module.load_state_dict(dict(weights), strict=True)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:] if line.strip()]
        raise UserError(
            f"{source}: a checkpoint of another model ({lines[0][:200] if lines else error}); "
            "use the model and options that it was trained with"
        ) from error
