"""Checkpoints: safetensors for weights, a tensors-only file for the rest, written so that kill -9 loses nothing.

    checkpoints/images-000012000/   weights.safetensors   what the optimizers see
                                    ema.safetensors       the averaged weights, which color the pictures
                                    state.pt              optimizers, scaler, clock, best (read with weights_only=True)
                                    averages-only         in place of weights and state, once nothing goes on from it
    checkpoints/last, best          links to one of them, replaced atomically

A checkpoint is written into a temporary folder, flushed, and renamed; only then does the link move, and only then are
older checkpoints deleted. A reader sees an old one or a new one, never half of one. A moment that this process has
saved, or resumed from, is not written again: its state is replaced and the links move. Whoever resumes takes the newest
checkpoint that can be read, and begins with nothing only where there is none.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from colorbench import atomic
from colorbench.errors import UserError

Keep = Literal["state", "weights"]
"""What a finished run keeps: its averaged weights and a state that a larger budget goes on from, or the weights."""
_ASIDE = ".old-"
_THIN = "averages-only"


class Checkpoints:
    """The checkpoints of one run folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.current: Path | None = None  # whose weights this process holds

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
            if target == self.current and _complete(target):
                atomic.write_state(target / "state.pt", state)
                if keep:
                    (target / "keep").touch()
            else:
                self.folder.mkdir(parents=True, exist_ok=True)
                shutil.rmtree(building, ignore_errors=True)
                building.mkdir()
                atomic.write_tensors(building / "weights.safetensors", weights)
                atomic.write_tensors(building / "ema.safetensors", ema)
                atomic.write_state(building / "state.pt", state)
                if keep or (target / "keep").exists():
                    (building / "keep").touch()
                if target.exists():  # damaged, or of a past that was gone back from: found aside until the new one is
                    target.rename(self.folder / f"{_ASIDE}{target.name}.{os.getpid()}")
                atomic.publish(building, target)
                self.current = target
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
        return next((p for p in (path, *self.folder.glob(f"{_ASIDE}{path.name}.*")) if _complete(p)), None)

    def resumable(self, tell: Callable[[str], None]) -> tuple[Path, dict[str, Any]] | None:
        """The newest checkpoint that can be read, ``last`` first, and its state; None where there is none at all.

        tell: what is wrong with those before it. Raises UserError when there are some and none can be read.
        """
        last = self.find()
        others = (p for pattern in ("images-*", f"{_ASIDE}images-*") for p in self.folder.glob(pattern))
        flaws = []
        for path in dict.fromkeys([*([last] if last else []), *sorted(others, key=moment, reverse=True)]):
            try:
                state = self.load_state(path)
                int(state["images"])
                for name in ("weights", "ema"):
                    with safe_open(path / f"{name}.safetensors", "pt"):  # compares its header with the file's length
                        pass
            except Exception as error:  # torch.load raises nearly anything for a damaged file
                flaws.append(f"{path}: cannot be read ({type(error).__name__}: {' '.join(str(error).split())[:100]})")
                continue
            for flaw in flaws:
                tell(flaw)
            if flaws or path != last:
                tell(f"going on from the checkpoint at {state['images']:,} images")
            self.current = path
            return path, state
        if flaws:
            raise UserError(f"{flaws[0]}, nor any other checkpoint; force=true begins this run with nothing")
        return None

    def adopt(self, source: Path, best: Path) -> None:
        """Begin with another run's checkpoint, and with its best one unless that is younger. Raises OSError for a disk
        that takes no more."""
        first = source.resolve()
        other = best.resolve()
        links = [("best", other)] if _complete(other) and moment(other) <= moment(first) else []
        self.folder.mkdir(parents=True, exist_ok=True)
        for link, path in (*links, ("last", first)):
            target = self.folder / path.name
            if not target.exists():
                building = self.folder / f".{path.name}.{os.getpid()}"
                shutil.rmtree(building, ignore_errors=True)
                shutil.copytree(path, building, ignore=shutil.ignore_patterns("keep"))
                atomic.publish(building, target)
            atomic.point(self.folder / link, target.name)

    def thin(self, keep: Keep) -> None:
        """Training is over: leave one state that a larger budget can go on from (of ``last``, and of those kept for
        good), or none; of the other checkpoints the averaged weights stay."""
        last = self.find()
        for path in self.folder.glob("images-*"):
            linked = last is not None and path.name == last.name
            if keep == "state" and (linked or (path / "keep").exists()):
                continue
            (path / _THIN).touch()
            for name in ("weights.safetensors", "state.pt"):
                (path / name).unlink(missing_ok=True)

    def load_state(self, path: Path) -> dict[str, Any]:
        """Optimizers, scaler, clock and best; tensors and plain numbers only."""
        return torch.load(path / "state.pt", map_location="cpu", weights_only=True)

    def tidy(self) -> None:
        """Delete what a killed process left half-written; for the run's owner, before it saves."""
        atomic.clear(self.folder, owned=True)
        for path in self.folder.glob(".*"):
            if path.is_symlink():  # .last.PROCESS, of older versions
                path.unlink()
            elif path.is_dir() and not path.name.startswith(_ASIDE):
                shutil.rmtree(path, ignore_errors=True)

    def _sweep(self) -> None:
        """Delete what no link points at, what is not to be kept, and what a killed process left half-written."""
        self.tidy()
        linked = {p.resolve().name for p in self.folder.iterdir() if p.is_symlink()}
        for path in self.folder.iterdir():
            stale = path.name.startswith(".") or (path.name not in linked and not (path / "keep").exists())
            if path.is_dir() and not path.is_symlink() and stale:
                shutil.rmtree(path, ignore_errors=True)


def _complete(path: Path) -> bool:
    rest = (_THIN,) if (path / _THIN).is_file() else ("state.pt", "weights.safetensors")
    return all((path / name).is_file() for name in (*rest, "ema.safetensors"))


def moment(path: Path) -> int:
    """Of a checkpoint's folder: images seen."""
    digits = path.name.removeprefix(_ASIDE).removeprefix("images-").split(".")[0]
    return int(digits) if digits.isdigit() else -1


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
