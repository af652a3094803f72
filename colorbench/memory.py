"""Keep freed memory: on Linux, tensors of more than 128 KiB otherwise cost a page fault for every 4 KiB, every time.

glibc gives each large block to the system when it is freed and asks for a new one when the next tensor is made; the
kernel then fills it with zeros, page by page, which can take longer than the arithmetic. With the two settings below
the process keeps what it freed, and its memory stays at its peak.
"""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # <malloc.h>


def keep_freed_memory() -> bool:
    """Tell glibc to keep freed blocks of up to 1 GiB. True if it did; other systems are left alone."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl has none
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, 1 << 30) and mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1))
