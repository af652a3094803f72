"""Stages: a chain of runs, each from the weights of the last.

Every stage is a run folder like any other, named by what it computes and by the stage it starts from; so the same
line again skips the stages that are finished and goes on in the one that was cut.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from colorbench.errors import UserError
from colorbench.registry import build, load_plugins
from colorbench.runs.config import choices, compose, conf_dir
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
    plans = [(_plan(number, words), choices(words), list(words)) for number, words in enumerate(stages, 1)]
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
    return folders


def _plan(number: int, words: Sequence[str]) -> dict[str, Any]:
    """The configuration of a stage whose model was built once, for a try."""
    try:
        config = compose(list(words))
        load_plugins(config["plugins"])
        build("family", config["model"], "model")
    except UserError as error:
        raise UserError(f"stage {number}: {error}") from error
    return config
