"""What the tests of sampling go over: everything that conf offers, found and not listed."""

from functools import cache

from colorbench import registry
from colorbench.runs import config


@cache
def options(group: str) -> dict[str, dict]:
    """Option of a config group -> its component's config, ``none`` left out."""
    found = {}
    for name in config.options(group):
        if name != "none":
            words = [f"sampler={name}"] if group == "sampler" else [f"{group}@model.{group}={name}"]
            tree = config.compose(["data=photos", "model=ddim", *words])
            found[name] = tree["sampler"] if group == "sampler" else tree["model"][group]
    return found


def build(kind: str, name: str, **changes):
    """The component of conf, with changes."""
    return registry.build(kind, {**options(kind)[name], **changes})
