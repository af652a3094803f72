"""What only a CUDA device can show. python -m pytest -m gpu"""

import json

import pytest
import torch
from safetensors.torch import load_file

from colorbench import color
from colorbench.noise import Noise

pytestmark = pytest.mark.gpu


def only(outputs):
    (run,) = [p.parent for p in outputs.rglob("status.json")]
    return run


def test_noise_and_color_are_the_same_on_the_gpu():
    ids = torch.arange(4)
    here, there = (Noise.of(3, ids.to(d)).normal("x", 2, 16, 16).cpu() for d in ("cpu", "cuda"))
    torch.testing.assert_close(here, there, atol=1e-5, rtol=1e-5)
    pixels = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8)
    L, ab = color.split(color.bytes_to_lab(pixels.cuda()))
    assert torch.equal(color.to_bytes(color.decode(L, ab)).cpu(), pixels)


@pytest.mark.parametrize("precision", ["bf16", "fp16", "fp32"])
def test_a_run_trains_and_is_evaluated_on_the_gpu(overrides, cli, tmp_path, precision):
    done = cli(*overrides("device=cuda", f"precision={precision}"))
    assert done.returncode == 0, done.stderr
    status = json.loads((only(tmp_path / "outputs") / "status.json").read_text())
    assert status["device"].startswith("cuda")
    assert status["state"] == "finished"


def test_a_deterministic_run_repeats_bit_for_bit_on_the_gpu(overrides, cli, tmp_path):
    weights = []
    for name in ("a", "b"):
        done = cli(*overrides("device=cuda", "deterministic=true", "evaluate=false", f"output={tmp_path / name}"))
        assert done.returncode == 0, done.stderr
        weights.append(load_file(only(tmp_path / name) / "checkpoints/last/weights.safetensors"))
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_compiled_networks_train(overrides, cli, tmp_path):
    done = cli(*overrides("device=cuda", "compile=true", "evaluate=false"))
    assert done.returncode == 0, done.stderr
