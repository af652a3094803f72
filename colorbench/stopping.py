"""Stopping: what the signals that ask a process to end do to it. Nothing is lost, and nobody is shown a traceback.

Ctrl-C is SIGINT; schedulers send SIGTERM, some SIGUSR1 before it; a terminal that closes sends SIGHUP: all one wish.
While networks train it is noted, and carried out between two steps, when the state can be saved (:func:`noted`); at any
other time it is a KeyboardInterrupt, which whoever has to tidy up sees on its way out (:func:`raised`). The second time
ends the process at once. What a process was told to ignore (``nohup``) stays ignored.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


@contextmanager
def raised() -> Iterator[None]:
    """Within the block they raise KeyboardInterrupt, which says which one it was."""

    def stop(number: int, _: FrameType | None) -> None:
        for other in SIGNALS:
            signal.signal(other, signal.SIG_DFL)
        raise KeyboardInterrupt(*_named(number))

    with _handled(stop):
        yield


@contextmanager
def noted() -> Iterator[list[str]]:
    """Within the block they are names in a list, for a loop to look at."""
    received: list[str] = []

    def note(number: int, _: FrameType | None) -> None:
        if received:  # the second time at once
            raise KeyboardInterrupt(*_named(number))
        received.append(signal.Signals(number).name)

    with _handled(note):
        yield received


def _named(number: int) -> list[str]:
    return [] if number == signal.SIGINT else [f"stopped by {signal.Signals(number).name}"]


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    previous = {}
    try:
        for number in SIGNALS:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):  # None: another program's, in C
                previous[number] = signal.signal(number, handler)
    except ValueError:  # not the main thread (a joblib worker, a notebook): the caller's handlers stay
        pass
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)
