"""Where a run's time goes: the same training as ever, with a watch around its parts.

A short run is measured (some steps, two validations), and what was seen of each part is counted as often as the whole
budget has it: a step's parts by steps, the log's by logs, validation and saving by validations. So ten steps tell the
shares of a day. Time within a part that another part names belongs to that other part alone.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch

from colorbench.data.dataset import DataSet
from colorbench.engine import engine
from colorbench.engine.budget import Budget, Clock, Point
from colorbench.engine.ema import Ema
from colorbench.engine.engine import BadSteps, Engine, Sums
from colorbench.engine.optimizers import Group
from colorbench.errors import UserError
from colorbench.runs.record import Journal
from colorbench.training import train

Unit = Literal["step", "log", "validation", "curves"]
"""What comes as often as the part."""

PARTS: tuple[tuple[str, Unit, Any, str], ...] = (
    ("forward", "step", Engine, "_advance"),
    ("backward", "step", torch.Tensor, "backward"),
    ("optimizer", "step", Group, "step"),
    ("averaging", "step", Ema, "update"),
    ("checks", "step", Group, "norm"),
    ("checks", "step", BadSteps, "add"),
    ("logging", "step", Sums, "add"),
    ("rest", "step", Engine, "_step"),
    ("logging", "log", Engine, "_log"),
    ("logging", "log", Journal, "log"),
    ("validation", "validation", Engine, "_validate"),
    ("saving", "validation", Engine, "_save"),
    ("checks", "validation", engine, "_finite"),
    ("curves", "curves", train._Curves, "draw"),
)
"""(part, what it comes with, where, the function)."""

NAMES = (
    "data",
    "forward",
    "backward",
    "optimizer",
    "averaging",
    "checks",
    "logging",
    "rest",
    "validation",
    "saving",
    "curves",
)


class Watch:
    """Seconds and calls of every (part, unit), each second given to the innermost part that is at work."""

    def __init__(self) -> None:
        self.seconds: dict[tuple[str, Unit], float] = {}
        self.calls: dict[tuple[str, Unit], int] = {}
        self._within: list[float] = []  # seconds of the parts inside, for every part at work

    @contextmanager
    def part(self, name: str, unit: Unit) -> Iterator[None]:
        started = time.perf_counter()
        self._within.append(0.0)
        try:
            yield
        finally:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            passed = time.perf_counter() - started
            key = (name, unit)
            self.seconds[key] = self.seconds.get(key, 0.0) + passed - self._within.pop()
            self.calls[key] = self.calls.get(key, 0) + 1
            if self._within:
                self._within[-1] += passed

    def around(self, name: str, unit: Unit, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, measured."""

        @wraps(function)
        def measured(*arguments: Any, **options: Any) -> Any:
            with self.part(name, unit):
                return function(*arguments, **options)

        return measured

    def each(self, batches: Iterator[Any]) -> Iterator[Any]:
        """The same batches; waiting for them is ``data``."""
        while True:
            with self.part("data", "step"):
                batch = next(batches)
            yield batch


@contextmanager
def watched() -> Iterator[Watch]:
    """Within the context every part of PARTS is measured."""
    watch = Watch()
    before = [(owner, name, getattr(owner, name)) for _, _, owner, name in PARTS]
    feed = DataSet.train_batches
    try:
        for part, unit, owner, name in PARTS:
            setattr(owner, name, watch.around(part, unit, getattr(owner, name)))
        DataSet.train_batches = lambda *a, **k: watch.each(feed(*a, **k))  # type: ignore[method-assign]
        yield watch
    finally:
        DataSet.train_batches = feed  # type: ignore[method-assign]
        for owner, name, function in before:
            setattr(owner, name, function)


def shares(config: Mapping[str, Any], model: str, steps: int) -> dict[str, float]:
    """Of a run of ``config``: {part of NAMES: share of the wall time}, which sum to 1, and ``images_per_second`` of
    its steps. Raises UserError for a budget without a number of images."""
    whole = Budget(images=config["budget"]["images"], seconds=None)
    if whole.images is None:
        raise UserError("budget.images: a profile needs a number of images, to know how often there is a validation")
    images = steps * config["batch_size"]
    short = {**config, "budget": {"images": images, "seconds": None, "epochs": None}, "evaluate": False, "force": True}
    short["engine"] = {**config["engine"], "log_every": "20%", "validate_every": "50%", "keep_every": None}
    with TemporaryDirectory() as scratch, watched() as watch:
        short["output"] = str(Path(scratch))
        train.train(short, model=model, experiment="profile")
    once = {key: seconds / watch.calls[key] for key, seconds in watch.seconds.items()}
    events = _events(config, whole)
    runs = {"step": whole.images / images, "log": events["log_every"] / 5, "validation": events["validate_every"] / 2}
    total = {key: seconds * runs[key[1]] for key, seconds in watch.seconds.items() if key[1] != "curves"}
    spent = sum(total.values())
    curve = once.get(("curves", "curves"), 0.0)
    total["curves", "curves"] = curve * spent / max(20.0, 50 * curve) + curve
    spent += total["curves", "curves"]
    step = sum(seconds for (_, unit), seconds in watch.seconds.items() if unit == "step")
    found = {name: sum(s for (part, _), s in total.items() if part == name) / spent for name in NAMES}
    return {**found, "images_per_second": images / step}


def _events(config: Mapping[str, Any], budget: Budget) -> dict[str, int]:
    """How often the whole run logs and validates; the end counts."""
    assert budget.images is not None
    end = Clock(budget.images)
    counts = {}
    for name in ("log_every", "validate_every"):
        point = Point.parse(config["engine"][name])
        assert point is not None
        counts[name] = max(1, point.count(end, budget))
    return counts


def table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """Markdown: a row for each model, percent for each part."""
    lines = ["| model | images/s | " + " | ".join(NAMES) + " |", "|---" * (len(NAMES) + 2) + "|"]
    for model, found in rows.items():
        cells = " | ".join(f"{100 * found[name]:.1f} %" for name in NAMES)
        lines.append(f"| {model} | {found['images_per_second']:.3g} | {cells} |")
    return "\n".join(lines)
