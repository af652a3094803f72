"""``colorbench VERB ...`` or ``python -m colorbench VERB ...``; without a verb it trains: ``colorbench model=unet``."""

import sys
from collections.abc import Sequence
from types import TracebackType


def _tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Ctrl-C before (and after) stopping.py sees to it: a line."""
    if issubclass(kind, KeyboardInterrupt):
        print("colorbench: interrupted", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _tell


def main(argv: Sequence[str] | None = None) -> None:
    from colorbench import stopping

    words = list(sys.argv[1:] if argv is None else argv)
    try:
        with stopping.raised():  # before anything else is imported: that takes a second
            from colorbench.commands import command

            command.run("", _carry_out, words)
    except KeyboardInterrupt as stop:
        print(f"colorbench: {str(stop) or 'interrupted'}", file=sys.stderr)
        sys.exit(130)


def _carry_out(argv: Sequence[str] | None) -> None:
    import os

    from colorbench.commands import command, completion
    from colorbench.commands.overview import help_text, open_verb, verbs
    from colorbench.errors import UserError
    from colorbench.registry import suggest
    from colorbench.version import __version__

    words = list(argv or ())
    first = words[0] if words else ""
    if first == "--version":
        print(f"colorbench {__version__}")
    elif first in ("--help", "-h"):
        print(help_text())
    elif completion.asked(words):
        offered = completion.offered(os.environ.get("COMP_LINE", ""), verbs())
        if offered is not None:
            print("".join(f"{verb}\n" for verb in offered), end="", flush=True)
            command.run("train", open_verb("train"), words)
    elif first in verbs():
        command.run(first, open_verb(first), words[1:])
    elif first and first[0] not in "-+~" and "=" not in first:
        raise UserError(f"unknown verb {first!r}{suggest(first, list(verbs()))}; `colorbench --help` explains")
    else:
        command.run("train", open_verb("train"), words)


if __name__ == "__main__":
    main()
