"""The presets of the seed documents: their values, to the letter; each run once, tiny; and where it says small."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from colorbench.errors import UserError
from colorbench.runs import config
from colorbench.runs.run import open_run
from colorbench.training import schema, stages
from colorbench.training.train import train

EIGHT = ("resnet", "unet", "gan", "unetgan", "vae", "unetvae", "ddpm", "ddim")
PRESETS = ("seed_000", "seed_000_plain", "seed_002", "seed_003", "seed_004")
PARTS = (
    "seed_002/1_subset",
    "seed_002/2_fine-tuned",
    "seed_002/3_fine-tuned_with_VGG",
    "seed_003/1_pretrain",
    "seed_003/2_game",
)
WORDS = [
    *([f"experiment={name}"] for name in (*PRESETS, *PARTS)),
    *(["experiment=seed_001", f"model={model}"] for model in EIGHT),
]

DOCUMENTS: dict[tuple[str, ...], dict[str, Any]] = {
    ("seed_000",): {
        "seed": 42,
        "batch_size": 8,
        "budget.epochs": 120,
        "budget.images": None,
        "data.size": 256,
        "data.limit": 1200,
        "data.val_limit": 150,
        "data.test_limit": 150,
        "data.augment.flip": 0.5,
        "data.augment.rotation": 15,
        "data.augment.jitter": 0.3,
        "data.augment.crop": 0.8,
        "data.augment.blur": 3,
        "model.generator.network": "resunet",
        "model.generator.depth": 18,
        "model.generator.weights": "imagenet",
        "model.generator.blocks": 9,
        "model.discriminator.network": "patch",
        "model.discriminator.layers": 3,
        "model.discriminator.norm": "batch",
        "model.discriminator.spectral": True,
        "model.embedder.trunk.name": "resnet18",
        "model.bank_limit": 500,
        "model.hint_weight": 0.2,
        "model.index.index": "flat",
        "model.adversary.adversary": "bce",
        "model.perceptual.distance": "lpips",
        "model.perceptual.net": "vgg",
        "model.weights.distance": 50,
        "model.weights.perceptual": 10,
        "optim.lr": 2e-4,
        "optim.betas": [0.5, 0.999],
        "optim.clip": 1.0,
        "optim.decay.every": 0.25,
        "optim.decay.gamma": 0.1,
        "engine.patience": 3,
        "engine.validate_every": "8.3334%",
        "engine.keep_every": "25%",
        "monitor.best": "val/ab_l1",
        "protocol.limit": 100,
    },
    ("seed_001", "unet"): {
        "seed": 8000,
        "batch_size": 64,
        "budget.epochs": 100,
        "optim.optimizer": "adam",
        "optim.lr": 1e-3,
        "optim.decay.decay": "constant",
        "data.limit": 3600,
        "data.val_limit": 618,
        "data.test_limit": 64,
        "model.distance.distance": "mse",
    },
    ("seed_001", "unetgan"): {
        "model.adversary.adversary": "bce",
        "model.weights.distance": 0,
        "model.weights.adversarial": 1,
        "optim.lr": 1e-3,
    },
    ("seed_001", "vae"): {
        "model.network.latent": 256,
        "model.network.prior": "standard",
        "model.divergence": "mean",
        "model.distance.distance": "mse",
        "model.weights.distance": 1,
        "model.weights.kl": 0.001,
    },
    ("seed_001", "ddim"): {"sampler.sampler": "ddim", "sampler.steps": 50},
    ("seed_002/1_subset",): {
        "budget.epochs": 30,
        "data.source.first.test2017": 10000,
        "data.test_limit": 10000,
        "protocol.name": "test10k",
        "data.filtered": "train",
        "model.family": "pix2pix",
        "data.size": 256,
    },
    ("seed_002/2_fine-tuned",): {
        "budget.epochs": 4,
        "data.limit": None,
        "optim.lr": 5e-5,
        "model.perceptual.distance": "none",
    },
    ("seed_002/3_fine-tuned_with_VGG",): {
        "budget.epochs": 1,
        "model.perceptual.distance": "vgg_feature",
        "model.weights.perceptual": 0.1,
    },
    ("seed_003",): {
        "budget.epochs": 6,
        "data.limit": 8000,
        "data.val_limit": 2000,
        "batch_size": 16,
        "engine.log_every": 1600,
        "engine.validate_every": 1600,
        "logger.tensorboard.logger": "tensorboard",
        "model.generator.levels": 8,
    },
    ("seed_003/1_pretrain",): {
        "budget.epochs": 10,
        "model.network.network": "resunet",
        "model.network.weights": "imagenet",
        "model.distance.distance": "l1",
    },
    ("seed_003/2_game",): {
        "budget.epochs": 15,
        "model.generator.weights": "imagenet",
        "model.weights.distance": 100,
        "model.adversary.adversary": "bce",
        "logger.tensorboard.logger": "tensorboard",
    },
    ("seed_004",): {
        "batch_size": 64,
        "budget.epochs": 15,
        "data.size": 256,
        "optim.optimizer": "adamw",
        "optim.lr": 2e-4,
        "model.network.base": 64,
        "model.distance.distance": "l1",
        "engine.accumulate": 4,
    },
}
"""What each document states, and the key that says so."""

NARROW = {
    "width": 8,
    "max_width": 16,
    "base": 4,
    "poolings": 2,
    "levels": 3,
    "blocks": 1,
    "posterior_width": 8,
    "latent": 16,
    "multipliers": [1],
    "condition_width": 8,
    "times": 1,
    "steps": 2,
    "stem": "half",
}
"""Option of a network -> what makes it quick, where it has one of the same type."""


@cache
def composed(*words: str) -> dict[str, Any]:
    return config.compose([*words, "data.root=x"])


@pytest.mark.parametrize("preset", DOCUMENTS, ids=" ".join)
def test_a_preset_says_what_its_document_says(preset: tuple[str, ...]) -> None:
    tree = composed(f"experiment={preset[0]}", *(f"model={model}" for model in preset[1:]))
    flat = dict(config.flatten(tree))
    assert {key: flat.get(key) for key in DOCUMENTS[preset]} == DOCUMENTS[preset]


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_a_preset_can_be_asked_for(words: list[str]) -> None:
    schema.check(composed(*words))


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_small_is_64_px_at_most_10000_images_and_nothing_that_is_not_installed(words: list[str]) -> None:
    tree = composed(*words, "scale=small")
    schema.check(tree)
    assert tree["data"]["size"] == 64
    assert tree["data"]["limit"] <= 10000
    assert tree["budget"]["images"] <= 10000
    assert tree["budget"]["epochs"] is None
    assert "imagenet" not in str(tree["model"])


def test_the_document_is_the_default_scale() -> None:
    assert composed("experiment=seed_000", "scale=document") == composed("experiment=seed_000")


def test_an_unknown_scale_and_a_scale_of_several_presets_are_told() -> None:
    with pytest.raises(UserError, match="unknown scale 'smal'; did you mean 'small'"):
        config.compose(["experiment=seed_000", "scale=smal"])
    with pytest.raises(UserError, match="one experiment and one scale at a time"):
        config.compose(["experiment=seed_000,seed_004", "scale=small"])


def test_a_preset_without_its_pretrained_weights_ends_in_one_line_that_says_where_to_put_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", _offline)
    with pytest.raises(UserError, match=r"resnet18.*neither cached nor to be had") as caught:
        stages.run([["experiment=seed_003/1_pretrain", "data.root=x"]])
    assert "\n" not in str(caught.value)


def _offline(*_: Any, **__: Any) -> None:
    raise OSError("no network")


def test_the_stages_of_an_experiment_are_the_files_of_its_folder() -> None:
    assert stages.split(["experiment=seed_002", "seed=1"]) == [
        [f"experiment=seed_002/{part}", "seed=1"] for part in ("1_subset", "2_fine-tuned", "3_fine-tuned_with_VGG")
    ]
    with pytest.raises(UserError, match="experiment=seed_004: has no stages"):
        stages.split(["experiment=seed_004"])


def test_the_figure_of_the_stages_calls_them_as_the_document_does() -> None:
    parts = stages.split(["experiment=seed_002", "scale=small"])
    assert [stages.called(n, words) for n, words in enumerate(parts, 1)] == [
        "subset",
        "fine-tuned",
        "fine-tuned with VGG",
    ]
    assert stages.called(2, ["experiment=families", "optim.lr=1e-4"]) == "stage 2"
    assert stages.called(1, ["experiment=recipe_subset"]) == "subset"


def tiny(photos: Path, tmp_path: Path, *words: str) -> list[str]:
    """The preset, narrow, on 16 px, for three steps."""
    common = [
        "scale=small",
        "data=folder",
        f"data.root={photos}",
        "data.workers=0",
        "data.cache=" + str(photos.parent / "cache"),
        "data.size=16",
        "batch_size=8",
        "budget.images=24",
        "engine.accumulate=1",
        "engine.log_every=8",
        "engine.validate_every=50%",
        "monitor.images=4",
        "monitor.previews=2",
        "device=cpu",
        "precision=fp32",
        "metrics=fast",
        "protocol.draws=2",
        "protocol.limit=4",
        "protocol.gallery=2",
        f"output={tmp_path / 'outputs'}",
    ]
    tree = config.compose([*words, *common])
    narrow = []
    for key, value in config.flatten({"model": tree["model"], "sampler": tree["sampler"], "trunk": tree["trunk"]}):
        parent, leaf = key.rpartition(".")[::2]
        if type(NARROW.get(leaf)) is type(value) and "embedder" not in key and f"{parent}.steps" != "model.steps":
            narrow.append(f"{key}={NARROW[leaf]}".replace(" ", ""))
    return [
        *words,
        *common,
        *(word for word in narrow if not word.startswith("model.sampler") and ".trunk." not in word),
    ]


def ran(words: list[str]) -> Path:
    chosen = config.choices(words)
    return train(
        config.compose(words), model=chosen["model"], experiment=chosen["experiment"], overrides=words, choices=chosen
    ).path


SLOW = pytest.mark.slow
RUNS = [
    pytest.param(words, marks=() if words[-1] in ("experiment=seed_004", "model=vae") else SLOW)
    for words in WORDS
    if "/" not in words[0]
]


@pytest.mark.parametrize("words", RUNS, ids=" ".join)
def test_a_preset_trains_and_is_judged(words: list[str], photos: Path, tmp_path: Path) -> None:
    run = ran(tiny(photos, tmp_path, *words))
    assert open_run(run).status["state"] == "finished"
    assert open_run(run).status["images_seen"] == 24
    assert list(run.glob("previews/*.png"))
    assert bool(list(run.rglob("events.out.tfevents*"))) == words[0].startswith("experiment=seed_003")


@pytest.mark.parametrize("name", [pytest.param("seed_002", marks=SLOW), "seed_003"])
def test_a_presets_stages_go_on_from_each_other(name: str, photos: Path, tmp_path: Path) -> None:
    words = [tiny(photos, tmp_path, *stage) for stage in stages.split([f"experiment={name}"])]
    folders = stages.run(words)
    with Image.open(folders[-1] / "stages.png") as figure:
        assert figure.width > figure.height * 1.5  # gray, truth and every stage beside each other, two pictures below
    assert len(folders) == len(words)
    assert all(open_run(folder).status["state"] == "finished" for folder in folders)
    assert [bool(open_run(folder).config["init_from"]) for folder in folders] == [False, *[True] * (len(folders) - 1)]
