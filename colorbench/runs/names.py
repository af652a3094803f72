"""Names: what a run's folder is called, so that a person finds their own: ``unet-photos-64px-width16-seed1-8cf3d4``.

The model, the pictures, what differs from the model's own settings, the seed, and ten digits that alone say which run
it is: a folder is found by them whatever it is called, so that folders of earlier versions, and of photographs that
have moved, are found too.
"""

import glob
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from colorbench.errors import UserError
from colorbench.runs import config as configuration
from colorbench.runs.labels import labels, settings

_UNTOLD = ("init_from", "init_map", "precision", "engine.channels_last")
_DATA = ("data.limit", "data.level", "data.augment")
_WORDS = 40  # characters of what differs, at most


def place(study: Path, config: Mapping[str, Any], model: str, experiment: str, digest: str) -> Path:
    """The folder of a run in its study's: the one that there is, or one of a name that says what it is."""
    return found(study, model, digest) or study / "-".join([*told(config, model, experiment), digest])


def found(study: Path, model: str, digest: str) -> Path | None:
    """The folder of a model's run of that digest, whatever it is called."""
    return next(iter(sorted(study.glob(f"{glob.escape(model)}-*{digest}"))), None)


def told(config: Mapping[str, Any], model: str, experiment: str) -> list[str]:
    """The words of a run's name, without its digest."""
    pictures = _plain(_pictures(config["data"]))[:24]
    differences = _differences(config, model, experiment)
    return [model, pictures, f"{config['data']['size']}px", *differences, f"seed{config['seed']}"]


def _pictures(data: Mapping[str, Any]) -> str:
    source = data["source"]
    if source["source"] == "folder" and data.get("root"):
        return Path(data["root"]).expanduser().resolve().name
    if source["source"] == "list":
        return Path(source["file"]).stem
    return str(source.get("archive") or source.get("dataset") or source["source"]).rpartition("/")[2]


def _differences(config: Mapping[str, Any], model: str, experiment: str) -> list[str]:
    """Of the model's own settings, or of its experiment's: as many as a name has room for."""
    known = configuration.options("experiment")
    usual = _usual(f"model={model}", *([f"experiment={experiment}"] if experiment in known else []))
    if not usual:  # a model, or an experiment, of the user's own: its yaml is not ours to read
        return []
    mine = {"name": "", "group": "", "settings": _told_apart(config), "choices": {}}
    other = {**mine, "settings": _told_apart(usual)}
    chosen: list[str] = []
    for word in labels([{**other, "group": "1"}, {**other, "group": "2"}, mine])[-1].split(" "):
        key, equals, value = word.partition("=")
        if equals:
            key = key.rpartition(".")[2]
            short = _plain(f"{key}{'' if value[:1].isdigit() else '.'}{value}")
            if len("-".join([*chosen, short])) <= _WORDS:
                chosen.append(short)
    return chosen


@cache
def _usual(*words: str) -> dict[str, Any]:
    """What the words alone compose; nothing where they do not. Once in a process, which may train many runs."""
    for more in ([], ["data.root=."]):  # some experiments want a folder
        with suppress(UserError):
            return configuration.compose([*words, *more])
    return {}


def _told_apart(config: Mapping[str, Any]) -> dict[str, Any]:
    found = settings(config)
    told = {k: v for k, v in found.items() if not k.startswith("data.") or k.startswith(_DATA)}
    return {key: value for key, value in told.items() if not key.startswith(_UNTOLD)}


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "", text)
