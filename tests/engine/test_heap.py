"""Memory of a step serves the next one."""

import resource
import sys

import pytest
import torch

from colorbench.engine import heap

MB = 64


def pages() -> int:
    """That the system has given this process up to now."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def asked(times: int) -> int:
    """Pages that as many tensors of MB megabytes, one after another, ask for."""
    before = pages()
    for _ in range(times):
        torch.ones(MB * 2**18)
    return pages() - before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_freed_memory_is_not_asked_of_the_system_again_until_the_end():
    with heap.kept():
        asked(1)
        assert asked(16) < 4 * MB * 2**20 // resource.getpagesize()  # a small block may have taken a bite of the first
    held = resident()
    with heap.kept():
        asked(1)
        assert resident() - held > MB // 2
    assert resident() - held < MB // 2


def resident() -> int:
    """Megabytes of this process in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() // 2**20


def test_another_allocator_is_left_alone(monkeypatch):
    monkeypatch.setattr(heap.sys, "platform", "win32")
    monkeypatch.setattr(heap.ctypes, "CDLL", None)
    with heap.kept():
        assert float(torch.ones(3).sum()) == 3
