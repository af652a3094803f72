"""Rows of one model say in what they differ, as it would be typed."""

from typing import Any

import pytest

from colorbench.runs.config import compose
from colorbench.runs.labels import labels, settings


def record(*overrides: str, name: str = "resunetgan", **choices: str) -> dict[str, Any]:
    """What record.json says of a run of resunetgan."""
    return {
        "name": name,
        "group": "0123456789",
        "settings": settings(compose([f"model={name}", *overrides])),
        "choices": choices,
    }


def test_what_most_rows_have_in_common_goes_without_saying() -> None:
    rows = [
        record(adversary="bce", phases="warmup"),
        record("adversary=hinge", adversary="hinge", phases="warmup"),
        record("phases=none", adversary="bce", phases="none"),
        record("model.weights.distance=50", adversary="bce", phases="warmup"),
        record("model.weights.perceptual=0", adversary="bce", phases="warmup"),
        record(name="unet"),
    ]
    assert labels(rows) == [
        "resunetgan",
        "resunetgan adversary=hinge",
        "resunetgan phases=none",
        "resunetgan weights.distance=50",
        "resunetgan weights.perceptual=0",
        "unet",
    ]


def test_two_rows_have_no_majority_so_both_speak() -> None:
    rows = [record(adversary="bce"), record("adversary=hinge", adversary="hinge")]
    assert labels(rows) == ["resunetgan adversary=bce", "resunetgan adversary=hinge"]
    without_choices = [{**row, "choices": {}} for row in rows]
    assert labels(without_choices) == labels(rows)


def test_a_choice_speaks_for_its_settings_but_not_for_what_was_changed_within_it() -> None:
    squeeze = [
        record("perceptual=squeeze", f"perceptual.weights={w}", perceptual="squeeze") for w in ("none", "a/b.pth")
    ]
    rows = [record("perceptual=vgg", perceptual="vgg"), record("perceptual=none", perceptual="none"), *squeeze]
    assert labels(rows) == [
        "resunetgan perceptual=vgg perceptual.weights=imagenet",
        "resunetgan perceptual=none",
        "resunetgan perceptual=squeeze",
        "resunetgan perceptual=squeeze perceptual.weights=b",
    ]


@pytest.mark.parametrize("key", ["seed=7", "device=cpu", "output=elsewhere", "study=other", "protocol.draws=2"])
def test_what_is_no_science_is_no_setting(key: str) -> None:
    assert record() == record(key)


def test_rows_that_have_no_settings_are_told_apart_by_their_group() -> None:
    rows = [{"name": "theirs", "group": group} for group in ("first", "second")]
    assert labels(rows) == ["theirs (first)", "theirs (second)"]


def test_a_row_without_settings_beside_one_that_has_some_does_not_make_a_label_of_all_settings() -> None:
    old, new = {"name": "unet", "group": "before"}, {**record("model=unet"), "name": "unet", "group": "after"}
    assert labels([old, new]) == ["unet (before)", "unet (after)"]


def test_copies_the_execution_and_what_is_absent_are_words_only_where_nothing_else_tells_rows_apart() -> None:
    first = record("trunk=lite0", name="unet")
    slow = record("trunk=lite0", "trunk.train=slow", "monitor.best=val/ab_l1", "engine.channels_last=true", name="unet")
    assert labels([first, slow]) == ["unet", "unet trunk.train=slow"]
    watched = record("trunk=lite0", "monitor.best=val/ab_l1", name="unet")
    assert labels([first, watched]) == ["unet monitor.best=joint", "unet monitor.best=ab_l1"]
