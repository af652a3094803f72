"""Cells: a sweep whose cells have overrides of their own, listed in one experiment's yaml.

    cells:                                      # conf/experiment/mine.yaml: a name and the words of each cell
      small: model=unet network.width=16
      fast: model=ddpm sampler=euler sampler.steps=5

``colorbench -m experiment=mine`` runs all of them, ``cell=small,fast`` those, ``seed=0,1`` each of them twice; any
launcher does. ``cell=small`` alone is one run. A cell is what its words are: typed by hand they name the same run.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from colorbench.errors import UserError
from colorbench.registry import suggest


def listed(words: Sequence[str], folders: Sequence[Path]) -> Mapping[str, str]:
    """{name: words} of the experiment that is chosen among ``words``; {} where it lists none.

    folders: of yaml files, in which ``experiment`` is a folder.
    """
    experiment = _value(words, "experiment")
    files = [folder / "experiment" / f"{experiment}.yaml" for folder in folders] if experiment else []
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        return {}
    found = (yaml.safe_load(file.read_text()) or {}).get("cells") or {}
    if not (isinstance(found, Mapping) and all(isinstance(text, str) for text in found.values())):
        raise UserError(f"{file.name}: cells: expected {{NAME: words as they are typed}}, got {found!r}")
    return {str(name): text for name, text in found.items()}


def expanded(words: Sequence[str], folders: Sequence[Path]) -> list[str]:
    """``words`` with the words of the one cell that they choose in front; they stay as they are where it is an axis."""
    name = _value(words, "cell")
    if name is None or "," in name or name in ("null", ""):
        return list(words)
    known = listed(words, folders)
    if name not in known:
        raise UserError(f"cell={name}: this experiment lists no such cell{suggest(name, list(known))}")
    return [*known[name].split(), *(word for word in words if not _is(word, "cell"))]


def swept(words: Sequence[str], folders: Sequence[Path]) -> list[str]:
    """``words`` of a sweep, over every cell unless they choose some."""
    known = listed(words, folders)
    return [*words, f"cell={','.join(known)}"] if known and _value(words, "cell") is None else list(words)


def _value(words: Sequence[str], key: str) -> str | None:
    return next((word.partition("=")[2] for word in words if _is(word, key)), None)


def _is(word: str, key: str) -> bool:
    return re.fullmatch(rf"\+*{key}=.*", word) is not None
