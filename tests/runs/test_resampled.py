"""A diffusion's run judged with another sampler."""

from pathlib import Path
from typing import Any

import pytest

from colorbench.errors import UserError
from colorbench.evaluation.runs import nodes, run_record
from colorbench.runs import config
from colorbench.runs.labels import labels
from colorbench.runs.resampled import resampled, tag
from colorbench.runs.run import Run


def run(*words: str) -> Run:
    tree = config.compose(["data=photos", *words])
    choices = config.choices(["data=photos", *words])
    return Run(Path("nowhere"), {**tree, "run": {"model": choices["model"], "choices": choices}})


def sampler(of: Run) -> dict[str, Any]:
    assert of.config["model"]["sampler"] == of.config["sampler"]
    return of.config["sampler"]


def test_a_sampler_and_its_steps_replace_the_runs_own_and_nothing_else_changes() -> None:
    before = run("model=ddpm")
    after = resampled(before, ["sampler=dpmpp", "sampler.steps=7"])
    assert sampler(after)["sampler"] == "dpmpp"
    assert sampler(after)["steps"] == 7
    rest = {**after.config["model"], "sampler": before.config["model"]["sampler"]}
    assert rest == before.config["model"]
    assert sampler(before)["sampler"] == "ddpm"


def test_a_key_alone_keeps_what_the_run_was_trained_with() -> None:
    before = run("model=ddim", "sampler.eta=0.5")
    after = sampler(resampled(before, ["sampler.steps=9"]))
    assert after == {**sampler(before), "steps": 9}


def test_the_rows_are_called_by_what_differs() -> None:
    before = run("model=ddpm")
    after, other = (resampled(before, ["sampler=dpmpp", f"sampler.steps={n}"]) for n in (20, 5))
    assert tag(before, before) == ""
    assert len({tag(before, after), tag(before, other)}) == 2
    records = [{**_record(r), "group": str(i)} for i, r in enumerate((before, after, other))]
    assert labels(records) == [
        "ddpm sampler=ddpm sampler.steps=100",
        "ddpm sampler.steps=20",
        "ddpm sampler.steps=5",
    ]
    assert len({_record(r)["group"] for r in (before, after, other)}) == 3


def _record(of: Run) -> dict[str, Any]:
    return run_record(of)


def test_what_of_a_model_its_draws_alone_depend_on_can_be_changed() -> None:
    before = run("model=maskedbins")
    after, other = (resampled(before, [f"model.top_p={p}", "model.steps=5"]) for p in (0.5, 0.6))
    assert after.config["model"] == {**before.config["model"], "top_p": 0.5, "steps": 5}
    assert len({tag(before, after), tag(before, other), ""}) == 3
    again = resampled(run("model=bins"), ["model.decode=sample"])
    assert again.config["model"]["decode"] == "sample"


@pytest.mark.parametrize(
    ("model", "words", "message"),
    [
        ("maskedbins", ["model.order=raster"], "model.order=raster: of .* changed after training: model.steps"),
        ("maskedbins", ["model.top_p=0"], "model.top_p: expected a number above 0"),
        ("unet", ["model.steps=3"], "of unet can be changed after training: nothing of the model"),
        ("unet", ["sampler=dpmpp"], "--set sampler=dpmpp: unet draws from no sampler"),
        ("ddpm", ["sampler=dpmp"], "unknown sampler 'dpmp'; did you mean 'dpmpp'"),
        ("ddpm", ["sampler.step=3"], "unknown key 'sampler.step'.*'sampler.steps'"),
        ("ddpm", ["sampler.steps=0"], "sampler.steps: expected"),
        ("ddpm", ["sampler.steps=2", "optim.lr=1"], "--set optim.lr=1: here only how a model draws can be changed"),
    ],
)
def test_a_mistake_is_one_line(model: str, words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        resampled(run(f"model={model}"), words)
    assert "\n" not in str(caught.value)


def test_only_what_judges_and_what_draws_can_be_changed_after_training() -> None:
    assert nodes(["sampler=dpmpp", "sampler.steps=20"]) == {}
    with pytest.raises(UserError, match="only metrics"):
        nodes(["sampler=dpmpp", "optim.lr=1"])
