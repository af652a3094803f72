"""Claim: of the processes on one machine that may take any GPU, each gets its own while there are enough.

The workers of a sweep, or two shells, do not know of each other, and a run's number says nothing about which GPU is
free by then. A GPU is claimed by the operating system's lock on a file in the temporary folder, held while the run
lasts; a killed process leaves no claim behind. When all are taken, the runs share them in turn.
"""

import getpass
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from colorbench.lock import Lock, Taken


@contextmanager
def claim(count: int, folder: Path | None = None) -> Iterator[int]:
    """The index, among ``count`` visible GPUs, of one that no other process has claimed; 0 when there are none."""
    if count < 2:
        yield 0
        return
    folder = folder or Path(tempfile.gettempdir()) / f"colorbench-{getpass.getuser()}"
    folder.mkdir(exist_ok=True)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    names = visible if len(visible) == count else [str(i) for i in range(count)]
    for index, name in enumerate(names):
        lock = Lock(folder / f"gpu-{name.strip()}")
        try:
            lock.take()
        except (Taken, OSError):
            continue
        try:
            yield index
        finally:
            lock.give_back()
        return
    yield os.getpid() % count
