"""The reference of every config key: its default from the yaml, what it may be from the signature that checks it."""

import inspect
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra

from colorbench.data.dataset import prepared
from colorbench.engine import optimizers
from colorbench.engine.budget import Limits
from colorbench.engine.engine import Settings
from colorbench.evaluation import protocol
from colorbench.registry import PACKAGES
from colorbench.runs.config import COMPONENT_GROUPS, conf_dir, described, learn_words, options, top_level
from colorbench.training import schema
from colorbench.training.monitor import Options
from written import comments, text
from written.schema import Key, component, kind_of, of_node, of_signature

ALONE = ("network", "schedule", "parameterization")
"""Groups that only models take, under a key of theirs."""
PRESETS = ("experiment", "scale", "phases")
"""Groups whose files are shown as they are."""
CHECKED: dict[str, Callable[..., Any]] = {
    "engine": Settings,
    "monitor": Options,
    "protocol": protocol._settings,
}
GROUPS = {
    "data": "Which pictures, cut to which size, and how they are varied.",
    "trunk": "A trained network as the model's encoder.",
    "loss": "The distance between a coloring and the truth, of models whose yaml says `${loss}`.",
    "adversary": "The rule of the game, of models whose yaml says `${adversary}`.",
    "perceptual": "A distance in the features of a trained network, of models whose yaml says `${perceptual}`.",
    "sampler": "How a denoiser is followed from noise to colors.",
    "network": "The networks that models are made of: `model.network.width=32`, or another one by "
    "`network@model.network=NAME`.",
    "schedule": "The path from colors to noise: `schedule@model.schedule=NAME`.",
    "parameterization": "What a denoiser predicts: `parameterization@model.parameterization=NAME`.",
    "optim": "The optimizer, its rate, its average of the weights; `optim.groups` gives a part of the model its own.",
    "phases": "Until when which weights, rates and parts: a list, in order.",
    "engine": "The loop: micro-batches, validation, checkpoints, early stopping.",
    "monitor": "What is watched on validation pictures, and what rings an alarm.",
    "metrics": "What is measured; every metric has a name, `~metrics.NAME` drops it.",
    "protocol": "Which pictures are judged, and how often each is colored.",
    "logger": "Where numbers go besides `metrics.jsonl` and `metrics.csv`.",
    "experiment": "Presets: a file of overrides with a name.",
    "scale": "An experiment, cut to a machine.",
}


def pages() -> dict[str, str]:
    """{address: Markdown}."""
    made = {f"reference/keys/{group}.md": page(group) for group in GROUPS}
    return {"reference/keys/index.md": _index(), **made}


def menu() -> list[Any]:
    """The part of the menu that leads to the reference."""
    groups = ["reference/keys/index.md", *({group: f"reference/keys/{group}.md"} for group in GROUPS)]
    others = {"Commands": "reference/commands.md", "API": "reference/api.md", "Seeds": "seeds.md"}
    last = {"Releases": "release.md", "Photographs": "photographs.md"}
    return ["reference/index.md", {"Keys": groups}, *({k: v} for k, v in {**others, **last}.items())]


@cache
def composed(*overrides: str) -> Any:
    """The config of some overrides, unresolved."""
    return _hydra("config", *overrides)


def keys_of(group: str, option: str) -> list[Key]:
    """The keys of one option of a group."""
    if group in ALONE:
        return list(of_node(_hydra(f"{group}/{option}")[group], group))
    node = composed(f"{group}={'[' + option + ']' if group == 'logger' else option}")[group]
    return list(_of(group, node))


def top() -> list[Key]:
    """The keys that are no group, and the budget."""
    node = composed()
    return [*of_signature(schema.settings, node, ""), *of_signature(Limits, node["budget"], "budget")]


def _of(group: str, node: Any) -> Iterator[Key]:
    if group == "data":
        own = [key for key in node if key not in inspect.signature(prepared).parameters]
        yield from (Key(f"data.{key}", node._get_node(key)._value(), f"see data.source.{key}") for key in own)
        yield from of_signature(prepared, node, "data")
    elif group == "optim":
        yield Key("optim.optimizer", node["optimizer"], "an optimizer")
        yield from of_signature(component(node), node, "optim")
        yield from of_signature(optimizers.pace, node, "optim")
        yield from of_signature(optimizers.shared, node, "optim")
    elif group in CHECKED:
        yield from of_signature(CHECKED[group], node, group)
    elif group in ("metrics", "logger"):
        for key in node:
            yield from (
                of_node(node[key], f"{group}.{key}")
                if kind_of(node[key])
                else (Key(f"{group}.{key}", node[key], "one of none, ddcolor"),)
            )
    else:
        yield from of_node(node, group)


def page(group: str) -> str:
    """The page of one group: its options, each with its keys."""
    parts = [f"# {group}\n\n{GROUPS[group]}\n"]
    for option in options(group):
        file = conf_dir() / group / f"{option}.yaml"
        given = f"{group}={option}"
        head = f"## {option}\n\n{comments.of_file(file)}\n\n"
        if group in PRESETS:
            parts.append(f'{head}```yaml title="{given}"\n{file.read_text(encoding="utf-8").strip()}\n```\n')
        else:
            parts.append(head + _described(group, option) + keys_table(keys_of(group, option), file, group))
    if group == "phases":
        parts.append(text.prose(inspect.getmodule(schema.Phases).__doc__))  # type: ignore[union-attr]
    return "\n".join(parts)


def _described(group: str, option: str) -> str:
    """The docstring of the component that an option names."""
    node = _hydra(f"{group}/{option}")[group] if group in ALONE else composed(*_words(group, option))[group]
    node = node.get("source", node) if group == "data" else node
    if not kind_of(node):
        return ""
    return f"{text.prose(inspect.getdoc(component(node)))}\n\n"


def _words(group: str, option: str) -> tuple[str, ...]:
    return (f"{group}={'[' + option + ']' if group == 'logger' else option}",)


def keys_table(keys: list[Key], file: Path, above: str) -> str:
    """A table of keys, with the comments of a file whose keys stand below ``above``."""
    said = comments.of_keys(file)
    rows = [
        [f"`{key.name}`", text.value(key.default), key.may_be, said.get(key.name.removeprefix(f"{above}."), "")]
        for key in keys
    ]
    return text.table(["key", "default", "may be", "what"], rows) if rows else "No keys.\n"


def _index() -> str:
    groups = [[f"[{group}]({group}.md)", line, " ".join(options(group))] for group, line in GROUPS.items()]
    taken = ", ".join(f"`{group}`" for group in COMPONENT_GROUPS)
    return "\n".join(
        [
            "# Every key\n",
            "Written from the schema that refuses a wrong config, and from the yaml files that hold the defaults. A "
            "key is set by `KEY=VALUE`, an option of a group is chosen by `GROUP=OPTION`; `colorbench --cfg job` "
            f"prints what a command would use. A model takes {taken} only where its own yaml refers to it. The keys "
            "below `model` are on [the page of each model](../../models/index.md).\n",
            "## Top level\n",
            keys_table(top(), conf_dir() / "config.yaml", ""),
            "## Groups\n",
            text.table(["group", "what", "options"], groups),
            "## Models\n",
            " ".join(f"[{name}](../../models/{name}.md)" for name in described("model")) + "\n",
            "## Components\n",
            "A component is named by its kind; these kinds can be extended by `colorbench.register`: "
            + ", ".join(f"`{kind}`" for kind in PACKAGES)
            + ".\n",
            f"Top-level keys and groups of a run: {', '.join(f'`{key}`' for key in top_level())}.\n",
        ]
    )


def _hydra(name: str, *overrides: str) -> Any:
    learn_words()
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(config_dir=str(conf_dir()), version_base="1.3"):
        return hydra.compose(name, overrides=list(overrides))
