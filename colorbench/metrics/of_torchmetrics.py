"""Any image metric of torchmetrics (Detlefsen et al. 2022), by the name of its class.

    metrics.uqi: {metric: torchmetrics, name: UniversalImageQualityIndex, options: {}}         of each picture
    metrics.scores: {set_metric: torchmetrics, name: InceptionScore, options: {}}              of the whole set

Pictures are fed as floats in [0, 1], and ``data_range`` and ``normalize`` say so unless ``options`` say otherwise;
networks that judge sets take bytes, which torchmetrics would round down again. A picture's number is that of a set of
one picture, whatever the metric's own way to average. The column is called ``torchmetrics(NAME)``, with the options
that were given. A metric of pictures that needs no truth is fed the prediction alone.
"""

import copy
import inspect
import json
import re
import threading
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Self

import torch

from colorbench.arrays import PerImage, Tensor
from colorbench.column import Better, Column
from colorbench.errors import UserError
from colorbench.metrics.frechet import SetMetric
from colorbench.metrics.metric import Metric, Pair
from colorbench.ranges import Text
from colorbench.registry import register, suggest

_NAME = re.compile(r"torchmetrics\((\w+)(?:,(.*))?\)")


class Borrowed:
    """One of torchmetrics' classes with its options, and how it is fed."""

    def __init__(self, name: str, options: Mapping[str, Any], where: str) -> None:
        self.cls = of_name(name, where)
        parameters = inspect.signature(self.cls.__init__).parameters
        for key in options:
            if key not in parameters:
                known = [key for key in parameters if key not in ("self", "kwargs")]
                raise UserError(f"{where}.options.{key}: torchmetrics' {name} has no such option{suggest(key, known)}")
        self.bytes = "feature" in parameters  # of an Inception: it scales and resizes bytes
        scales = "normalize" in parameters and parameters["normalize"].default is False  # not a way to average
        usual = {"data_range": 1.0, **({"normalize": True} if scales and not self.bytes else {})}
        self.options = {**{key: value for key, value in usual.items() if key in parameters}, **options}
        self.asked = [key for key in inspect.signature(self.cls.update).parameters if key != "self"]
        given = "".join(f",{key}={json.dumps(value)}" for key, value in sorted(options.items()))
        self.name = f"torchmetrics({name}{given})"
        self.where = where

    def make(self) -> Any:
        """A fresh one. Raises UserError for options that it refuses, weights or packages that are not there."""
        try:
            return self.cls(**self.options)
        except Exception as error:  # every class of torchmetrics has its own
            why = " ".join(str(error).split())[:200]
            raise UserError(f"{self.where}: torchmetrics refuses ({type(error).__name__}: {why})") from error

    def feed(self, metric: Any, pair: Pair) -> None:
        """Pictures of one batch."""
        hat, true = (pair.hat, pair.true) if self.bytes else (pair.rgb_hat, pair.rgb)
        if "real" in self.asked:
            metric.update(true, real=True)
            metric.update(hat, real=False)
        elif len([key for key in self.asked if key not in ("args", "kwargs")]) < 2:
            metric.update(hat)
        else:
            metric.update(hat, true)

    def number(self, metric: Any) -> float:
        """What it has computed; UserError where that is not one number. A mean and a deviation: the mean."""
        found = metric.compute()
        found = found[0] if isinstance(found, tuple) else found
        if not isinstance(found, Tensor) or found.numel() != 1:
            raise UserError(f"{self.where}: torchmetrics' {self.cls.__name__} gives no single number; choose another")
        return float(found)


def of_name(name: str, where: str) -> Any:
    """The class; UserError for a name that torchmetrics' images do not have."""
    from torchmetrics import image

    if name not in image.__all__:
        raise UserError(f"{where}: torchmetrics.image has no {name!r}{suggest(name, list(image.__all__))}")
    return getattr(image, name)


@cache
def better(name: str) -> Better:
    """As torchmetrics declares it."""
    ways: dict[bool | None, Better] = {True: "higher", False: "lower", None: "neither"}
    return ways[of_name(name, "torchmetrics").higher_is_better]


@register("metric", "torchmetrics")
class OfPictures(Metric):
    """name: a class of torchmetrics.image. options: its arguments."""

    low: ClassVar[float] = float("-inf")
    better = "higher"  # the column asks the class
    fed = "8-bit sRGB scaled to [0, 1], one picture at a time"
    digits = 4

    def __init__(self, *, name: Text, options: Mapping[str, Any]) -> None:
        self.borrowed = Borrowed(name, options, "metrics.torchmetrics")
        if "real" in self.borrowed.asked or self.borrowed.bytes:
            raise UserError(
                f"metrics: {name} judges sets of pictures; write {{set_metric: torchmetrics, name: {name}}}"
            )
        self.name = self.borrowed.name
        self._metric: Any = None
        self._lock = threading.Lock()  # pieces of a batch are judged side by side

    @classmethod
    def column(cls, name: str) -> Column | None:
        found = _NAME.fullmatch(name)
        if found is None or _of_sets(found[1]) is not False:
            return None
        return Column(_title(found), better(found[1]), cls.digits, "", group=name, low=cls.low, high=cls.high)

    def unavailable(self, size: int) -> str:
        try:
            self._metric = self._metric or self.borrowed.make()
            with torch.no_grad():
                picture = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
                pixels = (picture * 255).byte()
                self.borrowed.feed(self._metric, Pair(pixels, pixels.flip(-1)))
                self.borrowed.number(self._metric)
            return ""
        except UserError as error:
            return str(error)
        except Exception as error:  # too small a picture, mostly
            return f"torchmetrics: {' '.join(str(error).split())[:120]}"
        finally:
            if self._metric is not None:
                self._metric.reset()

    def score(self, pair: Pair) -> PerImage:
        with self._lock:
            metric = (self._metric or self.borrowed.make()).to(pair.hat.device)
            self._metric, found = metric, []
            for one in pair.split(1):
                metric.reset()
                self.borrowed.feed(metric, one)
                found.append(self.borrowed.number(metric))
            metric.reset()
        return torch.tensor(found, device=pair.hat.device, dtype=torch.float64)

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), **_version()}


@register("set_metric", "torchmetrics")
class OfSets(SetMetric):
    """name: a class of torchmetrics.image. options: its arguments."""

    title, columns = "torchmetrics", ("torchmetrics",)
    digits = 4

    def __init__(self, *, name: Text, options: Mapping[str, Any]) -> None:
        self.borrowed = Borrowed(name, options, "metrics.torchmetrics")
        self.name = self.borrowed.name
        self.metric: Any = None
        self.count = 0

    @classmethod
    def column(cls, name: str) -> Column | None:
        """What the column of that name means."""
        found = _NAME.fullmatch(name)
        if found is None or not _of_sets(found[1]):
            return None
        return Column(_title(found), better(found[1]), cls.digits, kind="set", group=name)

    def fresh(self) -> Self:
        """An empty accumulator."""
        twin = copy.copy(self)
        twin.metric, twin.count = self.borrowed.make(), 0
        return twin

    def add(self, pair: Pair) -> None:
        with torch.no_grad():
            self.metric = self.metric.to(pair.hat.device)
            self.borrowed.feed(self.metric, pair)
        self.count += len(pair)

    def close(self) -> dict[str, Any]:
        """{column: {"n", "value"}}, or the reason why there is no number."""
        try:
            return {self.name: {"n": self.count, "value": self.borrowed.number(self.metric)}}
        except (ValueError, RuntimeError) as error:  # too few pictures for its subsets
            return {self.name: {"n": self.count, "reason": f"torchmetrics: {' '.join(str(error).split())[:120]}"}}

    def unavailable(self, size: int) -> str:
        try:
            self.borrowed.make()
        except UserError as error:
            return str(error)
        return ""

    def identity(self) -> dict[str, Any]:
        return {"name": self.name, **_version()}


def _of_sets(name: str) -> bool | None:
    """None: torchmetrics has no such class here (some come with torch-fidelity); its numbers are read all the same."""
    try:
        cls = of_name(name, "torchmetrics")
    except UserError:
        return None
    return "real" in inspect.signature(cls.update).parameters or "feature" in inspect.signature(cls.__init__).parameters


def _title(found: "re.Match[str]") -> str:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", found[1])
    return f"{words} ({found[2]})" if found[2] else words


def _version() -> dict[str, str]:
    import torchmetrics

    return {"torchmetrics": torchmetrics.__version__}
