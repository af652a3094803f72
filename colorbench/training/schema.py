"""The schema of a run: every part of a config against the signature that it is for, before anything is opened.

What a person can get wrong is refused here in one line, in less than a second: a key that is missing or unknown, a
type, a range (ranges.py), a component that does not fit, a group or a loss that the model does not have, a model that
no computer holds. The model is built on paper: on torch's meta device, where tensors have shapes and no content, so a
constructor may not ask for a tensor's content.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from colorbench.data.dataset import check_data
from colorbench.engine.budget import Budget, Limits
from colorbench.engine.checkpoint import Keep
from colorbench.engine.engine import Settings
from colorbench.engine.optimizers import check_optim
from colorbench.engine.phases import Phases
from colorbench.errors import UserError
from colorbench.family import Family
from colorbench.paper import paper
from colorbench.ranges import Inside, Seed, Text, within
from colorbench.registry import PACKAGES, build, check_options, checked, load_plugins, suggest
from colorbench.registry import check as check_component
from colorbench.runs.config import COMPONENT_GROUPS, top_level
from colorbench.training.monitor import Options
from colorbench.trunks.weights import everything_follows

MOST_PARAMETERS = 10**10
"""Of a model, with its frozen networks: 40 GB of weights, and the optimizer needs three times more."""

Batch = Annotated[int, within("a whole number from 1 to 65536", lambda n: 1 <= n <= 65536)]


def settings(
    *,
    seed: Seed,
    batch_size: Batch,
    device: Text,
    precision: Literal["auto", "fp32", "bf16", "fp16"],
    compile: bool,
    deterministic: bool,
    init_from: Text | None,
    init_map: Text | None,
    keep: Keep,
    force: bool,
    evaluate: bool,
    plugins: list[Text],
    output: Text,
    study: Inside | None,
) -> None:
    """The top-level keys that are no group (the signature is the schema); see conf/config.yaml."""


def check(config: Mapping[str, Any], overrides: Sequence[str] = ()) -> None:
    """Raise UserError for the first mistake in the resolved config of a run."""
    known = top_level()
    for key in config:
        if key not in known:
            raise UserError(f"{key}: no such key; nothing reads it{suggest(key, known)}")
    for key in known:
        if key not in config:
            raise UserError(f"{key}: is missing; every run needs it, so leave out ~{key} and {key}=null")
    own = {key: value for key, value in config.items() if key in settings.__annotations__}
    check_options(settings, "a run", "", own)
    load_plugins(config["plugins"])
    for key, node in config.items():
        if key not in own and not isinstance(node, Mapping):
            raise UserError(f"{key}: expected options {{name: value}}, got {node!r}; {key}=OPTION takes a file's")
    for key in COMPONENT_GROUPS:
        kind = next((k for k in PACKAGES if isinstance(config[key].get(k), str)), None)
        if kind is None:
            raise UserError(f"{key}: names no component; {key}=OPTION takes one of a file")
        check_component(kind, config[key], key)
    check_component("family", config["model"], "model")
    check_data(config["data"])
    if Limits(**checked(Limits, "the budget", "budget", config["budget"])).none:
        raise UserError("budget: images, epochs and seconds are null; the run would never end; set one")
    check_options(Settings, "the engine", "engine", config["engine"])
    check_options(Options, "the monitor", "monitor", config["monitor"])
    for name, node in config["logger"].items():
        check_component("logger", node, f"logger.{name}")
    if config["batch_size"] % config["engine"]["accumulate"]:
        raise UserError(
            f"engine.accumulate: batch_size={config['batch_size']} is no multiple of {config['engine']['accumulate']}"
        )
    family = on_paper(config["model"])
    groups = list(family.trainable())
    check_optim(config["optim"], groups)
    Phases(config["phases"], Budget(images=None, seconds=None)).validate(groups, family.weights)


def on_paper(model: Mapping[str, Any]) -> Family:
    """The model without its content; UserError when no computer would hold it."""
    with paper(), everything_follows():
        family = build("family", model, "model")
    count = sum(tensor.numel() for tensor in (*family.parameters(), *family.buffers()))
    if count > MOST_PARAMETERS:
        raise UserError(f"model: {count:.1e} numbers are more than any machine holds; lower its width or its levels")
    return family
