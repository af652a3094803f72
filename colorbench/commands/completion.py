"""What a shell offers while a line is typed: ``eval "$(colorbench -sc install=bash)"`` (or zsh, fish) installs it.

Hydra completes groups, options and keys; the verbs are ours. It asks ``colorbench -sc query=bash`` for the words that
fit, with the line in COMP_LINE.
"""

from collections.abc import Iterable, Sequence


def asked(words: Sequence[str]) -> bool:
    """Is this the shell that asks for words?"""
    return len(words) == 2 and words[0] in ("-sc", "--shell-completion", "--shell_completion") and "query=" in words[1]


def offered(line: str, verbs: Iterable[str]) -> list[str] | None:
    """The verbs that fit the end of ``line``; None behind a verb, where Hydra's words would be wrong too."""
    first, space, _ = line.partition(" ")[2].lstrip().partition(" ")
    if space:
        return None if first in set(verbs) else []
    return [verb for verb in verbs if verb.startswith(first)]
