"""A run on disk: what was asked, how it went, and the model it made.

A run folder may come from anybody. Opening one imports nothing that it names: its configuration chooses among
registered names, and a run made with plugins wants them named by whoever opens it.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch
import yaml

from colorbench.data.dataset import DataSet, open_data
from colorbench.engine.checkpoint import Checkpoints, load_into, load_weights
from colorbench.errors import UserError
from colorbench.family import Family
from colorbench.registry import build, demand_plugins
from colorbench.runs.config import say_unsaid
from colorbench.runs.folder import RunFolder
from colorbench.trunks.weights import checkpoint_follows

_KINDS: dict[str, type] = {
    **dict.fromkeys(("data", "model", "engine", "budget", "metrics", "protocol", "run"), dict),
    "plugins": list,
    "seed": int,
}
_PARTS = (("engine", "patience"), ("data", "size"), ("data", "source"))


class _Config(dict[str, Any]):
    """A run's configuration; whoever asks for what a damaged one lacks is told so."""

    def __init__(self, file: Path, tree: Mapping[str, Any]):
        super().__init__(tree)
        self.file = file
        wrong = next((key for key, kind in _KINDS.items() if key in self and not isinstance(self[key], kind)), None)
        lost = next((f"{key}.{part}" for key, part in _PARTS if key in self and part not in self[key]), None)
        if wrong or lost:
            self.__missing__(wrong or lost)

    def __missing__(self, key: object) -> NoReturn:
        raise UserError(f"{self.file}: damaged (what of {key}?); the same command as before writes it anew")


@dataclass(frozen=True)
class Run:
    """A run folder, opened for reading."""

    path: Path
    config: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The model's name: what a row of a table is called."""
        return self.config["run"]["model"]

    @property
    def status(self) -> dict[str, Any]:
        """state, images_seen, seconds, parameters, peak_memory_mb ..."""
        return RunFolder(self.path).status

    @property
    def result(self) -> str:
        """The checkpoint that the run stands by: ``best`` if it stops early (engine.patience), else ``last``."""
        return "last" if self.config["engine"]["patience"] is None else "best"

    def checkpoint(self, which: str | None = None) -> Path:
        """The folder of ``last``, ``best`` or a kept checkpoint; None: :attr:`result`. UserError if it is not there."""
        found = Checkpoints(self.path / "checkpoints").find(which or self.result)
        if found is None:
            raise UserError(f"{self.path}: no checkpoint {which or self.result!r}; has the run trained?")
        return found

    def family(self, device: torch.device, checkpoint: str | None = None) -> Family:
        """The model with its averaged weights, in eval mode. Raises UserError when there is no such checkpoint."""
        found = self.checkpoint(checkpoint)
        demand_plugins(self.config["plugins"], str(self.path))
        with checkpoint_follows():  # pretrained files need not be there: their weights are in the checkpoint
            family = build("family", self.config["model"], "model")
        load_into(family, load_weights(found / "ema.safetensors"), str(found))
        return family.to(device).eval()

    def data(self) -> DataSet:
        """The pictures that it learned from."""
        demand_plugins(self.config["plugins"], str(self.path))
        return open_data(self.config["data"])


def open_run(path: str | Path) -> Run:
    """Open a run folder; UserError when it is none."""
    path = Path(path)
    file = path / "config.yaml"
    if not file.is_file():
        raise UserError(f"{path}: not a run folder (no config.yaml); runs are in <output>/<study>/<model>-...-<hash>")
    return Run(path, _Config(file, say_unsaid(read_config(file))))


def read_config(file: Path) -> dict[str, Any]:
    """A run's config.yaml; UserError for a damaged one."""
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
        named = isinstance(config["model"], dict) and isinstance(name := config["run"]["model"], str) and bool(name)
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError, RecursionError) as error:
        why = " ".join(str(error).split())[:100]
        raise UserError(f"{file}: not the configuration of a run, or damaged ({why})") from error
    if not named:
        raise UserError(f"{file}: not the configuration of a run")
    return config


def find_runs(roots: list[str | Path]) -> list[Run]:
    """All runs below some folders, sorted by path."""
    files = {f for root in roots for f in Path(root).rglob("config.yaml") if (f.parent / "status.json").exists()}
    runs = []
    for file in sorted(files):
        try:
            runs.append(open_run(file.parent))
        except UserError as error:  # one damaged run does not hide the others
            print(f"left out: {error}", file=sys.stderr)
    return runs
