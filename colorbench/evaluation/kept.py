"""Kept: the pictures of an evaluation's gallery, opened."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colorbench.errors import UserError
from colorbench.evaluation.rows import Evaluation


def count(e: Evaluation) -> int:
    """How many of the first test pictures were kept."""
    return len(list((e.folder / "gallery").glob("*-0.png"))) if e.folder is not None else 0


def draws(e: Evaluation, i: int) -> int:
    """How many colorings of the i-th were kept."""
    return len(list((e.folder / "gallery").glob(f"{i:05d}-*.png"))) if e.folder is not None else 0


def picture(e: Evaluation, i: int, k: int = 0) -> NDArray[np.uint8]:
    """[h w 3]: the k-th coloring of the i-th test picture. UserError if its file is damaged."""
    assert e.folder is not None
    file: Path = e.folder / "gallery" / f"{i:05d}-{k}.png"
    try:
        with Image.open(file) as opened:
            return np.array(opened.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(f"{file}: damaged evaluation ({error}); evaluate again with --force") from error
