"""timm comes without what nobody here uses, and what stood in for that is gone afterwards."""

import subprocess
import sys

SCRIPT = """
import importlib.util, sys
from colorbench.inference.colorizer import Colorizer
Colorizer.from_pretrained(device="cpu")
print(*(name for name in ("wandb", "matplotlib", "hydra") if name in sys.modules))
assert "timm" in sys.modules
if importlib.util.find_spec("wandb"):
    import wandb
    assert wandb.__file__
"""


def test_opening_the_starter_imports_no_tracker_no_plots_and_no_hydra_and_wandb_is_there_when_it_is_asked_for() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
