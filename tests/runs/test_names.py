"""A run's folder says what it is, and is found by what it computes."""

import pytest

from colorbench.runs.config import compose, identity
from colorbench.runs.names import place, told


def named(*words: str, model: str = "unet", experiment: str = "default") -> str:
    return "-".join(told({**compose([f"model={model}", *words]), "precision": "bf16"}, model, experiment))


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ([], "unet-scenes-64px-seed0"),
        (["seed=7", "data.size=32"], "unet-scenes-32px-seed7"),
        (["budget.images=2000", "optim.lr=0.01"], "unet-scenes-64px-lr0.01-images2000-seed0"),
        (["data=cifar10"], "unet-cifar10-32px-seed0"),
        (["data=folder", "data.root='/tmp/Ferien Fotos (1)'"], "unet-FerienFotos1-64px-seed0"),
        (["device=cpu", "output=x", "study=y", "precision=fp32", "logger=wandb"], "unet-scenes-64px-seed0"),
    ],
)
def test_a_run_is_called_by_what_tells_it_apart(words, name):
    assert set(named(*words).split("-")) == set(name.split("-"))


def test_a_choice_stands_for_what_comes_with_it():
    assert "hinge" in named("adversary=hinge", model="unetgan")
    assert len(named(*(f"optim.{key}=0.123" for key in ("lr", "weight_decay", "clip", "ema")))) < 90


def test_a_model_of_the_users_own_has_a_name_too(tmp_path):
    config = compose(["model=unet"])
    assert "-".join(told(config, "mine", "theirs")) == "mine-scenes-64px-seed0"


def test_a_folder_is_found_by_its_digest_whatever_it_is_called(tmp_path):
    config = compose(["model=unet"])
    (tmp_path / "unet-0123456789").mkdir()
    assert place(tmp_path, config, "unet", "default", "0123456789") == tmp_path / "unet-0123456789"
    assert place(tmp_path, config, "unet", "default", "abcdef0123").name == "unet-scenes-64px-seed0-abcdef0123"


def test_a_stage_is_the_same_run_whatever_the_one_before_is_called(tmp_path):
    names = ("unet-0123456789", "unet-holidays-64px-seed0-0123456789")
    found = []
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text("{model: {}, run: {model: unet}}")
        found.append(identity({**compose(["model=unet"]), "init_from": str(tmp_path / name)}, "")["init_from"])
    assert found == ["unet-0123456789"] * 2
