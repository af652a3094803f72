"""Stages: a chain of runs, each from the weights of the last. ``python -m colorbench.stages [WORDS] [-- WORDS]...``

The words before the first ``--`` belong to every stage, those after each ``--`` to one stage. Without any ``--`` the
stages are the recipe: a subset (experiment=recipe_subset), the full set at a lower rate (recipe_full), perceptual
fine-tuning (recipe_perceptual).

    python -m colorbench.stages data=folder data.root=PHOTOS model=unet -- budget.images=20000 -- optim.lr=1e-4

Every stage is a run folder like any other, named by what it computes and by the stage it starts from; so the same
line again skips the stages that are finished and goes on in the one that was cut.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from colorbench import command
from colorbench.errors import UserError

RECIPE = ("experiment=recipe_subset", "experiment=recipe_full", "experiment=recipe_perceptual")
"""The stages where none are given."""


def split(words: Sequence[str]) -> list[list[str]]:
    """The overrides of each stage: the common words, then its own. UserError for one that the chain itself sets."""
    parts: list[list[str]] = [[]]
    for word in words:
        if word == "--":
            parts.append([])
        elif word.lstrip("+").startswith("init_from="):
            raise UserError(f"{word}: every stage starts from the one before; drop the word")
        else:
            parts[-1].append(word)
    common, *own = parts
    return [[*common, *stage] for stage in own or [[word] for word in RECIPE]]


def run(stages: Sequence[Sequence[str]]) -> list[Path]:
    """Train the stages one after another; their run folders. UserError, before the first one trains, when one of them
    cannot be composed or its model cannot be built, for want of pretrained weights for instance."""
    from colorbench.config import choices
    from colorbench.train import train

    plans = [(_plan(number, words), choices(words), list(words)) for number, words in enumerate(stages, 1)]
    folders: list[Path] = []
    for number, (config, chosen, words) in enumerate(plans, 1):
        start = str(folders[-1]) if folders else None
        print(f"stage {number} of {len(plans)}: {' '.join(words)}")
        done = train(
            {**config, "init_from": start}, model=chosen["model"], experiment=chosen.get("experiment", "default"),
            overrides=[*words, *([f"init_from={start}"] if start else [])], choices=chosen,
        )  # fmt: skip
        folders.append(done.path)
    return folders


def _plan(number: int, words: Sequence[str]) -> dict[str, Any]:
    """The configuration of a stage whose model was built once, for a try."""
    from colorbench.config import compose
    from colorbench.registry import build, load_plugins

    try:
        config = compose(list(words))
        load_plugins(config["plugins"])
        build("family", config["model"], "model")
    except UserError as error:
        raise UserError(f"stage {number}: {error}") from error
    return config


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = command.parser("stages", __doc__)
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="WORDS [-- WORDS]...",
                        help="overrides, as of python -m colorbench")  # fmt: skip
    words = parser.parse_args(argv).words
    from colorbench.engine.engine import Interrupted

    try:
        run(split(words))
    except Interrupted as stop:
        raise KeyboardInterrupt(f"{stop}; the same line goes on from there") from stop


if __name__ == "__main__":
    command.run("stages", main)
