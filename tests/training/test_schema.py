"""What a person can get wrong in a config is refused in one line, for every key that there is: the cases are generated
from the groups of conf/ and from the registered signatures, so that a new key cannot escape them."""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from colorbench import registry
from colorbench.errors import UserError
from colorbench.runs import config
from colorbench.training import schema

NUMBER = ("nonsense", "", True, [1], [], {"a": 1}, float("nan"), float("inf"), float("-inf"), -1, 1e30, 10**20)
WRONG = {
    bool: ("maybe", "", 2, 0.5, [True], {"a": True}),
    int: NUMBER,
    float: NUMBER,
    str: (3, 0.5, True, ["a"], {"a": "b"}, "", "\x00"),
    type(None): ([[1]], {"a": 1}, ""),
    dict: (3, "text", True, [1]),
    list: (3, True, {"a": 1}),
}
"""Type of a value in a yaml -> what is wrong in its place, whatever the key."""

GROUPS = [g for g in config.top_level() if (config.conf_dir() / g).is_dir()]
JUDGED_LATER = ("metrics", "protocol")

SIGNED = ("alarms", "mean")
"""Keys whose numbers may be negative."""


@cache
def composed(*overrides: str) -> dict[str, Any]:
    return config.compose(list(overrides))


def runs() -> Iterator[dict[str, Any]]:
    """A run of every option of every group that is a key of its own."""
    needed = {
        "coco": "root",
        "coco_test10k": "root",
        "kaggle_landscape": "root",
        "folder": "root",
        "imagenet": "root",
        "list": "file",
        "hub": "dataset",
        "stream": "shards",
    }
    users = {
        "loss": "unet",
        "trunk": "unet",
        "perceptual": "unet",
        "adversary": "gan",
        "sampler": "ddpm",
        "phases": "gan",
        "enlarger_only": "energy",
        "optim": "gan",
    }
    for group in GROUPS:
        for option in config.options(group):
            words = [f"{group}=[{option}]" if group == "logger" else f"{group}={option}"]
            if group == "data" and option in needed:
                words.append(f"data.{needed[option]}=x")
            if group != "model":
                model = users.get(option, users.get(group, "gray")) if option != "none" else "unet"
                words.append(f"model={model}")
            yield composed(*words)


def parts() -> Iterator[tuple[str, dict[str, Any]]]:
    """(kind, options) of every option of the groups that a model's yaml takes its parts from."""
    for folder in sorted(config.conf_dir().iterdir()):
        if folder.is_dir() and folder.name in registry.PACKAGES and folder.name not in GROUPS:
            for file in sorted(folder.glob("*.yaml")):
                part = OmegaConf.load(file)
                for chosen in part.pop("defaults", ()):  # {/trunk@trunk: lite0}
                    for where, option in chosen.items() if not isinstance(chosen, str) else ():
                        group, _, name = where.lstrip("/").partition("@")
                        part[name] = OmegaConf.load(config.conf_dir() / group / f"{option}.yaml")
                tree = OmegaConf.create({"model": {"chroma_scale": 4}, "trunk": None, "part": part})
                yield folder.name, OmegaConf.to_container(tree, resolve=True)["part"]


def subjects() -> Iterator[tuple[Callable[[Any], None], dict[str, Any]]]:
    """(what looks at it, a config)."""
    for tree in runs():
        yield schema.check, tree
    for kind, node in parts():
        yield lambda tree, kind=kind: registry.check(kind, tree["part"], "part"), {"part": node}


def places(node: Any, path: tuple = (), owner: tuple = ()) -> Iterator[tuple[tuple, tuple, Any]]:
    """(path, what tells the key from all others, value) of everything below a node."""
    if isinstance(node, dict):
        kind = next((f"{k} {node[k]}" for k in registry.PACKAGES if isinstance(node.get(k), str)), None)
        owner = (kind,) if kind else owner
        for key, value in node.items():
            yield (*path, key), (*owner, key), value
            yield from places(value, (*path, key), (*owner, key))
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield (*path, i), (*owner, "item"), value
            yield from places(value, (*path, i), (*owner, "item"))


def changed(tree: dict, path: tuple, value: Any) -> dict:
    tree = copy.deepcopy(tree)
    node = tree
    for key in path[:-1]:
        node = node[key]
    if value is REMOVED:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return tree


REMOVED = object()
# models of before these keys say nothing of them: guided, drawn from the whole distribution, at temperature 1
UNKNOWN_BEFORE = (("model", "enlarge"), ("model", "top_p"))
UNKNOWN_TO_OLD = (("family vae", "temperature"),)


def wrong_settings(known: list) -> Iterator[tuple[Callable[[Any], None], dict, tuple, Any]]:
    """(what looks at it, config, path, wrong value) of subjects: once for every key of every component and group."""
    seen = set()
    for look, tree in known:
        for path, key, value in places(tree):
            if path[0] in JUDGED_LATER or key in seen:
                continue
            seen.add(key)
            for wrong in WRONG[type(value)]:
                if wrong == -1 and set(path) & set(SIGNED):
                    continue
                if wrong is True and path[-1] == "channels_last":  # auto, or a switch
                    continue
                if wrong == 3 and path[-1] in ("log_every", "validate_every", "until"):  # so many images
                    continue
                yield look, tree, path, wrong
            if isinstance(value, dict) and path[-1] not in ("first", "splits", "options"):
                yield look, tree, (*path, "nope"), 1
            alias = path[0] == "data" and len(path) == 2 and path[1] in tree["data"]["source"]
            if (
                not alias
                and path not in (("part",), ("part", "trunk"), *UNKNOWN_BEFORE)
                and key not in UNKNOWN_TO_OLD
                and len(path) <= 1 + (path[0] in ("data", "engine", "monitor", "model", "optim", "part"))
            ):
                yield look, tree, path, REMOVED


def counted(every: int) -> tuple[int, int, list[tuple[str, str, str]]]:
    """(wrong settings refused in one line, keys, what was not), of every so-manieth wrong value; what the yaml say
    themselves is accepted, or this raises."""
    refused, others, keys = 0, [], set()
    known = list(subjects())
    for look, tree in known:
        look(tree)
    for number, (look, tree, path, wrong) in enumerate(wrong_settings(known)):
        keys.add(path)
        if number % every:
            continue
        try:
            look(changed(tree, path, wrong))
            others.append((".".join(map(str, path)), repr(wrong), "accepted"))
        except UserError as error:
            refused += "\n" not in str(error) and len(str(error)) < 500
        except Exception as error:
            others.append((".".join(map(str, path)), repr(wrong), f"{type(error).__name__}: {error}"[:200]))
    return refused, len(keys), others


@pytest.mark.timeout(600)
@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_what_the_yaml_say_is_accepted_and_every_wrong_setting_is_refused_in_one_line(every, capsys):
    """In a process of its own: the type checks of the test run would take most of a minute. Every fifth: keys have 3 to
    15 wrong values each, so that most meet two or three of them."""
    paths = os.pathsep.join([str(config.conf_dir().parent), str(Path(__file__).parent)])
    words = [sys.executable, "-c", f"import json, test_schema; print(json.dumps(test_schema.counted({every})))"]
    said = subprocess.run(words, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, timeout=500)
    assert said.returncode == 0, said.stderr
    refused, keys, others = json.loads(said.stdout)
    with capsys.disabled():
        print(f"\n{refused} wrong settings of {keys} keys are refused in one line, {len(others)} are not")
    assert not others
    assert refused >= 500 // every


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("seed=abc", r"seed: expected a whole number from 0 to 2\^63 - 1, got 'abc'"),
        ("seed=1.5", "seed: expected a whole number"),
        ("seed=99999999999999999999", "seed: expected a whole number"),
        ("~seed", "seed: is missing"),
        ("batch_size=0", "batch_size: expected a whole number from 1 to 65536, got 0"),
        ("batch_size=true", "batch_size: expected a whole number from 1 to 65536, got True"),
        ("engine.accumulate=0", "engine.accumulate: expected a whole number"),
        ("engine.accumulate=3", "engine.accumulate: batch_size=32 is no multiple of 3"),
        ("engine.log_every=0%", "engine.log_every: expected images"),
        ("engine=null", "engine"),
        ("budget.images=-3", "budget.images: expected a whole number"),
        ("budget.images=many", "budget.images: expected"),
        ("budget.seconds=nan", "budget.seconds: expected a number above 0 or null, got nan"),
        ("budget.images=null", "would never end"),
        ("budget.epochs=0", "budget.epochs: expected a number above 0 or null, got 0"),
        ("precision=fp8", "precision: expected one of auto, fp32, bf16, fp16"),
        ("optim.lr=0", "optim.lr: expected a number above 0, at most 100, got 0"),
        ("optim.lr=", "optim.lr: expected a number above 0, at most 100, got ''"),
        ("optim.clip=-5", "optim.clip: expected a number above 0 or null, got -5"),
        ("optim.ema=2", "optim.ema: expected a number from 0 to less than 1, got 2"),
        ("+optim.groups.critic={lr: 1}", "the model has no such group"),
        ("+optim.groups.generator={lr: -1}", "optim.groups.generator.lr: expected a number above 0"),
        ("model.weights.distance=-1", "model.weights.distance: expected a number of 0 or more"),
        ("model.weights={distance: 0, adversarial: 0, perceptual: 0}", "all are 0"),
        ("phases.phases=3", "phases.phases: expected a list"),
        ("phases.phases=[{weights: {distance: 0, adversarial: 0}}]", "are 0 in this phase"),
        ("plugins=['']", "plugins.0.: expected text"),
        ("model.generator.width=0", "model.generator.width: expected a whole number from 1 to 4096, got 0"),
        ("model.generator.levels=20", "model.generator.levels: expected a whole number from 1 to 12"),
        ("model.generator={network: patch}", "model.generator"),
        (
            "monitor.best=val/psnr",
            "monitor.best: expected one of val/joint, val/energy, val/ab_l1, val/delta_e76, val/loss, val/ab_drift",
        ),
        ("monitor.images=-1", "monitor.images: expected"),
        ("+monitor.alarms.hue=[0, 1]", "monitor.alarms: expected the names one of chroma_ratio"),
        ("study=../../evil", "study: expected a name that stays inside the output folder"),
        ("study=/home", "study: expected a name that stays inside"),
        ("+nope=1", "nope: no such key"),
        ("data.workers=-1", "data.workers: expected a whole number of 0 or more|data.workers: expected"),
        ("adversary=none", "model.adversary: expected Adversary, got the adversary 'none'"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_plain_sentence(override, words):
    with pytest.raises(UserError, match=words) as caught:
        schema.check(config.compose([override]))
    assert "\n" not in str(caught.value)


def test_a_model_that_no_computer_holds_is_refused_before_memory_is_asked_for():
    wide = ["model=unet", "model.network.width=4096", "model.network.max_width=4096", "model.network.blocks=100"]
    with pytest.raises(UserError, match="are more than any machine holds"):
        schema.check(config.compose(wide))
