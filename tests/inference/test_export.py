"""Files for other runtimes answer like PyTorch."""

import ast
import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from colorbench import color
from colorbench.commands.export import main
from colorbench.errors import UserError
from colorbench.inference import standalone
from colorbench.inference.colorizer import Colorizer
from colorbench.inference.export import Finish, export, fused, numbers, runner
from colorbench.noise import Noise

from .conftest import REGRESSION, colorful


def _lightness(count=8):
    small = torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return nn.functional.interpolate(small, (16, 16), mode="bicubic").clamp(-1, 1)


def test_fused_normalizations_change_nothing_and_are_gone():
    family = colorful(REGRESSION)
    for module in family.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.5, 2)
    quick = fused(family)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in quick.modules())
    assert any(isinstance(m, nn.BatchNorm2d) for m in family.modules())
    L = _lightness()
    with torch.no_grad():
        assert torch.allclose(quick.network(L), family.network(L), atol=1e-5)


@pytest.mark.parametrize("rgb", [False, True])
@pytest.mark.parametrize("kind", ["onnx", "onnx-int8", "torch-export"])
def test_other_batches_and_sizes_than_the_traced_ones_agree(kind, rgb, models, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    model = Colorizer.from_pretrained(models("regression"), device="cpu")
    file = tmp_path / ("a.pt2" if kind == "torch-export" else "a.onnx")
    found = export(model, kind, file, _lightness(), rgb)
    assert file.stat().st_size == found["bytes"]
    assert found["max_difference"] < (0.2 if kind == "onnx-int8" else 1e-5)
    assert found["ciede2000_mean"] < (5.0 if kind == "onnx-int8" else 1e-3)
    assert (tmp_path / f"{file.name}.json").is_file()
    assert np.isfinite(found["milliseconds"])


PICTURE = {
    **REGRESSION,
    "head": "rgb",
    "network": {"network": "unetcolorizer", "inputs": 1, "outputs": 3, "base": 8, "poolings": 2},
}


@pytest.mark.parametrize("kind", ["onnx", pytest.param("torch-export", marks=pytest.mark.slow)])
def test_a_network_that_answers_with_a_picture_is_exported_with_the_way_back_to_chroma(kind, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    family = colorful(PICTURE)
    nn.init.normal_(family.network.head.weight, 0.0, 3.0)
    file = tmp_path / ("a.pt2" if kind == "torch-export" else "a.onnx")
    found = export(Colorizer(family, 16, "picture", torch.device("cpu"), tmp_path), kind, file, _lightness())
    assert found["max_difference"] < 1e-5
    L = _lightness(3)
    with torch.no_grad():
        ab = family.colorize(L, Noise.of(0, torch.arange(3))).numpy()
    assert ab.shape == (3, 2, 16, 16)
    assert ab.std() > 0.01
    assert np.abs(runner(file, ("L",))(L) - ab).max() < 1e-5


def test_what_cannot_be_exported_is_refused(models, tmp_path):
    for name in ("vae", "retrieval"):
        with pytest.raises(UserError, match="cannot be exported"):
            main([str(models(name)), "-o", str(tmp_path / "x.onnx")])
    with pytest.raises(UserError, match="--pictures"):
        main([str(models("regression")), "--format", "onnx-int8"])


DIFFUSION = {
    "family": "diffusion",
    "chroma_scale": 2,
    "min_snr": None,
    "times": 1,
    "drop": 0.0,
    "weights": {"denoising": 1},
    "preview": {"sampler": "euler", "steps": 1, "guidance": 1.0, "temperature": 1.0},
    "network": {
        "network": "denoiser",
        "outputs": 2,
        "scale": 2,
        "width": 8,
        "multipliers": [1, 2],
        "blocks": 1,
        "attention": 1,
        "condition_width": 8,
        "norm": "batch",
        "dropout": 0.0,
    },
}
COSINE = {"schedule": "cosine", "shift": 4.0}
KARRAS = {"schedule": "karras", "highest": 160.0, "lowest": 0.004, "rho": 7.0, "mean": 0.0, "deviation": 1.2}
CHURN = {"sampler": "heun", "steps": 3, "churn": 1.0, "lowest": 0.05, "highest": 50.0, "inflation": 1.003}
LOOPS = [
    ({"sampler": "ddpm", "steps": 4}, COSINE, {"parameterization": "v"}),
    (CHURN, KARRAS, {"parameterization": "karras", "data": 1.0}),
    pytest.param(
        {"sampler": "ddim", "steps": 4, "eta": 0.5}, COSINE, {"parameterization": "eps"}, marks=pytest.mark.slow
    ),
    pytest.param({"sampler": "dpmpp", "steps": 5}, COSINE, {"parameterization": "x0"}, marks=pytest.mark.slow),
    pytest.param(
        {"sampler": "euler", "steps": 5},
        {"schedule": "straight", "shift": 4.0, "spread": None},
        {"parameterization": "velocity"},
        marks=pytest.mark.slow,
    ),
]
EVERY_LOOP = [case.values if hasattr(case, "values") else case for case in LOOPS]


@pytest.mark.parametrize(("sampler", "schedule", "parameterization"), LOOPS)
def test_the_loop_beside_a_denoiser_draws_what_pytorch_draws(sampler, schedule, parameterization, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    sampler = {**sampler, "guidance": 1.0, "temperature": 0.8}
    family = colorful({**DIFFUSION, "sampler": sampler, "schedule": schedule, "parameterization": parameterization})
    for name, x in family.network.named_parameters():  # layers that start at zero would hide what comes before them
        if not x.any():
            nn.init.normal_(x, 0.0, 0.05 if name.startswith("out") else 0.2)
    model = Colorizer(family, 16, "diffusion", torch.device("cpu"), tmp_path)
    found = export(model, "onnx", tmp_path / "a.onnx", _lightness())
    assert found["max_difference"] < 1e-4
    assert sorted(found["beside"]) == ["a.finish.onnx", "a.loop.json", "a.sample.py"]
    spec = importlib.util.spec_from_file_location("sample", tmp_path / "a.sample.py")
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    gray = (_lightness(2)[:, 0].numpy() + 1) / 2
    gray = np.pad(gray, ((0, 0), (0, 2), (0, 4)), mode="edge")  # 18 x 20: no multiple of the stride
    noise = Noise.of(3, torch.arange(2))
    mine = program.Sampler(tmp_path / "a.loop.json")(gray, lambda what, shape: noise.normal(what, *shape[1:]).numpy())
    stride = json.loads((tmp_path / "a.loop.json").read_text())["stride"]
    bottom, right = -18 % stride, -20 % stride
    L = torch.from_numpy(program.lightness(gray))[:, None]
    L = nn.functional.pad(L, (0, right, 0, bottom), mode="replicate")
    with torch.no_grad():
        theirs = color.decode(L, family.colorize(L, noise)).clamp(0, 1)[:, :, :18, :20]
    assert theirs.std(dim=1).mean() > 0.01
    assert np.abs(mine - theirs.permute(0, 2, 3, 1).numpy()).max() < 2e-3


def test_a_loop_that_the_program_cannot_make_is_refused(tmp_path):
    sampler = {"sampler": "euler", "steps": 4, "guidance": 2.0, "temperature": 1.0}
    parts = {"sampler": sampler, "schedule": COSINE, "parameterization": {"parameterization": "v"}, "drop": 0.1}
    model = Colorizer(colorful({**DIFFUSION, **parts}), 16, "diffusion", torch.device("cpu"), tmp_path)
    with pytest.raises(UserError, match=r"sampler\.guidance"):
        export(model, "onnx", tmp_path / "a.onnx", _lightness())


@pytest.mark.parametrize(
    "sampler",
    [
        {"sampler": "consistency", "steps": 2, "highest": 80.0, "lowest": 1.0},
        {"sampler": "diffusers", "steps": 2, "scheduler": "DDIMScheduler", "options": {}},
    ],
    ids=["consistency", "diffusers"],
)
def test_a_sampler_whose_steps_are_no_numbers_says_so(sampler, tmp_path):
    pytest.importorskip("diffusers")
    sampler = {**sampler, "guidance": 1.0, "temperature": 1.0}
    parts = {"sampler": sampler, "schedule": COSINE, "parameterization": {"parameterization": "v"}}
    with pytest.raises(UserError, match=r"cannot be exported.*sampler=euler"):
        colorful({**DIFFUSION, **parts}).exported()


def test_the_shipped_program_needs_neither_pytorch_nor_colorbench():
    source = Path(standalone.__file__).read_text()
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported - set(sys.stdlib_module_names) == {"numpy", "onnxruntime", "PIL"}
    gray = torch.linspace(0, 1, 50)
    L = color.encode(gray.view(1, 1, 1, 50).expand(1, 3, 1, 50).contiguous())[0].flatten()
    assert np.abs(standalone.lightness(gray.numpy()) - L.numpy()).max() < 1e-4


@pytest.mark.parametrize(("sampler", "schedule", "parameterization"), EVERY_LOOP)
def test_the_numbers_of_a_loop_make_the_sampler_s_picture_without_its_equations(sampler, schedule, parameterization):
    """The shipped program with PyTorch's own networks in place of the two graphs: needs no onnxruntime."""
    sampler = {**sampler, "guidance": 1.0, "temperature": 0.8}
    family = colorful({**DIFFUSION, "sampler": sampler, "schedule": schedule, "parameterization": parameterization})
    for x in family.network.parameters():
        if not x.any():
            nn.init.normal_(x, 0.0, 0.05)
    finish = Finish(family.mean, family.std, family.chroma_scale)

    def graph(module, names):
        def run(_, inputs):
            with torch.no_grad():
                return [module(*(torch.from_numpy(np.ascontiguousarray(inputs[n])) for n in names)).numpy()]

        return SimpleNamespace(run=run)

    program = standalone.Sampler.__new__(standalone.Sampler)
    program.plan = {"stride": 4, **numbers(family.exported())}
    program.denoiser, program.finish = graph(family.network, ("x", "t", "L")), graph(finish, ("x", "L"))
    gray, noise = (_lightness(2)[:, 0].numpy() + 1) / 2, Noise.of(3, torch.arange(2))
    mine = program(gray, lambda what, shape: noise.normal(what, *shape[1:]).numpy())
    L = torch.from_numpy(standalone.lightness(gray))[:, None]
    with torch.no_grad():
        theirs = color.decode(L, family.colorize(L, noise)).clamp(0, 1)
    assert theirs.std(dim=1).mean() > 0.01
    assert np.abs(mine - theirs.permute(0, 2, 3, 1).numpy()).max() < 2e-3
