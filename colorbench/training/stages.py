"""Stages: a chain of runs, each from the weights of the last.

Every stage is a run folder like any other, named by what it computes and by the stage it starts from; so the same
line again skips the stages that are finished and goes on in the one that was cut. In the end one figure shows what each
stage made of the same pictures: gray | truth | the stages, called as their files are.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from colorbench.errors import UserError
from colorbench.registry import build, load_plugins
from colorbench.report.preview import write_preview
from colorbench.report.sheet import gather
from colorbench.runs.config import composed, conf_dir
from colorbench.training.train import train

RECIPE = ("experiment=recipe_subset", "experiment=recipe_full", "experiment=recipe_perceptual")
"""The stages where neither words nor an experiment gives any."""


def split(words: Sequence[str]) -> list[list[str]]:
    """The overrides of each stage: the common words, then its own, which an experiment may have as files of a folder of
    its name. UserError for a word that the chain itself sets."""
    parts: list[list[str]] = [[]]
    for word in words:
        if word == "--":
            parts.append([])
        elif word.lstrip("+").startswith("init_from="):
            raise UserError(f"{word}: every stage starts from the one before; drop the word")
        else:
            parts[-1].append(word)
    common, *own = parts
    if own:
        return [[*common, *stage] for stage in own]
    experiment = next((word for word in common if word.lstrip("+").startswith("experiment=")), None)
    if experiment is None:
        return [[*common, word] for word in RECIPE]
    name = experiment.split("=", 1)[1]
    files = sorted((conf_dir() / "experiment" / name).glob("*.yaml"))
    if not files:
        raise UserError(f"{experiment}: has no stages (conf/experiment/{name}/*.yaml); give words after --")
    rest = [word for word in common if word != experiment]
    return [[f"experiment={name}/{file.stem}", *rest] for file in files]


def run(stages: Sequence[Sequence[str]]) -> list[Path]:
    """Train the stages one after another; their run folders. UserError, before the first one trains, when one of them
    cannot be composed or its model cannot be built, for want of pretrained weights for instance."""
    plans = [(*_plan(number, words), list(words)) for number, words in enumerate(stages, 1)]
    folders: list[Path] = []
    for number, (config, chosen, words) in enumerate(plans, 1):
        start = str(folders[-1]) if folders else None
        print(f"stage {number} of {len(plans)}: {' '.join(words)}")
        done = train(
            {**config, "init_from": start},
            model=chosen["model"],
            experiment=chosen.get("experiment", "default"),
            overrides=[*words, *([f"init_from={start}"] if start else [])],
            choices=chosen,
        )
        folders.append(done.path)
    figure = draw(folders, [called(number, words) for number, words in enumerate(stages, 1)])
    if figure is not None:
        print(f"stages: {figure}")
    return folders


def called(number: int, words: Sequence[str]) -> str:
    """What a figure calls a stage: 3_fine-tuned_with_VGG is "fine-tuned with VGG"; one without a file has a number."""
    experiments = [word.split("=", 1)[1] for word in words if word.lstrip("+").startswith("experiment=")]
    name = experiments[-1].rpartition("/")[2] if experiments else ""
    own = name if "/" in "".join(experiments) or f"experiment={name}" in RECIPE else ""
    return re.sub(r"^\d+_|^recipe_", "", own).replace("_", " ") or f"stage {number}"


def draw(folders: Sequence[Path], names: Sequence[str]) -> Path | None:
    """gray | truth | every stage, in the last stage's folder; None where they share no protocol with pictures."""
    found = [{e.protocol.id: e for e in gather([folder]) if e.record["kind"] == "model"} for folder in folders]
    shared = [id for id in found[-1] if all(id in one for one in found)]
    if not shared or not found[-1][shared[-1]].protocol.gallery:
        return None
    trivial = {e.record["name"]: e for e in gather(folders[-1:]) if e.protocol.id == shared[-1]}
    rows = [one[shared[-1]] for one in found]
    named = [replace(e, record={**e.record, "name": name}) for e, name in zip(rows, names, strict=True)]
    return write_preview([trivial["gray"], trivial["truth"], *named], folders[-1] / "stages.png")


def _plan(number: int, words: Sequence[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The configuration of a stage whose model was built once, for a try, and the options that it was composed of."""
    try:
        config, chosen = composed(list(words))
        load_plugins(config["plugins"])
        build("family", config["model"], "model")
    except UserError as error:
        raise UserError(f"stage {number}: {error}") from error
    return config, chosen
