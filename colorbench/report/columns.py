"""Columns of any name that an evaluation writes, as declared where they are computed (:mod:`colorbench.column`)."""

from functools import cache
from typing import Any

from colorbench import registry
from colorbench.column import Column, Derived
from colorbench.metrics import colorfulness, draws, dullness, flat, place

DERIVED: dict[str, Derived] = {
    **colorfulness.DERIVED,
    **draws.DERIVED,
    **flat.DERIVED,
    **dullness.DERIVED,
}
"""Columns of sets that rows suffice for."""
_DECLARED = {**draws.COLUMNS, **place.COLUMNS, **{name: derived.column for name, derived in DERIVED.items()}}


@cache
def column(name: str) -> Column:
    """What is declared of it; a column that nothing here computes is described by its name, and not ranked."""
    known = _DECLARED.get(name) or draws.rank_column(name) or of_set(name)
    return known or _of_metric(name) or _of_family(name) or Column(name.replace("_", " "), "neither", 3)


def of_set(name: str) -> Column | None:
    """The column of a set's number (FID, KID); None for anything else."""
    return _asked("set_metric", name)


def _of_metric(name: str) -> Column | None:
    return _asked("metric", name)


def _asked(kind: str, name: str) -> Column | None:
    classes: list[Any] = [registry.lookup(kind, registered) for registered in registry.names(kind)]
    return next((found for c in classes if (found := c.column(name)) is not None), None)


def _of_family(name: str) -> Column | None:
    families: list[Any] = [registry.lookup("family", registered) for registered in registry.names("family")]
    return next((f.columns[name] for f in families if name in f.columns), None)
