"""Starting from another run's weights, of the same family or another, or from another program's file."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn

from colorbench.engine.checkpoint import Checkpoints
from colorbench.errors import UserError
from colorbench.families.mean import Mean
from colorbench.family import Family
from colorbench.registry import build
from colorbench.runs import config
from colorbench.training.start import propose, warm_start
from colorbench.training.train import spent_before

UNET = {"width": 8, "max_width": 8, "levels": 2}
PATCH = {"width": 8, "layers": 1}


def composed(model: str, *words: str, **parts: dict[str, Any]) -> dict[str, Any]:
    tree = config.compose(
        ["data=photos", f"model={model}", *words]
        + [f"model.{part}.{key}={value}" for part, options in parts.items() for key, value in options.items()]
    )
    return tree["model"]


def made(model: dict[str, Any], seed: int = 0) -> Family:
    torch.manual_seed(seed)
    return build("family", model, "model")


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., str]:
    """A run folder of a model that has trained, as far as anybody can tell."""

    def write(model: dict[str, Any], family: Family, name: str = "run") -> str:
        folder = tmp_path / name
        folder.mkdir()
        tree = {"model": model, "run": {"model": "m"}, "engine": {"patience": None}}
        (folder / "config.yaml").write_text(yaml.safe_dump(tree))
        state = {key: value.contiguous() for key, value in family.state_dict().items()}
        Checkpoints(folder / "checkpoints").save(8, state, state, {"images": 8})
        return str(folder)

    return write


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., list[str]]:
    """Start a family from a source; what was told."""

    def call(family: Family, source: str, mapping: str | None = None) -> list[str]:
        told: list[str] = []
        warm_start(family, source, mapping, output=tmp_path, tell=told.append)
        return told

    return call


def same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_a_warm_start_takes_the_averaged_weights_which_the_runs_pictures_were_made_with(tmp_path: Path) -> None:
    tree = {"model": {"family": "mean"}, "run": {"model": "mean"}, "engine": {"patience": None}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tree))
    raw, average = torch.tensor([0.1, 0.2]), torch.tensor([0.3, 0.4])
    Checkpoints(tmp_path / "checkpoints").save(8, {"ab": raw}, {"ab": average}, {"images": 8})
    family = Mean()
    warm_start(family, str(tmp_path), None, output=tmp_path, tell=print)
    assert torch.equal(family.ab, average)


def test_what_a_run_starts_from_is_counted_with_all_that_it_started_from(tmp_path: Path) -> None:
    config = {"model": {"family": "mean"}, "run": {"model": "mean"}, "engine": {"patience": None}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    status = {"images_seen": 100, "seconds": 5.0, "flops": 2.0, "before": {"images_seen": 50, "seconds": 1.0}}
    (tmp_path / "status.json").write_text(json.dumps(status))
    costs = spent_before(str(tmp_path))["before"]
    assert costs == {"images_seen": 150, "seconds": 6.0, "operations": 200.0}
    assert spent_before(None) == {}
    assert spent_before("starter") == {}


def test_the_network_of_a_regression_becomes_the_generator_of_a_game_and_it_is_said(
    run: Callable[..., str], start: Callable[..., list[str]]
) -> None:
    model = composed("unet", network=UNET)
    before, after = made(model, 1), made(composed("unetgan", generator=UNET, discriminator=PATCH), 2)
    fresh = made(composed("unetgan", generator=UNET, discriminator=PATCH), 2)
    told = start(after, run(model, before))
    assert same(after.generator, before.network)
    assert same(after.discriminator, fresh.discriminator)
    assert "generator is network of" in told[0]
    assert told[1].endswith("starts anew: discriminator; not taken: nothing")


def test_a_game_goes_on_with_a_perceptual_distance_that_it_did_not_have(
    run: Callable[..., str], start: Callable[..., list[str]]
) -> None:
    model = composed("unetgan", generator=UNET, discriminator=PATCH)
    judged = composed(
        "unetgan", "perceptual=trunk", "perceptual.trunk.weights=none", generator=UNET, discriminator=PATCH
    )
    before, after = made(model, 1), made(judged, 2)
    told = start(after, run(model, before))
    assert same(after.generator, before.generator)
    assert same(after.discriminator, before.discriminator)
    assert told[-1].endswith("starts anew: nothing; not taken: nothing")


def test_a_res_u_net_on_a_trunk_does_so_too(run: Callable[..., str], start: Callable[..., list[str]]) -> None:
    trunk = ("trunk=lite0", "trunk.weights=none", "trunk.width=8")
    model = composed("unet", "network@model.network=resunet", *trunk, network={"blocks": 1})
    game = composed("resunetgan", "perceptual=none", *trunk, generator={"blocks": 1}, discriminator=PATCH)
    before, after = made(model, 1), made(game, 2)
    told = start(after, run(model, before))
    assert same(after.generator, before.network)
    assert len(told) == 2


def test_the_generator_of_a_game_becomes_a_regression(run: Callable[..., str], start: Callable[..., list[str]]) -> None:
    model = composed("unetgan", generator=UNET, discriminator=PATCH)
    before, after = made(model, 1), made(composed("unet", network=UNET), 2)
    told = start(after, run(model, before))
    assert same(after.network, before.generator)
    assert told[1].endswith("starts anew: nothing; not taken: discriminator")


def test_an_enlarger_that_a_trained_model_did_not_have_starts_anew_and_it_is_said(
    run: Callable[..., str], start: Callable[..., list[str]]
) -> None:
    drawn = {"width": 8, "blocks": 1}
    trained = made(composed("flow", network=drawn), seed=1)
    learning = made(composed("flow", "model.enlarge=learned", network=drawn), seed=2)
    told = start(learning, run(composed("flow", network=drawn), trained))
    assert same(learning.trainable()["network"], trained.trainable()["network"])
    assert "starts anew: enlarging.net" in told[-1]
    again = made(composed("flow", "model.enlarge=learned", network=drawn | {"width": 16}), seed=3)
    source = run(composed("flow", "model.enlarge=learned", network=drawn), learning, "learned")
    with pytest.raises(UserError):
        start(again, source)


def test_a_network_that_does_not_fit_is_refused_and_nothing_is_changed(
    run: Callable[..., str], start: Callable[..., list[str]]
) -> None:
    model = composed("unet", network=UNET)
    game = composed("unetgan", generator={**UNET, "width": 16, "max_width": 16}, discriminator=PATCH)
    source = run(model, made(model, 1))
    family = made(game, 2)
    with pytest.raises(UserError, match="a checkpoint of another model"):
        start(family, source)
    assert same(family, made(game, 2))
    wide = composed("unetgan", generator={**UNET, "width": 16, "max_width": 16}, discriminator=PATCH)
    with pytest.raises(UserError, match="a checkpoint of another model"):  # its discriminator would fit
        start(made(composed("unetgan", generator=UNET, discriminator=PATCH)), run(wide, made(wide, 1), "wide"))


def foreign(family: Family) -> dict[str, Tensor]:
    """The same U-Net, as another program names it: a wrapper, other words, and a tensor that we do not have."""
    state = family.network.state_dict()
    return {f"module.net.{i}.{key.rsplit('.', 1)[1]}": value for i, (key, value) in enumerate(state.items())}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A foreign checkpoint, weights among other things."""
    family = made(composed("unet", network=UNET), 1)
    state = {**foreign(family), "module.auxiliary.weight": torch.zeros(3)}
    torch.save({"model": state, "epoch": 3, "cfg": {"lr": 2e-4}}, tmp_path / "best.pt")
    return tmp_path / "best.pt"


def test_a_foreign_file_is_not_taken_without_a_map_and_a_proposal_is_written(
    file: Path, start: Callable[..., list[str]]
) -> None:
    model = composed("unet", network=UNET)
    family = made(model, 2)
    with pytest.raises(UserError, match=r"best\.pt is not ours.*proposal \((\d+) of \1 found\)") as caught:
        start(family, str(file))
    assert "\n" not in str(caught.value)
    assert same(family, made(model, 2))
    (written,) = file.parent.glob("init_map-*.yaml")
    assert f"init_map={written}" in str(caught.value)
    told = start(family, str(file), str(written))
    assert same(family.network, made(model, 1).network)
    assert "start anew: nothing; of the file not taken: model.module.auxiliary.weight" in told[1]


def test_a_map_names_every_tensor_of_ours_and_each_as_it_is(file: Path, start: Callable[..., list[str]]) -> None:
    model = composed("unet", network=UNET)
    with pytest.raises(UserError, match="proposal"):
        start(made(model), str(file))
    (written,) = file.parent.glob("init_map-*.yaml")
    good = yaml.safe_load(written.read_text())
    head, body = "network.head.weight", "network.fold.0.weight"
    body = next(key for key in good if key.endswith("weight") and key != head)

    def told(change: dict[str, Any], *left_out: str) -> str:
        mapping = file.parent / "map.yaml"
        mapping.write_text(yaml.safe_dump({k: v for k, v in {**good, **change}.items() if k not in left_out}))
        family = made(model, 2)
        with pytest.raises(UserError) as caught:
            start(family, str(file), str(mapping))
        assert same(family, made(model, 2))
        return str(caught.value)

    assert f"{head} is missing; write `{head}: null`" in told({}, head)
    assert "there is no 'model.nowhere'" in told({head: "model.nowhere"})
    assert "the model has no tensor 'network.hea.weight'; did you mean" in told({"network.hea.weight": None})
    assert "write another, or null" in told({head: good[body]})
    mapping = file.parent / "map.yaml"
    mapping.write_text(yaml.safe_dump({**good, head: None}))
    family = made(model, 2)
    lines = start(family, str(file), str(mapping))
    assert f"start anew: {head};" in lines[1]
    assert torch.equal(family.network.head.weight, made(model, 2).network.head.weight)
    mapping.write_text("- a list")
    with pytest.raises(UserError, match="is no map"):
        start(family, str(file), str(mapping))
    with pytest.raises(UserError, match="cannot be read"):
        start(family, str(file), str(file.parent / "nowhere.yaml"))


def test_names_that_end_alike_are_proposed_before_the_order() -> None:
    two = torch.zeros(2)
    assert propose({"net.b.weight": two, "net.a.weight": two}, {"x.a.weight": two, "x.b.weight": two}) == {
        "net.b.weight": "x.b.weight",
        "net.a.weight": "x.a.weight",
    }
    assert propose({"net.b.weight": two}, {"x.q.bias": two}) == {"net.b.weight": None}


def test_a_map_without_a_file_is_told(run: Callable[..., str], start: Callable[..., list[str]]) -> None:
    model = composed("unet", network=UNET)
    with pytest.raises(UserError, match="drop init_map"):
        start(made(model), run(model, made(model)), "map.yaml")


def test_a_files_content_is_part_of_the_runs_name(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(b"1")
    name = partial(config.identity, config.compose([f"init_from={tmp_path / 'a.pt'}"]), "pictures")
    first = name()["init_from"]
    (tmp_path / "a.pt").write_bytes(b"2")
    assert first.startswith("a.pt ")
    assert name()["init_from"] != first
