"""Words for Markdown."""

import inspect
import re
from typing import Any

from omegaconf import OmegaConf

_ROLE = re.compile(r":\w+:`~?([^`]+)`")
_CODE = re.compile(r"(`[^`]*`)")


def cell(text: str) -> str:
    """Text that may stand in a table."""
    return " ".join(text.split()).replace("|", "\\|")


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; its cells are escaped here."""
    lines = [[*map(cell, heads)], ["---"] * len(heads), *[[cell(each) for each in row] for row in rows]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def prose(document: str | None) -> str:
    """A docstring as Markdown: roles as code, what is indented stays a block of code."""
    words = _ROLE.sub(lambda m: f"`{m[1].rpartition('.')[2]}`", inspect.cleandoc(document or "")).replace("``", "`")
    return "\n".join(line if line.startswith("    ") else _plain(line) for line in words.split("\n"))


def _plain(line: str) -> str:
    """A line in which a*b* is no emphasis; its code stays as it is."""
    return "".join(part if part.startswith("`") else part.replace("*", "\\*") for part in _CODE.split(line))


def value(given: Any) -> str:
    """A value as one types it, in code; a reference to a group leads to that group's page."""
    if isinstance(given, str) and given.startswith("${"):
        return f"`{given}`"
    if given == "???":
        return "must be given"
    text = OmegaConf.to_yaml(given, resolve=False) if OmegaConf.is_config(given) else ""
    return f"`{_flow(given)}`" if not text or len(_flow(given)) < 90 else f"`{_flow(given)[:87]}...`"


def _flow(given: Any) -> str:
    if OmegaConf.is_config(given):
        given = OmegaConf.to_container(given, resolve=False)
    if isinstance(given, dict):
        return "{" + ", ".join(f"{k}: {_flow(v)}" for k, v in given.items()) + "}"
    if isinstance(given, list):
        return "[" + ", ".join(map(_flow, given)) + "]"
    if given is None or isinstance(given, bool):
        return {None: "null", True: "true", False: "false"}[given]
    return str(given)
