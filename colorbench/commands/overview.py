"""What there is to type: every verb and every model with one line each, and the config groups, without an import.

The line of a verb is the first of its module's docstring, up to the colon; that of a model is the first comment of its
yaml. So neither can be forgotten.
"""

import ast
import importlib
from functools import cache
from pathlib import Path

from colorbench.commands.command import Main
from colorbench.runs.config import conf_dir, described, options

_SHARED = ("__init__", "command", "completion", "overview")

_HELP = """colorbench: compare generative families on image colorization.

Usage: colorbench [-m] [GROUP=OPTION | KEY=VALUE]...    train (with -m: a sweep), evaluate, print the table
       colorbench VERB ...                              VERB --help explains each
       (`python -m colorbench` is the same)

Verbs
{verbs}

Models (model=NAME)
{models}

Groups (GROUP=OPTION)
{groups}

Keys that people type most
  data.root data.size data.limit batch_size budget.images budget.epochs budget.seconds seed device precision compile
  study init_from force; `--cfg job` prints every key

Examples
  colorbench model=unet data=folder data.root=PHOTOS data.size=64
  colorbench -m model=resnet,unet,unetgan seed=0,1,2
  colorbench table outputs
  eval "$(colorbench -sc install=bash)"                  the shell completes verbs, groups, options and keys"""


@cache
def verbs() -> dict[str, str]:
    """{verb: what it does in one line}, sorted."""
    files = sorted(f for f in Path(__file__).parent.glob("*.py") if f.stem not in _SHARED)
    return {file.stem.replace("_", "-"): _line(file) for file in files}


def open_verb(verb: str) -> Main:
    """The verb's main; only now is its module imported."""
    main: Main = importlib.import_module(f"colorbench.commands.{verb.replace('-', '_')}").main
    return main


def help_text() -> str:
    """The page that ``colorbench --help`` prints."""
    groups = {
        folder.name: " ".join(options(folder.name))
        for folder in sorted(conf_dir().iterdir())
        if folder.is_dir() and folder.name not in ("hydra", "model")
    }
    return _HELP.format(verbs=_listed(verbs()), models=_listed(described("model")), groups=_listed(groups))


def _listed(lines: dict[str, str]) -> str:
    width = max(map(len, lines)) + 2
    return "\n".join(f"  {name:{width}}{line}".rstrip() for name, line in lines.items())


def _line(file: Path) -> str:
    first = (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").splitlines()[0]
    return first.partition(": ``")[0]
