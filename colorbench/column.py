"""A column of a results table: what its numbers mean and how they are printed. Whoever computes a column declares it.

A metric declares on its class, a score of several draws beside its function, a family that knows likelihoods on its
class; the report asks (:mod:`colorbench.report.columns`) and takes no name apart.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Better = Literal["higher", "lower", "neither"]
Kind = Literal["picture", "draws", "set"]


@dataclass(frozen=True)
class Column:
    """better: which way is good; what is neither is described, not ranked. digits: decimals worth printing.

    kind: a number of each picture, of each picture's draws, or of the whole set (no interval). group: the word that
    asks for it with its like (``lpips`` for ``lpips_squeeze(mine)``); empty: its name alone. proper: no sampler wins it
    but by drawing the truth's own law. part: an ingredient of other columns, shown only where it is asked for by name.
    low, high: the numbers that it can be; an interval ends there.
    """

    title: str
    better: Better
    digits: int
    unit: str = ""
    note: str = ""
    kind: Kind = "picture"
    group: str = ""
    proper: bool = False
    part: bool = False
    low: float = -math.inf
    high: float = math.inf

    @property
    def arrow(self) -> str:
        """Which way is good."""
        return {"higher": "↑", "lower": "↓"}.get(self.better, "")


@dataclass(frozen=True)
class Derived:
    """A column computed from the means of others over the set; its interval from the same resamples."""

    sources: tuple[str, ...]
    function: Callable[..., Any]
    column: Column
