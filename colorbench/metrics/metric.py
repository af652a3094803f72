"""A metric: one number for each picture, and everything that must be known to read it.

    score_i = m(hat_i, true_i),   hat_i, true_i in {0..255}^(3 x h x w)

A metric is fed a :class:`Pair`: two batches of 8-bit pictures, because what is judged is the picture that a person
would save and look at, after the one clip and the one rounding of ``color.to_bytes``. The views that metrics need
(floats in [0, 1], CIELAB, luma) are made from those bytes once and shared. So no metric can be given [0, 1] where it
expects [-1, 1], or a data range that is not the data's: the door takes bytes only, and every score is checked on the
way out against the range that the metric declares. A metric that cannot be computed says why
(:meth:`Metric.unavailable`); its cell then reads ``n/a (reason)`` and never another number.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from colorbench import color
from colorbench.arrays import Bytes, Chroma, Lab, Luma, PerImage, Picture
from colorbench.column import Better, Column


@dataclass(frozen=True)
class Pair:
    """Predicted and true pictures of one batch, uint8 [b 3 h w], RGB order, on one device.

    raw: the chroma [b 2 h w] that was predicted, before the gamut clip and the rounding, with the L [b 1 h w] it was
    joined to; None where only pictures exist (a folder). shared: what is known of the truth alone, which several
    colorings of one picture have in common.
    """

    hat: Bytes
    true: Bytes
    raw: tuple[Luma, Chroma] | None = None
    shared: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name, pixels in (("hat", self.hat), ("true", self.true)):
            if pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[1] != 3:
                raise ValueError(
                    f"a metric is fed uint8 pictures [b 3 h w]; {name} is {pixels.dtype} {list(pixels.shape)}. "
                    "Use color.to_bytes, which clips and rounds."
                )
        if self.hat.shape != self.true.shape:
            raise ValueError(f"unlike shapes: predicted {list(self.hat.shape)}, true {list(self.true.shape)}")

    @cached_property
    def rgb_hat(self) -> Picture:
        """In [0, 1]."""
        return color.from_bytes(self.hat)

    @property
    def rgb(self) -> Picture:
        """In [0, 1]."""
        return self.of_truth("rgb", lambda pair: color.from_bytes(pair.true))

    @cached_property
    def lab_hat(self) -> Lab:
        """CIELAB units."""
        return color.bytes_to_lab(self.hat)

    @property
    def lab(self) -> Lab:
        """CIELAB units."""
        return self.of_truth("lab", lambda pair: color.bytes_to_lab(pair.true))

    def of_truth(self, name: str, make: Callable[["Pair"], Any]) -> Any:
        """Something of the true pictures that several metrics or several colorings need, made once."""
        if name not in self.shared:
            self.shared[name] = make(self)
        return self.shared[name]

    def view(self, name: str, make: Callable[["Pair"], Tensor]) -> Tensor:
        """Something that several metrics need, made once."""
        if name not in self._views:
            self._views[name] = make(self)
        return self._views[name]

    @cached_property
    def _views(self) -> dict[str, Tensor]:
        return {}

    def split(self, size: int) -> list["Pair"]:
        """Pairs of at most ``size`` pictures."""
        raws = [None] * len(self) if self.raw is None else list(zip(*(t.split(size) for t in self.raw), strict=True))
        return [Pair(h, t, raw) for h, t, raw in zip(self.hat.split(size), self.true.split(size), raws, strict=False)]

    @staticmethod
    def colorings(pairs: Sequence["Pair"], size: int) -> list[list["Pair"]]:
        """Several colorings of the same pictures, in pieces of at most ``size``; a piece knows its truth once."""
        pieces = [list(piece) for piece in zip(*(pair.split(size) for pair in pairs), strict=True)]
        return [[replace(pair, shared=piece[0].shared) for pair in piece] for piece in pieces]

    def __len__(self) -> int:
        """How many pictures."""
        return len(self.hat)


class Metric(ABC):
    """One number for each picture."""

    name: str
    """The column. It says what was measured, weights included: ``lpips_squeeze(deepscale)`` is not
    ``lpips_squeeze``."""
    title: ClassVar[str] = ""
    """The column's head in a table; empty: its name, in words."""
    low: ClassVar[float] = 0.0
    high: ClassVar[float] = float("inf")
    better: ClassVar[Better]
    unit: ClassVar[str] = ""
    fed: ClassVar[str]
    """What it sees, in words, for the protocol file and the documentation."""
    weights: str = ""
    """The trained weights it needs, by name; empty if none."""
    digits: ClassVar[int] = 3
    """Decimals worth printing."""
    needs_raw: ClassVar[bool] = False
    """Does it need the chroma before clip and rounding? Then folders of pictures have no such column."""

    @classmethod
    def column(cls, name: str) -> Column | None:
        """What the column of that name means, if this metric writes it. One whose name depends on its settings says
        which names it gives."""
        return cls.declared(cls.title or name) if name == getattr(cls, "name", None) else None

    @classmethod
    def declared(cls, title: str, group: str = "") -> Column:
        words = title.replace("_", " ")
        return Column(words, cls.better, cls.digits, cls.unit, group=group, low=cls.low, high=cls.high)

    @abstractmethod
    def score(self, pair: Pair) -> PerImage:
        """The number of each picture, [b], within [low, high]."""

    def unavailable(self, size: int) -> str:
        """Why it cannot be computed for pictures of this size (or at all); empty when it can."""
        return ""

    def identity(self) -> Mapping[str, Any]:
        """Everything that defines the number (no path): goes into the protocol's id."""
        return {"name": self.name, "weights": self.weights, "fed": self.fed}

    def __call__(self, pair: Pair) -> PerImage:
        """The score, checked against the declared range."""
        with torch.no_grad(), torch.autocast(pair.hat.device.type, enabled=False):
            scores = self.score(pair).double()
        if scores.shape != (len(pair),):
            raise ValueError(f"{self.name}: one number for each of {len(pair)} pictures, not {list(scores.shape)}")
        within = (scores >= self.low - 1e-6) & (scores <= self.high + 1e-6)  # NaN is within nothing
        if not bool(within.all()):
            bad = scores[~within][0].item()
            raise ValueError(f"{self.name}: {bad} is outside its declared range [{self.low}, {self.high}]")
        return scores.clamp(self.low, self.high)


def require_range(x: Tensor, low: float, high: float, what: str) -> None:
    """Refuse a tensor that leaves [low, high]."""
    least, most = torch.aminmax(x.detach())
    if not (least >= low - 1e-6 and most <= high + 1e-6):
        raise ValueError(f"{what}: expected values in [{low:g}, {high:g}], found [{least:g}, {most:g}]")
