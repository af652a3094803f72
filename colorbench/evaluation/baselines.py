"""The trivial rows that every table carries, judged once for each protocol and reused: gray, the training split's mean
color, its mean color at each lightness, the nearest neighbor's colors; three samplers that learn nothing (confetti, the
chroma of any training picture, that of one of the nearest); and the truth sent through the same conversions.
"""

import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
import yaml

from colorbench import atomic
from colorbench.errors import UserError
from colorbench.evaluation import rows
from colorbench.evaluation.judge import evaluate_colorizer, evaluate_family
from colorbench.evaluation.protocol import Plan
from colorbench.evaluation.rows import Evaluation
from colorbench.family import Family
from colorbench.metrics.colorfulness import Colorfulness
from colorbench.registry import build
from colorbench.runs.config import conf_dir

ONCE = ("gray", "mean", "luma_mean", "nearest")
"""Answer once: what the errors of single answers are compared with."""
SAMPLERS = ("confetti", "marginal", "neighbors")
"""Draw, and learn nothing: proper scores are compared with these too."""
TRIVIAL = (*ONCE, *SAMPLERS, "truth")
"""The rows that every table carries; truth is what the conversions leave of the true picture."""


def evaluate_baselines(
    data: Any,
    plan: Plan,
    *,
    output: Path,
    device: torch.device,
    batch_size: int = 64,
    names: Sequence[str] = TRIVIAL,
) -> list[Evaluation]:
    """The trivial rows of a protocol, in ``<output>/baselines/<protocol id>/``; those there already are read. names:
    which. UserError for one that is none."""
    if stranger := next((name for name in names if name not in TRIVIAL), None):
        raise UserError(f"--baselines {stranger}: expected some of {', '.join(TRIVIAL)}")
    found = []
    for name in names:
        family = None if name == "truth" else _family(name)
        learned = family is not None and _learns(family)
        folder = output / "baselines" / plan.protocol.id / (f"{name}-{data.fingerprint[:8]}" if learned else name)
        record = {"name": name, "kind": "trivial", "group": folder.name, "parameters": 0, "seed": None}
        if learned:
            record["training"] = data.fingerprint
        judged: dict[str, Any] = {"folder": folder, "record": record, "device": device, "batch_size": batch_size}
        with nullcontext() if rows.done(folder) else atomic.owning(folder):
            if rows.done(folder):  # or whoever owned it has judged it by now
                found.append(rows.Evaluation.read(folder))
            elif family is None:
                found.append(evaluate_colorizer(lambda batch, _: batch.ab, plan, **judged))
            else:
                found.append(evaluate_family(baseline(name, data, device, batch_size), plan, **judged))
        if name == "truth":
            _check_truth(found[-1], plan)
    return found


def baseline(name: str, data: Any, device: torch.device, batch_size: int = 64) -> Family:
    """A trivial family, fitted on the training split of ``data`` where it learns from one."""
    family = _family(name).to(device)
    if _learns(family):
        family.prepare(data.train.batches(batch_size, device))
    return family


def _family(name: str) -> Family:
    return build("family", yaml.safe_load((conf_dir() / "model" / f"{name}.yaml").read_text()))


def _learns(family: Family) -> bool:
    return type(family).prepare is not Family.prepare


def _check_truth(truth: Evaluation, plan: Plan) -> None:
    """The truth must survive the conversions, and be the pictures that a published protocol means."""
    psnr = truth.scores.get("psnr")
    if psnr is not None and psnr.min() < 60:
        raise ValueError(f"the truth itself came back with {psnr.min():.1f} dB: the color conversions are broken")
    expected = plan.expect.get("colorfulness_abs")
    if expected is None:
        return
    column = truth.scores.get(Colorfulness(of="true", compat="ddcolor").name)
    if column is None:
        raise UserError("protocol.expect.colorfulness_abs needs the literature's columns: add metrics=ddcolor")
    actual = float(column.mean())
    if abs(actual - expected) > 0.02:
        warnings.warn(
            f"protocol {plan.protocol.name!r}: the true pictures' colorfulness is {actual:.2f}, the published set's is "
            f"{expected:.2f}; are these the same pictures (crop, resize filter, file list)? Nobody has tried ours on "
            "the published ones, and published scripts differ",
            stacklevel=2,
        )
