"""Configuration: Hydra composes, the registry builds, and a run is named by what it computes.

:func:`compose` turns command-line overrides into one plain, resolved dictionary and turns every mistake (an unknown
group, a misspelt key, a wrong type) into one line. :func:`identity` is the part of it that changes the science; its
hash names the run's folder, so that the same command resumes or skips instead of computing twice.
"""

import difflib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import platformdirs
import yaml

from colorbench.errors import UserError
from colorbench.runs import starter
from colorbench.runs.cells import expanded

COMPONENT_GROUPS = ("trunk", "loss", "adversary", "perceptual", "sampler")
"""Groups that a model uses only if its yaml refers to them as ``${group}``."""

NOT_SCIENCE = (
    "output",
    "study",
    "device",
    "logger",
    "keep",
    "force",
    "evaluate",
    "plugins",
    "data.root",
    "data.source",
    "data.cache",
    "data.workers",
    "data.threads",
    "data.resident_share",
    "data.file",
    "data.dataset",
    "data.shards",
    "engine.checkpoint_seconds",
    "engine.log_every",
    "monitor.previews",
    "metrics",
    "protocol",
)
"""Keys that do not change what a run computes. The data's pictures enter the hash by their fingerprint instead."""

MAPS = ("data.source.splits", "data.source.first", "optim.groups", "protocol.matters", "protocol.expect")
"""Keys whose value is a map with names of people's own; ``KEY={name: value}`` adds to it."""
REPLACED = ("optim.decay",)
"""Components that ``KEY={...}`` replaces: the options of the one before are not those of another."""
UNSAID = {"budget.epochs": None, "init_map": None, "data.filtered": "all", "ranks": 1}
"""Keys that earlier runs do not know, and the value that means what was done before there were any."""

_PLUGINS = ("joblib", "submitit_local", "submitit_slurm", "optuna")


def conf_dir() -> Path:
    """The folder of yaml files: the copy inside an installed package, else the checkout's."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def options(group: str) -> list[str]:
    """The choices of a config group."""
    return sorted(p.stem for p in (conf_dir() / group).glob("*.yaml"))


def cache_folder() -> str:
    """Where prepared data goes unless ``data.cache`` says otherwise: COLORBENCH_CACHE, or the system's folder of caches
    (``~/.cache/colorbench`` on Linux, below XDG_CACHE_HOME where it is set)."""
    named = os.environ.get("COLORBENCH_CACHE")
    if named:
        return named
    folder, home = Path(platformdirs.user_cache_dir("colorbench", appauthor=False)), Path("~").expanduser()
    return f"~/{folder.relative_to(home)}" if folder.is_relative_to(home) else str(folder)


def learn_words() -> None:
    """Teach OmegaConf what the yaml files say: ``${colorbench.cache:}``."""
    from omegaconf import OmegaConf

    OmegaConf.register_new_resolver("colorbench.cache", cache_folder, replace=True)


def described(group: str) -> dict[str, str]:
    """{option: the first comment of its yaml, up to ``: see``} of a config group, sorted."""
    return {name: _comment(conf_dir() / group / f"{name}.yaml") for name in options(group)}


def _comment(file: Path) -> str:
    first = file.read_text(encoding="utf-8").splitlines()[0]
    return first.removeprefix("# ").partition(": see ")[0] if first.startswith("#") else ""


def normalize(argv: Sequence[str]) -> list[str]:
    """``+experiment=x`` is ``experiment=x``; people type both. ``scale=s`` is the scale of the experiment beside it:
    ``scale=x/s`` where conf/scale/x/s.yaml exists (a stage a/b may take that of a). ``init_from=starter`` with neither
    model nor experiment is experiment=finetune: the starter's own model, and settings for few pictures. UserError: a
    group is given as a dictionary."""
    words = [re.sub(r"^\++(experiment=)", r"\1", word) for word in argv]
    for group, _, value in (word.lstrip("+").partition("=") for word in words):
        if re.match(r"\{|\[\s*\{", value) and (conf_dir() / group).is_dir():
            raise UserError(
                f"{group}={value}: a name is expected ({', '.join(options(group))}); keys of it: {group}.KEY=..."
            )
    words = [f"++{word}" if word.startswith(tuple(f"{key}={{" for key in MAPS)) else word for word in words]
    replaced = {word: key for word in words for key in REPLACED if word.startswith(f"{key}={{")}
    words = [w for word in words for w in ([f"~{replaced[word]}", f"+{word}"] if word in replaced else [word])]
    if f"init_from={starter.STARTER}" in words and not any(
        word.startswith(("model=", "experiment=")) for word in words
    ):
        words.append("experiment=finetune")
    chosen = dict(word.split("=", 1) for word in words if word.startswith(("experiment=", "scale=")))
    experiment, scale = chosen.get("experiment", ""), chosen.get("scale", "")
    if not (experiment and scale):
        return words
    if "," in experiment + scale:
        raise UserError(f"scale={scale}: one experiment and one scale at a time, not experiment={experiment}")
    names = (Path(experiment), *Path(experiment).parents)
    own = next(
        (f"{name / scale}" for name in names if (conf_dir() / "scale" / name / f"{scale}.yaml").is_file()), scale
    )
    return [f"scale={own}" if word == f"scale={scale}" else word for word in words]


def compose(overrides: Sequence[str], extra_dirs: Sequence[str] = ()) -> dict[str, Any]:
    """The resolved configuration of one run: :func:`composed` without the groups."""
    return composed(overrides, extra_dirs)[0]


def composed(overrides: Sequence[str], extra_dirs: Sequence[str] = ()) -> tuple[dict[str, Any], dict[str, str]]:
    """(the resolved configuration of one run, {config group: option} of what it was composed of, but for groups without
    an option).

    overrides: as typed (``model=unet``, ``data.size=64``). extra_dirs: folders of people's own yaml.
    Raises UserError: unknown option or key (with the close matches), bad syntax, a value left out.
    """
    import hydra
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import open_dict
    from omegaconf.errors import OmegaConfBaseException

    folders = [conf_dir(), *map(Path, extra_dirs)]
    overrides = expanded(normalize(overrides), folders)
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(config_dir=str(conf_dir()), version_base="1.3"):
            tree = hydra.compose("config", overrides=[*overrides, *_search(extra_dirs)], return_hydra_config=True)
            with open_dict(tree):
                own = tree.pop("hydra")
            return resolve(tree, overrides), chosen(own.runtime.choices)
    except (hydra.errors.HydraException, OmegaConfBaseException, ValueError) as error:  # ValueError: engine=null
        raise UserError(_explain(error, overrides)) from error


def choices(overrides: Sequence[str], extra_dirs: Sequence[str] = ()) -> dict[str, str]:
    """{config group: option} of what :func:`compose` composes; groups without an option are left out."""
    return composed(overrides, extra_dirs)[1]


def _search(extra_dirs: Sequence[str]) -> list[str]:
    """The word that lets Hydra look into folders of people's own."""
    paths = ",".join("file://" + str(Path(d).resolve()) for d in extra_dirs)
    return [f"hydra.searchpath=[{paths}]"] if extra_dirs else []


def chosen(choices: Mapping[str, Any]) -> dict[str, str]:
    """{config group: option} of Hydra's own record, without its groups and without those that follow from others."""
    return {group: name for group, name in choices.items() if name and not group.startswith(("hydra/", "by_model"))}


def resolve(tree: Any, overrides: Sequence[str]) -> dict[str, Any]:
    """What Hydra composed, as a plain dictionary; UserError for a value left out or a component that nobody uses."""
    from omegaconf import OmegaConf

    learn_words()  # also in a launcher's process
    missing = sorted(OmegaConf.missing_keys(tree))
    if missing:
        raise UserError(f"{missing[0]}: a value is needed; add {missing[0]}=... to the command")
    unused = _unused_component(tree, overrides)
    if unused:
        raise UserError(unused)
    config: Any = OmegaConf.to_container(tree, resolve=True)
    return {key: value for key, value in config.items() if key not in ("cell", "cells")}


def identity(config: Mapping[str, Any], fingerprint: str) -> dict[str, Any]:
    """What the run computes: its science, and the pictures it learns from."""
    found = science(config)
    for key in ("init_from", "init_map"):
        if found.get(key):
            found[key] = _named(found[key])
    return {**found, "pictures": fingerprint}


def science(config: Mapping[str, Any], *without: str) -> dict[str, Any]:
    """A copy of the configuration without :data:`NOT_SCIENCE` and the keys of ``without``."""
    left = json.loads(json.dumps(config))
    for key in (*NOT_SCIENCE, *without):
        *parents, leaf = key.split(".")
        node = left
        for parent in parents:
            node = node.get(parent) or {}
        node.pop(leaf, None)
    for key, nothing in UNSAID.items():  # what says nothing leaves the names of earlier runs as they are
        *above, leaf = key.split(".")
        node = left.get(above[0], {}) if above else left
        if node.get(leaf, nothing) == nothing:
            node.pop(leaf, None)
    return left


def _named(source: str) -> str:
    """A run by its model and digest, a file by a hash of its content too, the starter by what it holds."""
    if source == starter.STARTER:
        return starter.fingerprint()
    path = Path(source).expanduser()
    if not path.is_file():
        return _canonical(path)
    with path.open("rb") as file:
        return f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"


def say_unsaid(config: dict[str, Any]) -> dict[str, Any]:
    """A run's configuration with the keys that it was made without (:data:`UNSAID`); the same dictionary."""
    for key, nothing in UNSAID.items():
        *above, leaf = key.split(".")
        node = config.get(above[0]) if above else config
        if isinstance(node, dict):
            node.setdefault(leaf, nothing)
    return config


def _canonical(path: Path) -> str:
    """A run's folder by its model and its digest, whatever stands between them (:mod:`colorbench.runs.names`)."""
    end, file = re.search(r"-([0-9a-f]{10})$", path.name), path / "config.yaml"
    if end is None or not file.is_file():
        return path.name
    from colorbench.runs.run import read_config

    return f"{read_config(file)['run']['model']}-{end[1]}"


def digest(identity: Mapping[str, Any]) -> str:
    """10 hexadecimal digits that name a run."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:10]


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """('budget.images', 12000) and so on."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


@cache
def top_level() -> list[str]:
    """The keys that every run has: those of conf/config.yaml, and its groups."""
    tree = yaml.safe_load((conf_dir() / "config.yaml").read_text())
    groups = [key for entry in tree["defaults"] if isinstance(entry, dict) for key in entry if " " not in key]
    return [key for key in (*groups, *tree) if key not in ("defaults", "hydra", "experiment", "scale", "cell")]


def _unused_component(tree: Any, overrides: Sequence[str]) -> str | None:
    from omegaconf import OmegaConf

    model = OmegaConf.to_yaml(tree.model, resolve=False)
    for word in overrides:
        key = re.split(r"[=.@]", word.lstrip("+~"), maxsplit=1)[0]
        if key in COMPONENT_GROUPS and f"${{{key}" not in model and not word.endswith("=none"):
            return f"{word}: this model has no {key}; its yaml in conf/model does not refer to ${{{key}}}"
    return None


def _explain(error: Exception, overrides: Sequence[str]) -> str:
    """One line for what Hydra says in many."""
    from colorbench.registry import suggest

    text = str(error)
    plugin = re.search(rf"Could not (?:find|load) '(hydra/\w+)/({'|'.join(_PLUGINS)})'", text)
    if plugin:
        return f"{plugin[1]}={plugin[2]}: not installed; pip install 'colorbench[sweeps]'"
    missing = re.search(r"Could not find '([\w/@.]+)/([^']+)'", text) or re.search(
        r"In '[^']*': Could not find '([^'/]+)/([^']+)'", text
    )
    if missing:
        group, option = missing[1], missing[2]
        return f"unknown {group} {option!r}{suggest(option, options(group))}"
    mandatory = re.search(r"Missing mandatory value: (\S+)", text)
    if mandatory:
        return f"{mandatory[1]}: a value is needed; add {mandatory[1]}=... to the command"
    group = re.search(r"Could not override '([^']+)'", text)
    key = group[1] if group else None
    struct = re.search(r"Key '([^']+)' is not in struct\s+full_key: (\S+)", text)
    if struct:
        key = struct[2]
    if key:
        return f"unknown key {key!r}{_close_keys(key, overrides)}"
    first = " ".join(line.strip() for line in text.splitlines() if line.strip())
    return f"{first[:300]} (in: {' '.join(overrides)})" if overrides else first[:300]


def _close_keys(key: str, overrides: Sequence[str]) -> str:
    """What was meant, among the keys of what the words that choose options compose."""
    import hydra
    from omegaconf import OmegaConf

    with hydra.initialize_config_dir(config_dir=str(conf_dir()), version_base="1.3"):
        chosen = [word for word in overrides if "." not in word.split("=", 1)[0] and "=" in word]
        try:
            tree = hydra.compose("config", overrides=chosen)
        except Exception:  # one of them is wrong too: the default model's keys
            tree = hydra.compose("config")
        known = [k for k, _ in flatten(OmegaConf.to_container(tree, resolve=False))]  # type: ignore[arg-type]
    group, _, option = key.partition(".")
    owners = [
        file.stem
        for file in sorted((conf_dir() / group).glob("*.yaml"))
        if option in (yaml.safe_load(file.read_text()) or {})
    ]
    if owners and key not in known:
        return f"; it belongs to {' or '.join(f'{group}={owner}' for owner in owners)}"
    leaf = key.split(".")[-1]
    close = difflib.get_close_matches(key, known, n=3, cutoff=0.6)
    close += [
        k for k in known if difflib.SequenceMatcher(None, k.split(".")[-1], leaf).ratio() > 0.8 and k not in close
    ]
    known_groups = [p.name for p in conf_dir().iterdir() if p.is_dir()]
    close += [g for g in difflib.get_close_matches(key, known_groups, n=2, cutoff=0.7) if g not in close]
    return (
        f"; did you mean {' or '.join(repr(c) for c in close[:4])}?"
        if close
        else "; `python -m colorbench --cfg job` shows every key"
    )
