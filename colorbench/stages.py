"""Stages: a chain of runs, each from the weights of the last. ``python -m colorbench.stages [WORDS] [-- WORDS]...``

The words before the first ``--`` belong to every stage, those after each ``--`` to one stage. Without any ``--`` the
stages are the recipe: a subset, the full set at a lower rate, perceptual fine-tuning.

    python -m colorbench.stages data=folder data.root=PHOTOS model=unet -- budget.images=20000 -- optim.lr=1e-4

Every stage is a run folder like any other, named by what it computes and by the stage it starts from; so the same
line again skips the stages that are finished and goes on in the one that was cut.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

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
    """Train the stages one after another; their run folders. All of them are composed before the first one trains."""
    from colorbench.config import choices, compose
    from colorbench.train import train

    plans = [(compose(words), choices(words), list(words)) for words in stages]
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


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="python -m colorbench.stages", description="Train a chain of runs, each from the weights of the last.",
        epilog="WORDS are overrides as of python -m colorbench. Without -- the stages are: " + ", ".join(RECIPE),
    )  # fmt: skip
    p.add_argument("words", nargs=argparse.REMAINDER, metavar="WORDS [-- WORDS]...")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """0; 2 for a mistake that the user can mend; 130 when interrupted (the same line goes on)."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] in (["-h"], ["--help"]):
        parser().print_help()
        return 0
    from colorbench.engine.engine import Interrupted

    try:
        run(split(words))
    except UserError as error:
        print(f"colorbench: {error}", file=sys.stderr)
        return 2
    except Interrupted as stop:
        print(f"colorbench: {stop}; the same line goes on from there", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
