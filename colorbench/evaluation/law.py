"""Systems on scenes, whose p(ab | L) is known: their colorings read against the law.

A perfect sampler (the oracle) colors the same pictures under the same protocol, so every score has a best that can be
reached; and a coloring can be judged as a draw from a distribution.
"""

import functools
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from colorbench import atomic, color
from colorbench.data.scenes import reading as law
from colorbench.data.scenes.reading import Floor, LawScores, Reading
from colorbench.data.scenes.world import Scene, World
from colorbench.engine.precision import autocast
from colorbench.errors import UserError
from colorbench.evaluation.judge import Colorizer, evaluate_family
from colorbench.evaluation.oracle import Oracle
from colorbench.evaluation.protocol import Plan
from colorbench.evaluation.rows import Evaluation
from colorbench.family import Family
from colorbench.noise import Noise
from colorbench.progress import Tally

ENERGY = "energy_field"
PERFECT = ("sample", "mean", "median", "mode")
"""The oracles that are best at something."""
BROKEN = ("pixels", "patchwork", "incoherent", "uniform", "collapsed", "miscalibrated", "rare_blind")
SCALES = (2, 4, 8)
"""Of chroma, in use by models: what the law itself is worth through each bottleneck."""
LABELS = {
    "sample": "oracle sampler",
    "mean": "conditional mean",
    "median": "conditional median",
    "mode": "most probable mode",
    "pixels": "pixel-independent",
    "patchwork": "patchwork of its draws",
    "incoherent": "objects independent",
    "uniform": "uniform over modes",
    "collapsed": "collapsed",
    "miscalibrated": "miscalibrated",
    "rare_blind": "rare-blind",
}


@dataclass(frozen=True)
class Examined:
    """One system: its ordinary rows, and its law scores with their standard errors and the law's own floor."""

    name: str
    rows: Evaluation
    scores: LawScores
    errors: dict[str, float]
    floor: Floor

    @property
    def draws(self) -> int:
        """Colorings of each picture."""
        return int(self.rows.record["draws"])


def world_of(data: Any) -> World:
    """The world of a data set; UserError when it has none."""
    world = getattr(data.source, "world", None)
    if world is None:
        raise UserError(f"data={data.name}: its color law is not known; colorbench law needs a run on data=scenes")
    return world


def judge_oracle(
    name: str, plan: Plan, world: World, *, output: Path, device: torch.device, chroma_scale: int = 1
) -> tuple[Oracle, Evaluation]:
    """An oracle under a protocol, through a bottleneck or not: evaluated once, into the baselines beside the runs."""
    family = Oracle(answer=name, level=world.level, chroma_scale=chroma_scale)  # type: ignore[arg-type]
    label = "oracle" if name == "sample" else f"oracle_{name}"
    if chroma_scale > 1:
        label = f"{label}_through_{chroma_scale}"
    folder = output / "baselines" / plan.protocol.id / label
    record = {"name": label.replace("_", " "), "kind": "trivial", "group": label, "parameters": 0, "seed": None}
    return family, evaluate_family(family, plan, folder=folder, record=record, device=device)


def examine_oracle(
    name: str, plan: Plan, world: World, *, output: Path, device: torch.device, chroma_scale: int = 1
) -> Examined:
    """:func:`judge_oracle`, read against the law."""
    family, rows = judge_oracle(name, plan, world, output=output, device=device, chroma_scale=chroma_scale)
    shown = f"{LABELS[name]} through chroma 1/{chroma_scale}" if chroma_scale > 1 else LABELS[name]
    return examine(shown, family, rows, plan, world, device=device)


def examine(
    name: str,
    family: Family,
    rows: Evaluation,
    plan: Plan,
    world: World,
    *,
    device: torch.device,
    precision: str = "fp32",
    batch_size: int = 64,
) -> Examined:
    """Law scores of a family that was evaluated already; kept as law.json beside its rows."""
    file = rows.folder / "law.json" if rows.folder else None
    if file is not None and file.is_file():
        kept = json.loads(file.read_text())
        scores = law.LawScores(**{**kept["scores"], "curve": tuple(map(tuple, kept["scores"]["curve"]))})
        return Examined(name, rows, scores, kept["errors"], {k: tuple(v) for k, v in kept["floor"].items()})
    draws = int(rows.record["draws"])
    readings = read_all(
        lambda batch, noise: family.colorize(batch.L, noise), plan, world, draws, device, precision, batch_size
    )
    floor = _floor(readings, plan, world, draws)
    done = Examined(name, rows, law.score(readings), law.deviations(readings), floor)
    if file is not None:
        atomic.write_json(file, {"scores": asdict(done.scores), "errors": done.errors, "floor": done.floor})
    return done


def read_all(
    colorize: Colorizer,
    plan: Plan,
    world: World,
    draws: int,
    device: torch.device,
    precision: str = "fp32",
    batch_size: int = 64,
) -> list[Reading]:
    """Color the protocol's pictures and read each scene's colors, after clipping and rounding to 8 bits."""
    readings: list[Reading] = []
    with torch.inference_mode(), Tally("reading the law's colors", plan.protocol.images, "scenes") as tally:
        for batch in plan.pictures.batches(batch_size, device):
            shown = []
            for k in range(draws):
                with autocast(precision, device):
                    ab = colorize(batch, Noise.of(plan.protocol.seed, batch.ids, k))
                shown.append(color.bytes_to_lab(color.to_bytes(color.decode(batch.L, ab.float())))[:, 1:].cpu().numpy())
            for i in range(len(batch)):
                scene = _scene(world, plan.pictures.names[len(readings)], plan.protocol.size)
                readings.append(law.read(scene, np.stack([x[i] for x in shown])))
                tally.add()
    return readings


_floors: dict[tuple[World, tuple[str, ...], int, int], Floor] = {}


def _floor(readings: list[Reading], plan: Plan, world: World, draws: int) -> Floor:
    """Of these scenes and so many draws, whoever colored them: computed once."""
    key = (world, tuple(plan.pictures.names[: len(readings)]), plan.protocol.size, draws)
    if key not in _floors:
        _floors[key] = law.floor(readings, draws)
    return _floors[key]


@functools.lru_cache(maxsize=256)
def _scene(world: World, name: str, size: int) -> Scene:
    """Every system is read on the same scenes: painted once, while they are no more than these."""
    return world.scene(name, size)
