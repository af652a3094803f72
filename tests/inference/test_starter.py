"""The starter: it is in the package, it is what its card says, and it colors with nothing else asked for."""

import json
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from colorbench.commands.colorize import main
from colorbench.engine.compact import SCALE, compact, expanded
from colorbench.errors import UserError
from colorbench.inference import portable
from colorbench.inference.colorizer import Colorizer
from colorbench.runs import config, starter
from colorbench.trunks.lite import EfficientNetLite
from colorbench.trunks.trunk import Trunk

from .conftest import levels


@pytest.fixture(scope="module")
def model():
    return Colorizer.from_pretrained(device="cpu")


def test_a_gray_photograph_is_colored_with_no_model_named_and_no_network(tmp_path, monkeypatch, capsys):
    def refuse(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.chdir(tmp_path)
    Image.fromarray(levels(150, 200)).save("scan.png")
    assert main(["scan.png", "--device", "cpu"]) == 0
    colored = np.asarray(Image.open("colorized/scan.png").convert("RGB")).astype(int)
    assert colored.shape == (150, 200, 3)
    assert np.ptp(colored, axis=2).max() > 5
    assert "1 colored" in capsys.readouterr().out


def test_the_file_is_small_names_its_trunk_and_carries_card_and_license():
    file = starter.FOLDER / "model.safetensors"
    assert file.stat().st_size <= 4 * 2**20
    names = portable.read_header(file)
    assert not [name for name in names if ".trunk.body." in name]
    assert [name for name in names if name.endswith("trunk.fingerprint")]
    card = (starter.FOLDER / "README.md").read_text()
    assert "non-commercial research" in card
    assert "95 % interval" in card
    assert "weights" in (starter.FOLDER / "LICENSE").read_text()


def test_its_answer_is_the_mean_of_its_draws(model):
    L = torch.from_numpy(levels(128, 128).astype(np.float32) / 127.5 - 1.0)[None, None]
    draws = torch.stack([model.chroma(L, draw=k) for k in range(model.average)])
    assert model.average > 1
    assert draws.std(dim=0).mean() > 0.005
    assert torch.allclose(model.chroma(L), draws.mean(dim=0))


def test_the_trunk_looks_once_at_a_photograph_however_many_draws_there_are(model, monkeypatch):
    looks = []
    forward = EfficientNetLite.forward_intermediates
    monkeypatch.setattr(
        EfficientNetLite,
        "forward_intermediates",
        lambda self, x, **chosen: looks.append(x) or forward(self, x, **chosen),
    )
    pictures = [torch.from_numpy(levels(128, w).astype(np.float32) / 127.5 - 1.0)[None, None] for w in (144, 160)]
    again = [[model.chroma(L, draw=k) for k in range(3)] for L in pictures]
    assert len(looks) == 2
    for module in model.family.modules():
        if isinstance(module, Trunk):
            monkeypatch.setattr(module, "kept", None)
    for L, draws in zip(pictures, again, strict=True):
        assert all(torch.equal(model.chroma(L, draw=k), draw) for k, draw in enumerate(draws))
    assert len(looks) == 8


def test_a_wheel_of_another_trunk_is_refused(tmp_path, monkeypatch):
    tensors = load_file(starter.FOLDER / "model.safetensors")
    name = next(name for name in tensors if name.endswith("fingerprint"))
    (tmp_path / "config.json").write_text((starter.FOLDER / "config.json").read_text())
    save_file({**tensors, name: tensors[name] ^ 1}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=r"trunk\.weights"):
        portable.load(tmp_path)


@pytest.mark.parametrize("wanted", ["imagenet", "/etc/passwd"])
def test_a_file_may_ask_for_a_wheel_and_for_nothing_else_of_this_machine(wanted, tmp_path):
    described = json.loads((starter.FOLDER / "config.json").read_text())
    described["model"]["network"]["second"] = {"weights": wanted}
    (tmp_path / "config.json").write_text(json.dumps(described))
    (tmp_path / "model.safetensors").write_bytes((starter.FOLDER / "model.safetensors").read_bytes())
    with pytest.raises(UserError, match="refused"):
        portable.load(tmp_path)


@pytest.mark.parametrize(("bits", "worst"), [(8, 1 / 250), (16, 1 / 2000), (32, 0)])
def test_fewer_bits_cost_a_row_no_more_than_they_say(bits, worst):
    torch.manual_seed(0)
    state = {"w": torch.randn(7, 3, 3) * torch.logspace(-3, 3, 7)[:, None, None], "zero": torch.zeros(2, 2)}
    state |= {"bias": torch.randn(7) * 1e6, "count": torch.tensor(3)}
    back = expanded(compact(state, bits), "file")
    assert {k: (v.shape, v.dtype) for k, v in back.items()} == {k: (v.shape, v.dtype) for k, v in state.items()}
    gap = (back["w"] - state["w"]).abs().amax(dim=(1, 2)) / state["w"].abs().amax(dim=(1, 2))
    assert gap.max() <= worst
    assert all(torch.equal(back[name], state[name]) for name in ("zero", "bias", "count"))


def test_scales_that_do_not_fit_are_refused():
    good = compact({"w": torch.randn(4, 3)}, 8)
    for wrong in ({"w" + SCALE: torch.ones(3)}, {"w": torch.ones(4, 3)}, {"x" + SCALE: torch.ones(4)}):
        with pytest.raises(UserError, match="damaged"):
            expanded({**good, **wrong}, "file")


def test_fine_tuning_begins_with_the_starter_s_own_model():
    words = ["experiment=finetune", "data=folder", "data.root=MINE"]
    asked = config.compose(words)
    described = json.loads((starter.FOLDER / "config.json").read_text())
    assert asked["init_from"] == "starter"
    assert asked["data"]["size"] == described["size"]
    mine = portable._fileless(json.loads(json.dumps(asked["model"])), kept=("wheel",))
    assert mine == described["model"]
    assert config.identity(asked, "")["init_from"] == starter.fingerprint() != "starter"
    assert Path(starter.fingerprint()).name == starter.fingerprint()
    assert config.compose(["init_from=starter", *words[1:]]) == asked
    assert config.compose(["init_from=starter", "model=unet", *words[1:]])["model"]["family"] == "regression"
