"""beartype, for conftest.py: ints are fine floats (PEP 484's tower); a method that returns Self is not checked."""

from collections.abc import Callable
from typing import TypeVar

from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeDecorHintPep673Exception

F = TypeVar("F", bound=Callable)
_tower = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check(function: F) -> F:
    """What jaxtyping wraps every function of the package with."""
    try:
        return _tower(function)
    except BeartypeDecorHintPep673Exception:  # jaxtyping decorates methods one by one, outside of their class
        return function
