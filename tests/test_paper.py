"""A model on paper has the shapes of a model, and costs no import of torch's compiler."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from families.conftest import learners, small
from torch import nn

from colorbench.paper import paper
from colorbench.trunks.weights import everything_follows

HERE = Path(__file__).resolve().parent


@pytest.mark.parametrize("model", learners())
def test_a_model_on_paper_has_the_names_shapes_and_types_of_the_model(model):
    with everything_follows(), paper():
        drawn = small(model).state_dict()
    with everything_follows():
        real = small(model).state_dict()
    assert [(k, t.shape, t.dtype) for k, t in drawn.items()] == [(k, t.shape, t.dtype) for k, t in real.items()]


def test_what_paper_does_not_know_goes_its_usual_way():
    with paper():
        product = torch.ones(3, 1) * torch.ones(4)
        there = torch.randn(5, device="cpu")
        norm = nn.init.normal_(torch.empty(2, device="cpu"))
    assert (product.shape, product.device.type) == ((3, 4), "meta")
    assert there.abs().sum() > 0
    assert norm.abs().sum() > 0


def test_configs_are_checked_and_operations_counted_without_torchs_compiler():
    """In a process of its own."""
    program = (
        "import sys\nfrom colorbench.runs import config\nfrom colorbench.training import schema\n"
        "for model in sys.argv[1:]:\n"
        "    schema.check(config.compose([f'model={model}']))\n"
        "    assert not {'torch._dynamo', 'sympy'} & set(sys.modules), model\n"
        "import torch\nfrom colorbench.registry import build\nfrom colorbench.training.flops import training_flops\n"
        "words = [f'model.network.{key}' for key in ('width=8', 'max_width=8', 'levels=2')]\n"
        "family = build('family', config.compose(['model=unet', *words])['model'], 'model')\n"
        "assert training_flops(family, 16, torch.device('cpu'))\n"
        "assert 'torch._dynamo' not in sys.modules, 'operations are counted'\n"
    )
    command = [sys.executable, "-c", program, "unet", "unetgan", "gan", "vae", "ddpm", "energy", "bins", "querydecoder"]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(HERE.parent)}, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
