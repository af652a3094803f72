"""Ranges: every kind of number, and of name, that a config may hold, with the words of its refusal.

A number in a signature is annotated with its kind (``width: Width``), and the registry refuses a value outside of it in
one line before anything is built: ``model.network.width: expected a whole number from 1 to 4096, got 0``. True and
false are no numbers, and nothing here holds NaN or infinity. The upper ends are what no computer of today could use.
A component's own kind is one line of its module: ``Third = Annotated[float, within("a share below 1/3", ...)]``.
"""

from collections.abc import Callable
from typing import Annotated, Any

from beartype.vale import Is

_WORDS: dict[Any, str] = {}

MOST = 10**12
"""Of pictures, steps and seconds: more than anyone has."""


def within(words: str, test: Callable[[Any], bool]) -> Any:
    """What annotates a type whose values must pass ``test``; ``words`` say it: "a number above 0"."""

    validator = Is[lambda value: not isinstance(value, bool) and bool(test(value))]
    validator.get_repr = f"Is[{words!r}, {len(_WORDS)}]"  # beartype knows types by their repr: each kind needs its own
    _WORDS[validator] = words
    return validator


def words(hint: Any) -> str | None:
    """What a value of an annotated type may be, in words; None for a type without a range."""
    return next((_WORDS[data] for data in getattr(hint, "__metadata__", ()) if data in _WORDS), None)


Positive = Annotated[float, within("a number above 0", lambda x: 0 < x <= MOST)]
NotNegative = Annotated[float, within("a number of 0 or more", lambda x: 0 <= x <= MOST)]
Share = Annotated[float, within("a number from 0 to 1", lambda x: 0 <= x <= 1)]
SomeShare = Annotated[float, within("a number above 0, at most 1", lambda x: 0 < x <= 1)]
Memory = Annotated[float, within("a number from 0 to less than 1", lambda x: 0 <= x < 1)]
"""Of what came before: the factor of a moving average, of a momentum; a probability of dropping."""
Degrees = Annotated[float, within("degrees from 0 to 180", lambda x: 0 <= x <= 180)]
Seconds = Annotated[float, within("seconds, 0 or more", lambda x: 0 <= x <= MOST)]
Finite = Annotated[float, within("a number that is finite", lambda x: abs(x) <= MOST)]

Count = Annotated[int, within("a whole number of 1 or more", lambda n: 1 <= n <= MOST)]
CountOrNone = Annotated[int, within("a whole number of 0 or more", lambda n: 0 <= n <= MOST)]
Several = Annotated[int, within("a whole number from 1 to 10000", lambda n: 1 <= n <= 10000)]
"""Of things that cost time or memory each: steps, draws, neighbors, threads."""
SeveralOrNone = Annotated[int, within("a whole number from 0 to 10000", lambda n: 0 <= n <= 10000)]
Channels = Annotated[int, within("a whole number from 1 to 4096", lambda n: 1 <= n <= 4096)]
ChannelsOrNone = Annotated[int, within("a whole number from 0 to 4096", lambda n: 0 <= n <= 4096)]
Depth = Annotated[int, within("a whole number from 1 to 12", lambda n: 1 <= n <= 12)]
"""Of halvings, levels, poolings: 12 of them take 4096 px to 1."""
Layers = Annotated[int, within("a whole number from 1 to 100", lambda n: 1 <= n <= 100)]
LayersOrNone = Annotated[int, within("a whole number from 0 to 100", lambda n: 0 <= n <= 100)]
Side = Annotated[int, within("pixels from 1 to 8192", lambda n: 1 <= n <= 8192)]
Factor = Annotated[int, within("a power of 2 from 1 to 64", lambda n: n in (1, 2, 4, 8, 16, 32, 64))]
"""How many times smaller or larger a map is."""
Seed = Annotated[int, within("a whole number from 0 to 2^63 - 1", lambda n: 0 <= n < 2**63)]

Text = Annotated[str, within("text", lambda text: bool(text) and text.isprintable())]
Inside = Annotated[
    str,
    within(
        "a name that stays inside the output folder (no .., no / at its start, no control characters, at most 200 "
        "characters between two /)",
        lambda text: (
            text.isprintable()
            and "\\" not in text
            and all(0 < len(part.encode()) <= 200 and part.strip(". ") for part in text.split("/"))
        ),
    ),
]
"""A folder's name, or several below each other: a/b."""
