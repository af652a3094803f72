"""Runs on scenes, and oracles, put in order between gray and the law."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from colorbench import atomic
from colorbench.data.dataset import DataSet
from colorbench.data.scenes.world import World
from colorbench.engine.precision import choose_precision
from colorbench.errors import UserError
from colorbench.evaluation.baselines import SAMPLERS, baseline, evaluate_baselines
from colorbench.evaluation.law import (
    BROKEN,
    ENERGY,
    PERFECT,
    SCALES,
    Examined,
    examine,
    examine_oracle,
    world_of,
)
from colorbench.evaluation.oracle import Oracle
from colorbench.evaluation.protocol import Plan
from colorbench.evaluation.runs import evaluate_run, plan_of_run
from colorbench.report.law.pictures import draw_calibration, draw_picture
from colorbench.report.law.standing import PLACE, shares_of
from colorbench.report.law.table import markdown
from colorbench.report.law.words import sentence
from colorbench.runs.resampled import resampled
from colorbench.runs.run import open_run


@dataclass(frozen=True)
class Conclusion:
    """What runs on scenes end with: a Markdown table, one sentence for each run, and two pictures."""

    table: str
    sentences: tuple[str, ...]
    picture: Path
    calibration: Path
    places: dict[str, float]


def conclude(
    paths: Sequence[Path],
    *,
    device: torch.device,
    output: Path,
    to: Path,
    precision: str = "auto",
    batch_size: int = 64,
    drawing: Sequence[str] = (),
) -> Conclusion:
    """Finished runs between gray and the oracle, the nearest to the oracle first; table and pictures go to ``to``.

    Runs that are not evaluated yet are evaluated now. drawing: words that change how all of them draw
    (runs/resampled.py). Raises UserError when one was not trained on scenes, or when they
    are judged under unlike protocols.
    """
    runs = [resampled(open_run(path), drawing) for path in paths]
    planned = [plan_of_run(run, {}) for run in runs]
    worlds = [world_of(of) for _, of in planned]
    if len({plan.protocol.id for plan, _ in planned}) > 1:
        ids = ", ".join(f"{run.path.name} {plan.protocol.id}" for run, (plan, _) in zip(runs, planned, strict=True))
        raise UserError(f"these runs are judged under unlike protocols ({ids}); give those of one")
    (plan, data), world = planned[0], worlds[0]
    names = [run.name if [r.name for r in runs].count(run.name) == 1 else run.path.name for run in runs]
    families, models = {}, []
    for name, run in zip(names, runs, strict=True):
        rows = evaluate_run(
            run.path,
            device=device,
            overrides={},
            output=output,
            batch_size=batch_size,
            precision=precision,
            drawing=drawing,
        )
        families[name] = run.family(device)
        chosen = choose_precision(precision, device)
        models.append(examine(name, families[name], rows, plan, world, device=device, precision=chosen))
    trivial = examine_trivial(("gray", *SAMPLERS), plan, world, data, output=output, device=device)
    gray, zero = trivial[0], trivial[-1]
    oracles = [examine_oracle(name, plan, world, output=output, device=device) for name in ("sample", "mean")]
    judged = [*models, *oracles, *trivial]
    shares = shares_of(judged, gray.rows, zero.rows, oracles[0].rows)
    places = shares[PLACE]
    models.sort(key=lambda model: places[model.name].center)
    to.mkdir(parents=True, exist_ok=True)
    ranked = {model.name: families[model.name] for model in reversed(models)}
    draws = 2 if len(models) == 1 else 1
    return Conclusion(
        markdown([*trivial, *models, oracles[1], oracles[0]], shares=shares),
        tuple(sentence(model, places[model.name], places["conditional mean"]) for model in reversed(models)),
        draw_picture(ranked, plan, world, to / "law.png", device=device, draws=draws),
        draw_calibration([*reversed(models), oracles[0]], to / "calibration.png"),
        {name: places[name].center for name in ranked},
    )


def examine_trivial(
    names: Sequence[str], plan: Plan, world: World, data: DataSet, *, output: Path, device: torch.device
) -> list[Examined]:
    """Trivial rows read against the law, in the order of ``names``."""
    found = evaluate_baselines(data, plan, output=output, device=device, names=names)
    return [
        examine(name, baseline(name, data, device).eval(), rows, plan, world, device=device)
        for name, rows in zip(names, found, strict=True)
    ]


def conclude_oracles(
    plan: Plan, data: DataSet, world: World, *, device: torch.device, output: Path, to: Path | None
) -> str:
    """The table of all oracles, perfect and broken, and of the law through each bottleneck; with pictures in ``to``."""
    trivial = examine_trivial(("gray", "mean", *SAMPLERS), plan, world, data, output=output, device=device)
    oracles = [examine_oracle(name, plan, world, output=output, device=device) for name in (*PERFECT, *BROKEN)]
    through = [
        examine_oracle("sample", plan, world, output=output, device=device, chroma_scale=scale) for scale in SCALES
    ]
    lines = [*trivial, oracles[0], *through, *oracles[1:]]
    shares = shares_of(lines, trivial[0].rows, trivial[-1].rows, oracles[0].rows)
    scores = ("psnr", "ssim", "ciede2000", "delta_e_76", "energy", ENERGY, "variogram", "flat_score")
    table = markdown(lines, scores, shares)
    if to is not None:
        to.mkdir(parents=True, exist_ok=True)
        atomic.write_text(
            to / f"oracles-{world.level}.md",
            f"{plan.protocol.images} test scenes, level {world.level}, {plan.protocol.size} px, protocol "
            f"{plan.protocol.id}.\n\n{table}",
        )
        drawn = [line for line in oracles if line.name not in ("conditional mean", "conditional median")]
        draw_calibration(drawn, to / f"calibration-{world.level}.png")
        answers = ("mode", "pixels", "patchwork")
        families = {name: Oracle(answer=name, level=world.level, chroma_scale=1) for name in answers}  # type: ignore[arg-type]
        draw_picture(families, plan, world, to / f"oracles-{world.level}.png", device=device, scenes=5, draws=1)
    return table
