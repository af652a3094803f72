"""What a model costs: parameters, and the arithmetic of training and of one coloring, counted on 64 px.

Counting takes a minute for all models, so what was counted is kept in ``build/`` as long as model and code are the
same.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

import colorbench
from colorbench.batch import Batch
from colorbench.data.dataset import open_data
from colorbench.family import Family
from colorbench.inference.anatomy import anatomy
from colorbench.registry import build
from colorbench.runs.config import compose
from colorbench.training.flops import training_flops
from colorbench.trunks.weights import everything_follows

SIZE = 64
KEPT = Path(__file__).resolve().parents[2] / "build" / "docs-cost.json"
ROOMS = ("families", "losses", "networks", "retrieval", "sampling", "trunks")
UNTOLD = ("oracle",)
"""Looks its answer up: there is no arithmetic to count."""


@dataclass(frozen=True)
class Cost:
    """trained, parameters: numbers. training: operations for one picture seen. coloring: for one draw, in ``passes``
    of the network; None where nothing is counted."""

    trained: int
    parameters: int
    training: float
    coloring: float | None
    passes: int
    stochastic: bool


def of(name: str) -> Cost:
    """The cost of model=NAME as its yaml has it."""
    model = compose([f"model={name}"])["model"]
    key = hashlib.sha256(json.dumps([model, _code()], sort_keys=True).encode()).hexdigest()[:16]
    kept: dict[str, Any] = json.loads(KEPT.read_text()) if KEPT.is_file() else {}
    if key not in kept:
        kept[key] = asdict(_count(name, model))
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps(kept))
    return Cost(**kept[key])


def _count(name: str, model: Any) -> Cost:
    with everything_follows():  # shapes need no trained weights
        family: Family = build("family", model, "model")
    trained = {id(p): p.numel() for part in family.trainable().values() for p in part.parameters() if p.requires_grad}
    if name not in UNTOLD:
        family.prepare([_pictures()])
    return Cost(
        trained=sum(trained.values()),
        parameters=sum(p.numel() for p in family.parameters()),
        training=training_flops(family, SIZE, torch.device("cpu")),
        coloring=None if name in UNTOLD else float(anatomy(family, SIZE).operations),
        passes=family.evaluations(SIZE, SIZE),
        stochastic=family.stochastic,
    )


@cache
def _pictures() -> Batch:
    """A few scenes, for what a model remembers of its training split; numbered as the counter numbers its pictures."""
    words = [f"data.size={SIZE}", f"data.cache={KEPT.parent / 'docs-scenes'}"]
    words += [f"data.source.{split}=64" for split in ("train", "val", "test")]
    pixels = open_data(compose(words)["data"]).train.pixels
    return Batch.of_bytes(pixels, torch.arange(len(pixels)))


@cache
def _code() -> str:
    """A hash of every file of the package that a cost depends on."""
    found, package = hashlib.sha256(), Path(colorbench.__file__).parent
    for file in sorted(file for room in ROOMS for file in (package / room).rglob("*.py")):
        found.update(file.read_bytes())
    return found.hexdigest()
