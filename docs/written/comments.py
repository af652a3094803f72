"""What the yaml files say of their keys: the comment behind each, and the one at the file's beginning."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from colorbench.runs.config import conf_dir

_COMMENT = re.compile(r"\s#\s(.*)$")


@cache
def of_keys(file: Path) -> dict[str, str]:
    """{dotted key: comment} of a config file, with those of the files that it takes by its defaults."""
    text = file.read_text(encoding="utf-8")
    found: dict[str, str] = {}
    tree = yaml.compose(text)
    for entry in (yaml.safe_load(text) or {}).get("defaults", []):
        found |= _taken(file, entry)
    if isinstance(tree, yaml.MappingNode):
        _walk(tree, "", text.splitlines(), found)
    return found


def of_file(file: Path) -> str:
    """The comment that begins a file, without Hydra's own line."""
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @package"):
            lines.append(line.removeprefix("#").strip())
    return " ".join(lines)


def _taken(file: Path, entry: Any) -> dict[str, str]:
    """Of one entry of a defaults list: a file beside this one, or ``/group@key: option``."""
    if isinstance(entry, str) and entry != "_self_":
        beside = file.parent / f"{entry.partition('@')[0]}.yaml"
        return of_keys(beside) if beside.is_file() else {}
    if isinstance(entry, dict):
        (key, option), *_ = entry.items()
        group, _, where = key.partition("@")
        other = conf_dir() / group.strip("/") / f"{option}.yaml"
        if group.startswith("/") and where and other.is_file():
            return {f"{where}.{k}": comment for k, comment in of_keys(other).items()}
    return {}


def _walk(node: yaml.MappingNode, above: str, lines: list[str], found: dict[str, str]) -> None:
    for key, value in node.value:
        name = f"{above}{key.value}"
        said = _COMMENT.search(lines[key.start_mark.line])
        if said and not (
            isinstance(value, yaml.MappingNode) and value.flow_style and "{" not in value.start_mark.buffer
        ):
            found[name] = said[1]
        if isinstance(value, yaml.MappingNode) and not value.flow_style:
            _walk(value, f"{name}.", lines, found)
