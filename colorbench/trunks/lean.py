"""timm, imported without wandb, to which its training scripts would log: 0.7 s of a start, measured once.

timm takes the absence as an answer (``has_wandb = False``). Whoever imports wandb afterwards gets the real one.
"""

import importlib
import sys
from typing import Any


def timm() -> Any:
    """The library."""
    if "timm" in sys.modules or "wandb" in sys.modules:
        return importlib.import_module("timm")
    sys.modules["wandb"] = None  # type: ignore[assignment]
    try:
        return importlib.import_module("timm")
    finally:
        del sys.modules["wandb"]
