"""``colorbench VERB ...`` or ``python -m colorbench VERB ...``; without a verb it trains: ``colorbench model=unet``."""

import os
import sys
from collections.abc import Sequence

from colorbench import __version__
from colorbench.commands import command, completion
from colorbench.commands.overview import help_text, open_verb, verbs
from colorbench.errors import UserError
from colorbench.registry import suggest


def main(argv: Sequence[str] | None = None) -> None:
    words = list(sys.argv[1:] if argv is None else argv)
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
        command.run("", _stranger, words)
    else:
        command.run("train", open_verb("train"), words)


def _stranger(words: Sequence[str] | None) -> int | None:
    word = (words or [""])[0]
    raise UserError(f"unknown verb {word!r}{suggest(word, list(verbs()))}; `colorbench --help` explains")


if __name__ == "__main__":
    main()
