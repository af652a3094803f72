"""What torch imports its compiler for although nothing is compiled: 1.5 to 3 seconds of a processor."""

import inspect
from typing import Any


def without_compiler(*methods: Any) -> None:
    """torch guards these methods against its compiler by importing that, at their first call. Nothing here compiles
    what they do, so they are their own guarded form."""
    for method in methods:
        plain = inspect.unwrap(method)
        setattr(plain, "__dynamo_disable", plain)
