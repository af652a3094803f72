"""A run with other draws: ``sampler=dpmpp sampler.steps=20``, ``model.top_p=0.9``; its checkpoint stays.

A checkpoint serves every way to draw from it, so the row is one of its own, called by what differs. Of ``model`` only
what the family says a draw alone depends on can be changed (``Family.drawing``).
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import yaml

from colorbench.errors import UserError
from colorbench.family import Family
from colorbench.registry import check, demand_plugins, lookup
from colorbench.runs.config import compose
from colorbench.runs.run import Run


def is_of_drawing(word: str) -> bool:
    """Is it ``sampler=NAME``, ``sampler.KEY=VALUE`` or ``model.KEY=VALUE``?"""
    return word.lstrip("+~").startswith(("sampler=", "sampler.", "model."))


def resampled(run: Run, words: Sequence[str]) -> Run:
    """The run with the draws that ``words`` ask for; itself where they ask for nothing. UserError: its model has no
    sampler, has no such key, or a word is of something else."""
    if stranger := next((word for word in words if not is_of_drawing(word)), None):
        raise UserError(f"--set {stranger}: here only how a model draws can be changed (sampler.*, some of model.*)")
    of_sampler = [word for word in words if not word.lstrip("+~").startswith("model.")]
    run = _remodeled(run, [word for word in words if word not in of_sampler])
    return _resampled(run, of_sampler) if of_sampler else run


def _remodeled(run: Run, words: Sequence[str]) -> Run:
    if not words:
        return run
    model = run.config["model"]
    demand_plugins(run.config["plugins"], str(run.path))
    family = cast(type[Family], lookup("family", model["family"]))
    changed: dict[str, Any] = {}
    for word in words:
        key, _, value = word.lstrip("+").removeprefix("model.").partition("=")
        if key not in family.drawing:
            own = ", ".join(f"model.{key}" for key in family.drawing) or "nothing of the model"
            raise UserError(f"--set {word}: of {run.name} can be changed after training: {own}")
        changed[key] = yaml.safe_load(value)
    check("family", {**model, **changed}, "model")
    return replace(run, config={**run.config, "model": {**model, **changed}})


def _resampled(run: Run, words: Sequence[str]) -> Run:
    own = run.config["model"].get("sampler")
    if not isinstance(own, dict):
        raise UserError(f"--set {words[0]}: {run.name} draws from no sampler; a diffusion does (ddpm, flow, edm ...)")
    chosen = {word.split("=", 1)[0].lstrip("+"): word.split("=", 1)[1] for word in words if "=" in word}
    had = run.config["run"].get("choices", {})
    name = chosen.get("sampler") or had.get("sampler") or own["sampler"]
    node = compose(["model=ddpm", f"sampler={name}", *(w for w in words if not w.startswith("sampler="))])["sampler"]
    typed = {key.removeprefix("sampler.") for key in chosen if key.startswith("sampler.")}
    if "sampler" not in chosen:  # what was not typed stays as the run has it
        node = {**own, **{key: node[key] for key in typed}}
    check("sampler", node, "sampler")
    config = {
        **run.config,
        "sampler": node,
        "model": {**run.config["model"], "sampler": node},
        "run": {**run.config["run"], "choices": {**had, "sampler": name}},
    }
    return replace(run, config=config)


def tag(run: Run, other: Run) -> str:
    """What tells a resampled run's folder from the run's own: empty where the draws are the same."""
    mine, theirs = run.config["model"], other.config["model"]
    changed = {key: value for key, value in theirs.items() if value != mine.get(key)}
    if not changed:
        return ""
    node: Any = changed["sampler"] if changed.keys() == {"sampler"} else changed
    name = theirs["sampler"]["sampler"] if "sampler" in changed else "drawing"
    return f"{name}-{hashlib.sha256(json.dumps(node, sort_keys=True).encode()).hexdigest()[:6]}"
