"""What every command shares: its help is its module's docstring, and this is how it ends.

    0      done; or the number that its main returns
    2      a mistake that the user can mend, or a disk that refuses: one line on standard error
    130    Ctrl-C, or another signal that asks to end (``stopping``): one line too; a command that can go on says so in
           the KeyboardInterrupt that it raises
    141    whoever read its words has closed the pipe (``| head``); without a word. A training goes on when typed again

A verb is a module of this package with ``main(argv) -> int | None``, which raises UserError; ``colorbench VERB`` gives
it to :func:`run`. The first line of its docstring is ``What it does: ``colorbench VERB ...```` (``colorbench --help``).
"""

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from colorbench import atomic, stopping
from colorbench.errors import UserError

Main = Callable[[Sequence[str] | None], int | None]
"""argv (None: what was typed) -> the exit code, where it is not 0. Raises UserError."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """A wrong word is a mistake like any other; without the usage, which --help prints."""
        raise UserError(f"{message}; --help explains")


def parser(name: str, document: str | None) -> argparse.ArgumentParser:
    """A parser for ``colorbench <name>``. document: the module's; its first paragraph stands above the
    options, the others below. UserError for words that it does not understand."""
    head, *rest = (document or "").replace("``", "`").strip().split("\n\n")
    return _Parser(
        prog=f"colorbench {name}",
        description=head,
        epilog="\n\n".join(rest),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """``--checkpoint`` of the commands that take a run; None is the one that the run stands by (``Run.result``)."""
    parser.add_argument(
        "--checkpoint", help="of a run: last, best or a kept one (default: best if it stops early, else last)"
    )


def add_drawing(parser: argparse.ArgumentParser) -> None:
    """``--set`` of the commands that draw from a run: words that change how it draws (runs/resampled.py)."""
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        dest="drawing",
        metavar="KEY=VALUE",
        help="how a run's model draws: sampler=NAME, sampler.*, and of model.* what its draws alone depend on",
    )


def add_plugins(parser: argparse.ArgumentParser) -> None:
    """``--plugins`` of the commands that open a model: what it names is imported as it is read, and nothing else is."""
    parser.add_argument(
        "--plugins", action=_Import, metavar="MODULE,...", help="import your own families first; folders import nothing"
    )


class _Import(argparse.Action):
    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        from colorbench.registry import load_plugins  # not for --help

        load_plugins([module for module in values.split(",") if module])


def run(name: str, main: Main, argv: Sequence[str] | None = None) -> NoReturn:
    """Carry out ``main`` and end the process as above. A defect of ours keeps its traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # in a pipe too (``| tee``) words come when they are said
    try:
        with stopping.raised(), atomic.told("the disk", "run it again"):
            code = main(argv)
            sys.stdout.flush()
    except BrokenPipeError:  # who read our words has seen enough: `| head`
        code = unheard()
    except UserError as error:
        _say(name, str(error))
        code = 2
    except KeyboardInterrupt as stop:
        _say(name, str(stop) or "interrupted")
        code = 130
    sys.exit(code or 0)


def unheard() -> int:
    """The exit code of a command whose reader has left, as a shell says of a program that SIGPIPE ended."""
    for number in (1, 2):  # Python flushes once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), number)
    return 141


def _say(name: str, text: str) -> None:
    print(f"{f'colorbench {name}'.strip()}: {' '.join(text.splitlines())}", file=sys.stderr)
