"""A chain of runs, each from the weights of the last: ``colorbench stages [WORDS] [-- WORDS]...``

The words before the first ``--`` belong to every stage, those after each ``--`` to one stage. Without any ``--`` the
stages are those of experiment=NAME, the files of conf/experiment/NAME (seed_002, seed_003), or else the recipe: a
subset (experiment=recipe_subset), the full set at a lower rate (recipe_full), perceptual fine-tuning
(recipe_perceptual).

    colorbench stages data=folder data.root=PHOTOS model=unet -- budget.images=20000 -- optim.lr=1e-4

Every stage is a run folder like any other, named by what it computes and by the stage it starts from; so the same
line again skips the stages that are finished and goes on in the one that was cut.
"""

import argparse
from collections.abc import Sequence

from colorbench.commands import command


def main(argv: Sequence[str] | None = None) -> None:
    parser = command.parser("stages", __doc__)
    parser.add_argument(
        "words", nargs=argparse.REMAINDER, metavar="WORDS [-- WORDS]...", help="overrides, as of python -m colorbench"
    )
    words = parser.parse_args(argv).words
    from colorbench.engine.engine import Interrupted
    from colorbench.training.stages import run, split

    try:
        run(split(words))
    except Interrupted as stop:
        raise KeyboardInterrupt(f"{stop}; the same line goes on from there") from stop
