"""colorbench: which generative family colors gray pictures best, at your budget, and is the difference real?

One sentence of design: a family says what to minimize and how to color; a network maps tensors to tensors; the
engine does everything that has to do with time, devices and disks; the evaluation turns pictures into rows; the
report turns rows into verdicts.
"""

import importlib
import os

from colorbench.version import __version__ as __version__

TYPE_CHECKING = False  # as of typing, which takes longer to import than Python to start
if TYPE_CHECKING:
    from typing import Any

    from colorbench.api import Trained, evaluate, list_models, list_runs, load, results, sweep, train
    from colorbench.inference.colorizer import Colorizer
    from colorbench.registry import register
    from colorbench.report.results import Results

__all__ = [
    "Colorizer",
    "Results",
    "Trained",
    "evaluate",
    "list_models",
    "list_runs",
    "load",
    "register",
    "results",
    "sweep",
    "train",
]
_WHERE = {
    "Colorizer": "colorbench.inference.colorizer",
    "Results": "colorbench.report.results",
    "register": "colorbench.registry",
}

# Threads that wait for work sleep instead of spinning: beside another busy process a spinning thread keeps the core
# that the working one needs. OpenMP reads these when torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")


def __getattr__(name: str) -> "Any":
    """What a notebook needs, imported when it is asked for: ``import colorbench`` itself takes no time."""
    if name not in __all__:
        raise AttributeError(f"module 'colorbench' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE.get(name, "colorbench.api")), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
