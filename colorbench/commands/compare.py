"""The best families for your pictures at your budget, on one page: ``colorbench compare WORDS``

    colorbench compare data=folder data.root=PHOTOS data.size=64 budget.seconds=3600

WORDS are those of a training (``colorbench model=NAME WORDS``), for all runs; budget.seconds is of training, all
families together; validation, set-up and the test come on top. All families that train take part, or models=a,b,c.
Successive halving: at each rung the better half by validation score goes on from where it stands; the last few
(finalists=3) are judged once on the test split. Stopped or killed, the same command goes on. Two families at a time:
hydra/launcher=workers hydra.launcher.n_jobs=2, with OMP_NUM_THREADS=1.
"""

import argparse
from collections.abc import Sequence

from colorbench.commands import command


def main(argv: Sequence[str] | None = None) -> None:
    parser = command.parser("compare", __doc__)
    parser.add_argument(
        "words", nargs=argparse.REMAINDER, metavar="WORDS", help="overrides, as of colorbench model=NAME"
    )
    words = parser.parse_args(argv).words
    from colorbench.engine.engine import Interrupted
    from colorbench.errors import UserError
    from colorbench.training.compare import compare

    models: list[str] = []
    finalists = None
    for word in list(words):
        if word.startswith("-"):
            raise UserError(f"{word}: no such option; --help explains")
        if word.startswith("models="):
            models = [name for name in word.removeprefix("models=").split(",") if name]
            words.remove(word)
        elif word.startswith("finalists="):
            finalists = _count(word)
            words.remove(word)
    try:
        compare(words, models, finalists)
    except Interrupted as stop:
        raise KeyboardInterrupt(f"{stop}; the same command goes on from there") from stop


def _count(word: str) -> int:
    from colorbench.errors import UserError

    number = word.partition("=")[2]
    if not number.isdecimal() or int(number) < 1:
        raise UserError(f"{word}: expected 1 or more")
    return int(number)
