"""Runs and folders before the judge: which plan, which checkpoint, whose row, where the rows lie.

Rows of a run go to RUN/eval/<protocol id>; a finished evaluation is kept. A folder of pictures that another program
made is judged like a run.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from colorbench.engine.precision import choose_precision
from colorbench.errors import UserError
from colorbench.evaluation.baselines import TRIVIAL, evaluate_baselines
from colorbench.evaluation.judge import evaluate_family
from colorbench.evaluation.protocol import Plan, plan
from colorbench.evaluation.protocol import plan as make_plan
from colorbench.evaluation.rows import Evaluation
from colorbench.evaluation.submission import judge_folder, open_truths
from colorbench.metrics.suite import Suite
from colorbench.runs.config import compose, flatten, science
from colorbench.runs.labels import settings
from colorbench.runs.resampled import is_of_drawing, resampled, tag
from colorbench.runs.run import open_run
from colorbench.trunks.maps import keep


def plan_of_run(run: Any, overrides: Mapping[str, Any]) -> tuple[Plan, Any]:
    """(plan, data) of an opened run. overrides: {"metrics": {...}, "protocol": {...}} replace the run's own nodes."""
    config = {**run.config, **overrides}
    data = run.data()
    return plan(config["protocol"], data, Suite.of(config["metrics"])), data


def evaluate_run(
    path: Path,
    *,
    device: torch.device,
    overrides: Mapping[str, Any],
    output: Path | None = None,
    batch_size: int = 64,
    precision: str = "auto",
    checkpoint: str | None = None,
    drawing: Sequence[str] = (),
    baselines: Sequence[str] = TRIVIAL,
    force: bool = False,
) -> Evaluation:
    """Evaluate a run folder and the trivial rows of its protocol (below ``output``, where runs are).

    drawing: words that change how it draws (runs/resampled.py), whose row is then one of its own. baselines: which
    trivial rows, beside the truth's, which checks the conversions.
    """
    trained = open_run(path)
    run = resampled(trained, drawing)
    plan, data = plan_of_run(run, overrides)
    where, names = output or path.resolve().parents[1], _with_truth(baselines)
    evaluate_baselines(data, plan, output=where, device=device, batch_size=batch_size, names=names)
    folder = path / "eval" / plan.protocol.id
    record = run_record(run)
    if checkpoint not in (None, run.result):
        folder = path / f"eval-{checkpoint}" / plan.protocol.id
        record |= {"name": f"{record['name']} @{checkpoint}", "group": f"{record['group']}@{checkpoint}"}
    if other := tag(trained, run):
        folder = folder.parents[1] / f"{folder.parent.name}-{other}" / folder.name
        record |= {"drawn_from": record["run"], "run": f"{record['run']}-{other}"}
    family = run.family(device, checkpoint)
    keep(family, data.folder.parent)
    return evaluate_family(
        family,
        plan,
        folder=folder,
        record=record,
        device=device,
        batch_size=batch_size,
        precision=choose_precision(precision, device),
        force=force,
    )


def evaluate_folder(
    folder: Path,
    *,
    truth: Path,
    name: str,
    output: Path,
    device: torch.device,
    overrides: Mapping[str, Any],
    size: int | None = None,
    batch_size: int = 64,
    allow_gray: bool = False,
    baselines: Sequence[str] = TRIVIAL,
) -> Evaluation:
    """Judge a folder of pictures that another program made.

    truth: a run folder (its test pictures are the truths, so that the row joins the run's table), or a folder of
    pictures, beside which gray and the truth alone can be judged. baselines: which trivial rows, of a run's.
    """
    if (truth / "config.yaml").is_file():
        plan, data = plan_of_run(open_run(truth), overrides)
        names = _with_truth(baselines)
        evaluate_baselines(data, plan, output=output, device=device, batch_size=batch_size, names=names)
    else:
        chosen = overrides or nodes(["protocol=default"])
        truths = open_truths(truth, size)
        plan = make_plan(chosen["protocol"], truths, Suite.of(chosen["metrics"]))
        names = ("gray", "truth")
        evaluate_baselines(truths, plan, output=output, device=device, batch_size=batch_size, names=names)
    return judge_folder(
        folder, plan, name=name, output=output, device=device, size=size, batch_size=batch_size, allow_gray=allow_gray
    )


def _with_truth(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*names, "truth")))


def run_record(run: Any) -> dict[str, Any]:
    """Who a run is, for record.json: name, model, experiment, seed, group (all but the seed), what tells it from
    others (:mod:`colorbench.runs.labels`), budget and costs."""
    flat = dict(flatten(science(run.config, "seed", "run", "metrics", "protocol")))
    group = hashlib.sha256(json.dumps(flat, sort_keys=True, default=str).encode()).hexdigest()[:10]
    costs = ("parameters", "images_seen", "seconds", "flops", "before", "peak_memory_mb", "state")
    return {
        "name": run.name,
        "run": run.path.name,
        "kind": "model",
        "experiment": run.path.parent.name,
        "group": group,
        "seed": run.config["seed"],
        "budget": run.config["budget"],
        "settings": settings(run.config),
        "choices": run.config["run"].get("choices", {}),
        **{key: run.status[key] for key in costs if key in run.status},
    }


def nodes(words: Sequence[str]) -> dict[str, Any]:
    """The metrics and protocol nodes that ``--set`` asks for; {} keeps the run's own. None of how a model draws."""
    words = [word for word in words if not is_of_drawing(word)]
    for word in words:
        if not word.lstrip("+~").startswith(("metrics", "protocol")):
            raise UserError(
                f"--set {word}: only metrics.*, protocol.*, sampler.* and what of model.* its draws alone depend on "
                "can be changed after training"
            )
    if not words:
        return {}

    config = compose(list(words))
    return {key: config[key] for key in ("metrics", "protocol")}
