"""Progress of a training: what its line says."""

from collections.abc import Callable

from colorbench.engine.budget import Clock
from colorbench.progress import Line, clocked


class Progress(Line):
    """Of a training: images, what the run says of itself, images per second, time left."""

    first: tuple[Clock, float] | None = None
    unheard = False  # whoever read the line has closed the pipe; a training stops between two steps, not within one

    def _write(self, text: str) -> None:
        try:
            super()._write(text)
        except BrokenPipeError:
            self.unheard = True

    def update(self, clock: Clock, progress: float, said: Callable[[], str] = str) -> None:
        """said: asked for only when the line is drawn, since a device may have to be waited for."""
        if self.first is None:
            self.first = (clock, progress)
        if self.quiet or not (self.due() or progress >= 1.0):
            return
        images, share = clock.images - self.first[0].images, progress - self.first[1]
        trained = clock.seconds - self.first[0].seconds
        parts = [f"{clock.images:,} images", said()]
        if share > 0 and trained > 0:
            parts += [f"{images / trained:,.0f} images/s", f"{clocked((1.0 - progress) * trained / share)} left"]
        self.show(progress, "  ".join(part for part in parts if part))
        if progress >= 1.0:
            self.close()
