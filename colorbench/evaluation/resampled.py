"""A diffusion judged with another sampler: its checkpoint stays, ``sampler=dpmpp sampler.steps=20`` draw from it.

A checkpoint serves every sampler, so the row is one of its own, called by what differs.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from colorbench.errors import UserError
from colorbench.registry import check
from colorbench.runs.config import compose
from colorbench.runs.run import Run


def is_of_sampler(word: str) -> bool:
    """Is it ``sampler=NAME`` or ``sampler.KEY=VALUE``?"""
    return word.lstrip("+~").startswith(("sampler=", "sampler."))


def resampled(run: Run, words: Sequence[str]) -> Run:
    """The run with the sampler that ``words`` ask for. UserError: its model has none, or has no such key."""
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
    """What tells a resampled run's folder from the run's own: empty where the sampler is the same."""
    if other.config["model"] == run.config["model"]:
        return ""
    node: Any = other.config["model"]["sampler"]
    return f"{node['sampler']}-{hashlib.sha256(json.dumps(node, sort_keys=True).encode()).hexdigest()[:6]}"
