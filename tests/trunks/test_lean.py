"""A start imports what it needs: no compiler, no library of a thousand networks, no tracker, no plots."""

import subprocess
import sys

import numpy as np
from PIL import Image

COLORIZE = """
import sys
from colorbench.commands.colorize import main
assert main([*sys.argv[1:], "--device", "cpu", "--uncertainty"]) == 0
heavy = ("torch._dynamo", "timm", "torchvision", "sympy", "wandb", "matplotlib", "hydra", "pandas", "sklearn")
print("imported:", *(name for name in heavy if name in sys.modules))
"""

TIMM = """
import importlib.util, sys
from colorbench.trunks import lean
assert lean.timm().is_model("resnet18")
assert "wandb" not in sys.modules
if importlib.util.find_spec("wandb"):
    import wandb
    assert wandb.__file__
"""


def _run(script: str, *words: str) -> str:
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_photograph_is_colored_by_the_starter_without_torch_s_compiler_and_without_timm(tmp_path) -> None:
    file = tmp_path / "scan.png"
    Image.fromarray(np.linspace(0, 255, 64 * 96).astype(np.uint8).reshape(64, 96)).save(file)
    assert _run(COLORIZE, str(file), "-o", str(tmp_path / "out")).splitlines()[-1] == "imported:"


def test_timm_comes_without_wandb_which_is_there_when_it_is_asked_for() -> None:
    _run(TIMM)
