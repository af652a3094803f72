"""Progress that a person can read: one line that is drawn anew on a terminal and in a notebook, a plain line now and
then elsewhere. Nothing that takes minutes is silent."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

Thing = TypeVar("Thing")
OFTEN, SELDOM = 0.2, 10.0
"""Seconds between two pictures of the line: of a terminal, of anything else."""


class Line:
    """How far something has come. ``note`` prints a line without tearing it. quiet: print nothing. tell: gets plain
    lines, in place of the stream."""

    def __init__(
        self,
        label: str,
        quiet: bool = False,
        stream: Any = None,
        every: float = SELDOM,
        tell: Callable[[str], None] | None = None,
    ):
        self.label, self.quiet = label, quiet
        self.stream = sys.stderr if stream is None else stream
        self.notebook = tell is None and in_notebook()
        self.live = self.notebook or (tell is None and self.stream.isatty())
        self.tell = tell or self._write
        self.every = OFTEN if self.live else every
        self.shown_at = time.monotonic()
        self._bar: Bar | None = None
        self._cell: Any = None

    def due(self) -> bool:
        """Has the last picture of the line grown old?"""
        return not self.quiet and time.monotonic() - self.shown_at >= self.every

    def show(self, share: float, text: str) -> None:
        """share: of the work, in [0, 1]; full only when it is done."""
        self.shown_at = time.monotonic()
        percent = f"{min(int(100 * share), 100):3d}%"
        if self.notebook:
            self._draw(f"{self.label}  {percent}  {text}")
        elif self.live:
            bar = self._bar or self._open()
            bar.update(bar.task_ids[0], completed=min(int(100 * share), 100), percent=percent, text=text)
            bar.refresh()
        else:
            self.tell(f"{self.label}  {percent}  {text}")

    def note(self, text: str) -> None:
        if self.quiet:
            return
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
            return
        self.tell(text)

    def _write(self, text: str) -> None:
        self.stream.write(text + "\n")
        self.stream.flush()

    def close(self) -> None:
        """Leave the line as it is; what is shown next begins another."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        self._cell = None

    def _draw(self, line: str) -> None:
        """One line below a notebook's cell, drawn anew: rich's own needs ipywidgets, without which it shows nothing."""
        if self._cell is None:
            from IPython.display import DisplayHandle

            self._cell = DisplayHandle()
            self._cell.display({"text/plain": line}, raw=True)
        else:
            self._cell.update({"text/plain": line}, raw=True)

    def _open(self) -> "Bar":
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            TextColumn("{task.fields[percent]}  {task.fields[text]}", markup=False),
        )
        console = Console(file=self.stream, highlight=False)
        self._bar = Progress(*columns, console=console, auto_refresh=False)
        self._bar.add_task(self.label, total=100, percent="", text="")
        self._bar.start()
        return self._bar


class Tally(Line):
    """Of so many things, counted: ``with Tally("judging unet", 500) as tally: tally.add(64)``. done: by an earlier
    start, which says nothing of how fast this one is."""

    def __init__(self, label: str, total: int, unit: str = "pictures", *, done: int = 0, **how: Any):
        super().__init__(label, **how)
        self.total, self.unit, self.done, self.before = total, unit, done, done
        self.started = time.monotonic()

    def add(self, count: int = 1) -> None:
        self.reach(self.done + count)

    def reach(self, done: int) -> None:
        """So many are done, in all."""
        self.done = done
        if self.due():
            spent = max(time.monotonic() - self.started, 1e-9)
            made, total = self.done - self.before, max(self.total, self.done)
            left = clocked(spent / made * (total - self.done)) if made else "?"
            self.show(self.done / max(total, 1), f"{self.done:,} of {total:,} {self.unit}  {left} left")

    def over(self, things: Iterable[Thing]) -> Iterator[Thing]:
        """Each of them, counted when it is done with."""
        for thing in things:
            yield thing
            self.add()

    def __enter__(self) -> "Tally":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def clocked(seconds: float) -> str:
    """1:05, 2:10:00."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


def in_notebook() -> bool:
    """Does a notebook's kernel run us? Nothing is imported to find out."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"
