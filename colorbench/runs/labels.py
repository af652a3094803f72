"""Labels: what to call the rows of a table, so that a reader sees in what they differ.

A row is called by its model. Rows of one model are told apart by the settings in which they differ, written almost as
they were typed: ``resunetgan`` and ``resunetgan adversary=hinge``. What most rows of the model have in common goes
without saying. A choice of a config group (``adversary=hinge``) stands for the settings that come with it; other
settings are called by the end of their key, two words or as many as make it unique (``weights.distance=50``). A copy
of another setting, how a run was executed or watched, and what a row does *not* have are words only where nothing else
tells two rows apart.
"""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from colorbench.runs.config import COMPONENT_GROUPS, flatten, science

_ABSENT = object()
_LONGEST = 32  # characters of a value
_QUIET = ("engine.", "monitor.")  # settings of the execution and the watch


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """What tells a run from others, flat: the configuration that changes the science, each setting once, no seed."""
    groups = [config[group] for group in COMPONENT_GROUPS]
    model = {key: value for key, value in config["model"].items() if value not in groups}  # ${loss} is a copy
    return dict(flatten(science({**config, "model": model}, "seed", "run")))


def labels(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """One label for each record (record.json: name, group, settings, choices), all different.

    Rows without settings (pictures of other programs, rows of an older version) are told apart by their group.
    """
    names = [str(record["name"]) for record in records]
    found = list(names)
    for name in {name for name, count in Counter(names).items() if count > 1}:
        mine = [i for i, other in enumerate(names) if other == name and records[i].get("settings")]
        for i, words in zip(mine, _differences([records[i] for i in mine]), strict=True):
            found[i] = " ".join([name, *words])
    twice = {label for label, count in Counter(found).items() if count > 1}
    seen: Counter[str] = Counter()
    for i, label in enumerate(found):
        if label in twice:
            seen[label] += 1
            found[i] = f"{label} ({str(records[i].get('group', ''))[-8:] or seen[label]})"
    return found


def _differences(records: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """For each of some records of one name, the words that tell it from the rest."""
    flat = [record.get("settings", {}) for record in records]
    keys = list(dict.fromkeys(key for one in flat for key in one))
    columns = {key: [one.get(key, _ABSENT) for one in flat] for key in keys}
    columns = {key: values for key, values in columns.items() if len(set(map(repr, values))) > 1}
    columns = {key: values for key, values in columns.items() if not _copied(key, columns)}
    axes: dict[str, list[Any]] = {}
    for group in dict.fromkeys(group for record in records for group in record.get("choices", {})):
        chosen = [record.get("choices", {}).get(group, _ABSENT) for record in records]
        package = group.partition("@")[2] or group
        explained = [key for key in columns if key.startswith(f"{package}.") and _follows(columns[key], chosen)]
        if explained and len(set(map(repr, chosen))) > 1:
            axes[package.rpartition(".")[2]] = chosen
            for key in explained:
                del columns[key]
    named = {key: _shortest(key, keys) for key in columns}
    loud = axes | {named[key]: values for key, values in columns.items() if not key.startswith(_QUIET)}
    every = axes | {named[key]: values for key, values in columns.items()}
    said = [_words(loud, len(records), set(named.values())), _words(loud, len(records)), _words(every, len(records))]
    return max(said, key=lambda words: len(set(map(tuple, words))))  # the shortest of those that tell most apart


def _words(axes: Mapping[str, Sequence[Any]], count: int, brief: Collection[str] = ()) -> list[list[str]]:
    """For each of ``count`` records its ``key=value``. brief: keys that are not mentioned where their value is none."""
    words: list[list[str]] = [[] for _ in range(count)]
    for key, values in axes.items():
        commonest, often = Counter(map(repr, values)).most_common(1)[0]
        usual = commonest if 2 * often > len(values) else None
        for mine, value in zip(words, values, strict=True):
            if repr(value) != usual and value is not _ABSENT and not (key in brief and _spoken(value) == "none"):
                mine.append(f"{key}={_spoken(value)}")
    return words


def _copied(key: str, columns: Mapping[str, Sequence[Any]]) -> bool:
    """Is it an interpolation of a setting whose key is its end (network.trunk.train, trunk.train)?"""
    return any(key.endswith(f".{other}") and list(columns[other]) == list(columns[key]) for other in columns)


def _follows(values: Sequence[Any], chosen: Sequence[Any]) -> bool:
    """Is the value the same wherever the choice is the same?"""
    return len(set(map(repr, zip(values, chosen, strict=True)))) == len(set(map(repr, chosen)))


def _shortest(key: str, keys: Sequence[str]) -> str:
    parts = key.split(".")
    if parts[-2:-1] == parts[-1:]:
        return parts[-1]  # adversary.adversary, phases.phases
    for i in range(len(parts) - 2, 0, -1):
        end = ".".join(parts[i:])
        if sum(other == end or other.endswith(f".{end}") for other in keys) == 1:
            return end
    return key


def _spoken(value: Any) -> str:
    if value is None or value == []:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), default=str)
    text = Path(text).stem if isinstance(value, str) and "/" in value else text
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
