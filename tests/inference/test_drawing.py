"""A run colors photographs in the way that won in the table: the same words as ``evaluate --set``."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from colorbench.commands import portable
from colorbench.commands.colorize import main
from colorbench.engine.checkpoint import Checkpoints
from colorbench.errors import UserError
from colorbench.inference.colorizer import Colorizer
from colorbench.runs.folder import RunFolder

from .conftest import VAE, colorful, levels


@pytest.fixture
def run(tmp_path):
    """A trained VAE beside a gray photograph."""
    where = tmp_path / "run"
    config = {
        "model": {**VAE, "temperature": 1.0},
        "plugins": [],
        "engine": {"patience": None},
        "seed": 0,
        "data": {"size": 16, "limit": None, "source": {"source": "scenes"}},
        "run": {"model": "vae"},
    }
    with RunFolder(where) as folder:
        folder.write_text("config.yaml", yaml.safe_dump(config))
        folder.set_status("finished")
    weights = colorful(VAE).state_dict()
    Checkpoints(where / "checkpoints").save(0, weights, weights, {"images": 0})
    Image.fromarray(levels()).save(tmp_path / "gray.png")
    return where


def pixels(colorizer: Colorizer, photo: Path, draw: int) -> np.ndarray:
    return np.asarray(colorizer(photo, draw=draw)).astype(float)


def test_a_higher_temperature_draws_farther_apart_from_the_same_weights(run, tmp_path):
    photo = tmp_path / "gray.png"

    def apart(colorizer: Colorizer) -> float:
        return float(np.abs(pixels(colorizer, photo, 0) - pixels(colorizer, photo, 1)).mean())

    own = Colorizer.from_pretrained(run, device="cpu")
    same = Colorizer.from_pretrained(run, device="cpu", drawing=["model.temperature=1"])
    hot = Colorizer.from_pretrained(run, device="cpu", drawing=["model.temperature=3"])
    assert apart(same) == apart(own) > 0
    assert apart(hot) > 1.5 * apart(own)
    assert hot.digest == own.digest


def test_other_draws_are_colored_anew_and_the_file_says_how_it_was_drawn(run, tmp_path, capsys):
    out = tmp_path / "out"

    def colorize(*words: str) -> dict:
        words = (str(tmp_path / "gray.png"), "--model", str(run), "-o", str(out), "--uncertainty", *words)
        assert main([*words, "--device", "cpu"]) == 0
        return json.loads((out / "gray.json").read_text())

    plain = colorize()
    first = (out / "gray.png").read_bytes()
    hot = colorize("--set", "model.temperature=3")
    assert "drawing" not in plain
    assert hot["drawing"] == "model.temperature=3"
    assert (out / "gray.png").read_bytes() != first
    assert b"model.temperature=3" in (out / "gray.png").read_bytes()
    capsys.readouterr()
    colorize("--set", "model.temperature=3")
    assert "0 colored, 1 finished before" in capsys.readouterr().out


def test_what_was_measured_of_its_own_draws_is_not_said_of_others(run):
    own = Colorizer.from_pretrained(run, device="cpu")
    beside = own.weights.parent / "certainty.json"
    beside.write_text(json.dumps({"spread": [0.0, 5.0], "sure": [0.9, 0.2], "draws": 8}))
    assert own.certainty is not None
    assert Colorizer.from_pretrained(run, device="cpu", drawing=["model.temperature=3"]).certainty is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["model.kl=1"], "model.kl=1: of vae can be changed after training: model.temperature"),
        (["sampler=heun"], "sampler=heun: vae draws from no sampler"),
        (["seed=1"], "seed=1: here only how a model draws can be changed"),
    ],
)
def test_what_is_not_of_drawing_is_refused_in_a_line(run, tmp_path, words, said):
    with pytest.raises(UserError, match=said):
        main([str(tmp_path / "gray.png"), "--model", str(run), "--device", "cpu", "--set", *words])


def test_other_draws_are_packed_for_others_too(run, tmp_path):
    photo, words = tmp_path / "gray.png", ["model.temperature=3"]
    portable.main([str(run), "-o", str(tmp_path / "hot"), "--set", *words])
    packed = Colorizer.from_pretrained(tmp_path / "hot", device="cpu")
    hot = Colorizer.from_pretrained(run, device="cpu", drawing=words)
    assert np.array_equal(pixels(packed, photo, 1), pixels(hot, photo, 1))
    again = hot.save_pretrained(tmp_path / "again", run)
    assert (again / "config.json").read_text() == (tmp_path / "hot" / "config.json").read_text()


def test_a_portable_model_draws_as_it_was_packed(models, tmp_path):
    Image.fromarray(levels()).save(tmp_path / "gray.png")
    with pytest.raises(UserError, match=r"--set model\.temperature=2: .* draws as it was packed; give a run folder"):
        main([str(tmp_path / "gray.png"), "--model", str(models("vae")), "--set", "model.temperature=2"])
