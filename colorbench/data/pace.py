"""Pace: of a pass over pictures, a line now and then: how far, how fast, how long still."""

import time
from collections.abc import Callable

EVERY = 5.0
"""Seconds between two lines."""


class Pace:
    """what: the pass, as its lines call it. total: pictures expected; done: those of an earlier start."""

    def __init__(self, what: str, total: int, done: int, tell: Callable[[str], None]) -> None:
        self.what, self.total, self.first, self.tell = what, total, done, tell
        self.started = self.told = time.monotonic()

    def show(self, done: int) -> None:
        now = time.monotonic()
        if now - self.told >= EVERY:
            self.told = now
            rate = (done - self.first) / (now - self.started)
            left = max(self.total - done, 0) / max(rate, 1e-9)
            self.tell(f"{self.what}: {done} of {max(self.total, done)} pictures, {rate:.0f}/s, about {left:.0f} s left")
