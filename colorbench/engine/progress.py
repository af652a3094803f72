"""Progress that a person can read: a bar on a terminal, a plain line now and then elsewhere."""

import sys
import time
from typing import IO

from colorbench.engine.budget import Clock


class Progress:
    """Images per second and time left; ``note`` prints a line without tearing the bar. quiet: print nothing."""

    def __init__(self, label: str, quiet: bool = False, stream: IO[str] | None = None, every: float = 10.0):
        self.label, self.quiet, self.every = label, quiet, every
        self.stream = stream or sys.stderr
        self.terminal = self.stream.isatty()
        self.started = self.printed = time.monotonic()
        self.first: tuple[Clock, float] | None = None
        self._bar_shown = False

    def update(self, clock: Clock, progress: float) -> None:
        now = time.monotonic()
        if self.first is None:
            self.first = (clock, progress)
        if self.quiet or (now - self.printed < (0.2 if self.terminal else self.every) and progress < 1.0):
            return
        self.printed = now
        images, share = clock.images - self.first[0].images, progress - self.first[1]
        trained = max(clock.seconds - self.first[0].seconds, 1e-9)
        left = (1.0 - progress) * trained / share if share > 0 else float("nan")
        speed = f"{images / trained:,.0f} images/s  {_time(left)} left"
        text = f"{self.label}  {100 * progress:3.0f}%  {clock.images:,} images  {speed}"
        if self.terminal:
            filled = round(20 * progress)
            self.stream.write(f"\r\x1b[K[{'#' * filled}{'.' * (20 - filled)}] {text}")
            self._bar_shown = True
            if progress >= 1.0:
                self.close()
        else:
            self.stream.write(text + "\n")
        self.stream.flush()

    def note(self, text: str) -> None:
        if self.quiet:
            return
        self.close()
        self.stream.write(text + "\n")
        self.stream.flush()

    def close(self) -> None:
        """End the bar's line."""
        if self._bar_shown:
            self.stream.write("\n")
            self._bar_shown = False


def _time(seconds: float) -> str:
    if seconds != seconds:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"
