"""Locks between processes: the operating system's, on a file, so that a killed process leaves none behind.

By ``filelock``, on every system; on a disk shared between machines it holds wherever the file system supports it (NFS
4, Lustre with flock, CephFS). Who holds one says so in a file beside it, since not every system lets others read a
locked file.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout


class Taken(Exception):
    """Another holds the lock; ``owner`` is what it calls itself, empty where it says nothing."""

    def __init__(self, owner: str) -> None:
        super().__init__(owner)
        self.owner = owner


class Lock:
    """The lock on ``file``, which is made and stays."""

    def __init__(self, file: Path) -> None:
        self.owner = file.with_name(f"{file.name}.owner")
        self._lock = FileLock(str(file), timeout=-1, thread_local=False)

    def take(self, name: str = "", *, wait: bool = False) -> None:
        """Hold it. Raises Taken when another does and ``wait`` is false, OSError where nothing can be written."""
        try:
            self._lock.acquire(timeout=-1 if wait else 0)
        except Timeout as error:
            raise Taken(self._said()) from error
        if name:
            with suppress(OSError):  # a full disk has no room for it
                self.owner.write_text(name)

    def give_back(self) -> None:
        """Let others have it."""
        if self._lock.is_locked:
            self.owner.unlink(missing_ok=True)
        self._lock.release()

    def _said(self) -> str:
        try:
            return self.owner.read_text().strip()
        except OSError:
            return ""


@contextmanager
def held(file: Path) -> Iterator[None]:
    """Hold the lock within the block, after whoever else wants it."""
    lock = Lock(file)
    lock.take(wait=True)
    try:
        yield
    finally:
        lock.give_back()


def is_held(file: Path) -> bool:
    """Does a process hold the lock? False where there is none."""
    if not file.exists():
        return False
    lock = Lock(file)
    try:
        lock.take()
    except (Taken, OSError):
        return True
    lock.give_back()
    return False
