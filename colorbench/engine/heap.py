"""Memory that one step gives back is kept for the next.

The C library hands large blocks back to the system as they are freed, and the next step's tensors are new pages again,
which the system fills with zeros one by one: at a small batch of a large network that takes a quarter of a step
(``benchmarks/README.md``). While a network trains they are kept instead, as the caching allocator of a GPU keeps its
own. For glibc on Linux; elsewhere nothing is changed.
"""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4  # malloc.h
_LARGEST = 2**25  # what glibc's own threshold grows to


@contextmanager
def kept() -> Iterator[None]:
    """Within the context freed memory stays with the process; what is free at its end goes back to the system."""
    library: Any = ctypes.CDLL(None) if sys.platform.startswith("linux") else None
    if not hasattr(library, "mallopt"):
        yield
        return
    library.mallopt(_MMAP_MAX, 0)  # every block on the heap,
    library.mallopt(_TRIM_THRESHOLD, -1)  # whose end is never cut off
    try:
        yield
    finally:
        library.mallopt(_MMAP_MAX, 65536)
        library.mallopt(_MMAP_THRESHOLD, _LARGEST)
        library.mallopt(_TRIM_THRESHOLD, 2 * _LARGEST)
        library.malloc_trim(0)
