"""Fewer channels: nothing changes when only dead ones go, and what is left trains, saves and exports."""

import re
import shlex

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torch import nn

from colorbench.__main__ import main as colorbench
from colorbench.commands.prune import main as prune_main
from colorbench.engine.checkpoint import Checkpoints
from colorbench.errors import UserError
from colorbench.inference import portable, prune
from colorbench.inference.anatomy import anatomy
from colorbench.registry import lookup, names
from colorbench.runs.run import open_run

from .conftest import MODELS, REGRESSION, UNET, colorful

NETWORKS = {
    "unet": {**UNET, "levels": 3, "blocks": 2, "max_width": 16},
    "unetcolorizer": {"network": "unetcolorizer", "inputs": 1, "outputs": 2, "base": 8, "poolings": 2},
    "autoencoder": {
        "network": "autoencoder",
        "inputs": 1,
        "outputs": 2,
        "width": 8,
        "max_width": 16,
        "levels": 3,
        "blocks": 1,
        "norm": "batch",
        "activation": "relu",
    },
}


def _with(name):
    return {**REGRESSION, "network": NETWORKS[name]}


@pytest.mark.parametrize("name", NETWORKS)
def test_channels_that_are_dead_go_and_the_answer_stays(name):
    config = _with(name)
    family = colorful(config)
    generator = torch.Generator().manual_seed(0)
    for module in family.modules():
        if isinstance(module, nn.BatchNorm2d):  # half of the channels, anywhere, are 0 for every picture
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            dead = torch.randperm(module.num_features, generator=generator)[: module.num_features // 2]
            with torch.no_grad():
                module.weight[dead], module.bias[dead] = 0.0, 0.0
    rises = [m for m in family.modules() if isinstance(m, nn.ConvTranspose2d)] if name == "unetcolorizer" else []
    for module in rises:  # these have no normalization behind them
        with torch.no_grad():
            module.weight[:, ::2], module.bias[::2] = 0.0, 0.0
    slim, smaller = prune.prune(family, config, 0.5)
    L = torch.rand(2, 1, 21, 30, generator=generator) * 2 - 1
    with torch.no_grad():
        before, after = family.network(L), slim.network(L)
    assert before.std() > 1e-3
    assert torch.allclose(before, after, atol=1e-5)
    large, small = anatomy(family, 32), anatomy(slim, 32)
    assert small.parameters < 0.35 * large.parameters
    assert small.operations < 0.4 * large.operations
    assert smaller["network"] == {
        **config["network"],
        **{k: v for k, v in smaller["network"].items() if "width" in k or k == "base"},
    }


def test_the_configuration_describes_the_pruned_model_alone(tmp_path):
    slim, smaller = prune.prune(colorful(_with("unet")), _with("unet"), 0.3)
    assert smaller["network"]["width"] == 6
    folder = portable.save(slim, portable.Portable("slim", 16, smaller), tmp_path / "slim", "# card\n")
    again, _ = portable.load(folder)
    L = torch.rand(1, 1, 16, 16) * 2 - 1
    with torch.no_grad():
        assert torch.equal(again.network(L), slim.network(L))


def test_the_help_says_of_every_network_whether_it_is_pruned(capsys):
    with pytest.raises(SystemExit):
        prune_main(["--help"])
    said = set(re.findall(r"\w+", capsys.readouterr().out))
    ours = {name for name in names("network") if lookup("network", name).__module__.startswith("colorbench.")}
    assert ours - said == set()


def test_models_whose_channels_are_summed_or_mixed_are_refused():
    grouped = {**REGRESSION, "network": {**UNET, "norm": "group"}}
    for config in (MODELS["vae"], grouped):
        with pytest.raises(UserError, match=r"prune: .* sums or mixes"):
            prune.prune(colorful(config), config, 0.5)
    for ratio in (0.0, 1.0, -1.0):
        with pytest.raises(UserError, match="--ratio"):
            prune.prune(colorful(REGRESSION), REGRESSION, ratio)


def test_a_second_input_is_kept_whole():
    slim, smaller = prune.prune(colorful(MODELS["retrieval"]), MODELS["retrieval"], 0.5)
    assert smaller["generator"]["width"] == 4
    assert smaller["discriminator"] == MODELS["retrieval"]["discriminator"]
    assert slim.generator.fold[0].weight.shape[:2] == (4, MODELS["retrieval"]["generator"]["inputs"] * 4)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["unet", "unetgan"])
def test_a_run_is_pruned_trained_on_by_the_printed_command_and_gets_better(model, tmp_path, capsys):
    key = "generator" if model == "unetgan" else "network"
    (tmp_path / "photos").mkdir()
    for i in range(60):
        small = np.random.default_rng(i).integers(0, 256, (2, 2, 3), dtype=np.uint8)
        small[..., 0] = 200  # reddish: something to learn
        Image.fromarray(small).resize((20, 20), Image.Resampling.BICUBIC).save(tmp_path / "photos" / f"{i}.png")
    network = f"model.{key}"
    words = [
        f"model={model}",
        f"{network}.width=16",
        f"{network}.max_width=16",
        f"{network}.levels=2",
        "data=folder",
        f"data.root={tmp_path / 'photos'}",
        f"data.cache={tmp_path / 'cache'}",
        "data.size=16",
        "data.workers=0",
        "batch_size=8",
        "budget.images=256",
        "monitor.images=8",
        "monitor.previews=0",
        "device=cpu",
        "precision=fp32",
        "evaluate=false",
        f"output={tmp_path / 'outputs'}",
        "optim.lr=0.003",
    ]
    colorbench(words)
    (first,) = (tmp_path / "outputs/default").iterdir()
    prune_main([str(first), "--ratio", "0.5", "-o", str(tmp_path / "slim")])
    said = capsys.readouterr().out.splitlines()
    assert said[-1].endswith(f"model.{key}.width=8 model.{key}.max_width=8 init_from={tmp_path / 'slim'}")
    with pytest.raises(UserError, match="not empty"):
        prune_main([str(first), "-o", str(tmp_path / "slim")])
    colorbench(shlex.split(said[-1])[3:])
    (second,) = (p for p in (tmp_path / "outputs/default").iterdir() if p != first)
    pruned, tuned = open_run(tmp_path / "slim"), open_run(second)
    assert pruned.status["parameters"] == tuned.status["parameters"] < open_run(first).status["parameters"]
    assert yaml.safe_load((second / "config.yaml").read_text())["model"][key]["width"] == 8
    assert not list(Checkpoints(tmp_path / "slim/checkpoints").folder.rglob("*.pkl"))
    data, cpu = tuned.data(), torch.device("cpu")
    batch = next(iter(data.train.batches(32, cpu)))
    errors = []
    for run in (pruned, tuned):
        with torch.no_grad():
            errors.append(float((getattr(run.family(cpu), key)(batch.L) - batch.ab).abs().mean()))
    assert errors[1] < errors[0], errors
