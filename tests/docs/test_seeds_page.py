"""``docs/seeds.md``: every command is understood; every setting is one of the preset in whose section it stands."""

import argparse
import itertools
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from colorbench.commands import command
from colorbench.commands.overview import open_verb, verbs
from colorbench.runs import config
from colorbench.training import schema, stages

PAGE = Path(__file__).resolve().parents[2] / "docs" / "seeds.md"
LAUNCHER = "hydra/launcher="
SETTING = re.compile(r"\+?[a-z][\w.@/]*=\S+")


def spans() -> Iterator[tuple[str, str]]:
    """(number of the document, what stands as code in the right column), table lines only."""
    number = ""
    for line in PAGE.read_text().splitlines():
        if heading := re.match(r"## (\d{3}) ", line):
            number = heading[1]
        elif line.startswith("| ") and number:
            yield from ((number, code) for code in re.findall(r"`([^`]+)`", line.split(" | ", 1)[1]))


COMMANDS = sorted({code for _, code in spans() if code.startswith("colorbench ")})
SETTINGS = sorted({(number, code) for number, code in spans() if all(map(SETTING.fullmatch, code.split()))})


class Understood(Exception):
    """A verb's words were parsed; it is not carried out."""


@cache
def understood(words: tuple[str, ...]) -> dict[str, Any]:
    """What they compose to, against the schema. A launcher is only looked up: what it names is an extra."""
    launchers = [word.partition("=")[2] for word in words if word.startswith(LAUNCHER)]
    assert set(launchers) <= set(config.options("hydra/launcher"))
    tree = config.compose([word for word in words if not word.startswith(LAUNCHER)])
    schema.check(tree)
    return tree


def each(words: list[str]) -> Iterator[list[str]]:
    """Every run of a line with -m: a word with commas outside of brackets is several."""
    several = [[word] if word.startswith("model.") or "[" in word else _choices(word) for word in words if word != "-m"]
    yield from (list(one) for one in itertools.product(*several))


def _choices(word: str) -> list[str]:
    key, value = word.split("=", 1)
    return [f"{key}={one}" for one in value.split(",")]


def rooted(words: list[str]) -> list[str]:
    return words if any(word.startswith("data.root=") for word in words) else [*words, "data.root=PHOTOS"]


def test_there_is_something_to_check_in_every_section() -> None:
    assert {number for number, _ in spans()} == {"000", "001", "002", "003", "004"}
    assert len(COMMANDS) > 25
    assert len(SETTINGS) > 30


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_page_is_understood(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    verb, *rest = words = [word for word in shlex.split(line.removesuffix(" --cfg job"))[1:] if word != "..."]
    if verb == "stages":
        for stage in stages.split(rest):
            understood(tuple(stage))
    elif verb in verbs():
        parse, taken = argparse.ArgumentParser.parse_args, {}

        def only_parse(self: Any, *args: Any, **options: Any) -> None:
            taken.update(vars(parse(self, *args, **options)))
            raise Understood

        monkeypatch.setattr(command._Parser, "parse_args", only_parse)
        with pytest.raises((Understood, SystemExit)) as end:
            open_verb(verb)(rest)
        assert end.type is Understood or end.value.code == 0  # --help
        changed = [word for word in (*taken.get("words", ()), *taken.get("overrides", ())) if "=" in word]
        understood(("model=ddpm", *changed))  # which has a sampler
    else:
        for one in each(words):
            understood(tuple(rooted(one) if any("seed_" in word for word in one) else one))


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), SETTINGS, ids=" ".join)
def test_a_setting_of_the_page_is_one_of_its_documents_preset(number: str, code: str) -> None:
    words = code.split()
    preset = [] if any(word.startswith("experiment=") for word in words) else [f"experiment=seed_{number}"]
    understood(tuple(rooted([*preset, *words])))
