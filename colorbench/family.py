"""The contract of a generative family: what to minimize and how to color. Nothing else.

A family owns its networks and buffers. It never calls backward, step, to, log or save, reads no config and knows no
epochs: the engine does. ``objectives`` is a generator that reads like the algorithm box of a paper. The engine
advances it; between two yields it back-propagates the yielded loss into the group of ``trainable()`` that it names (or
the groups) and steps their optimizers. So code after a yield sees updated weights: a GAN yields the discriminator's
loss, then builds the generator's loss against the discriminator just updated.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import nn

from colorbench.arrays import Chroma, Luma, PerImage, Tensor
from colorbench.batch import Batch
from colorbench.column import Column
from colorbench.errors import UserError
from colorbench.noise import Noise


class Weights(dict[str, float]):
    """Coefficient of each named term of a family's losses, at one moment of the training.

    A training phase may change them (0 turns a term off). progress: the share of the budget that is spent, in [0, 1]:
    the clock of a family that anneals something (0 where nothing is trained).
    """

    def __init__(self, terms: Mapping[str, float], progress: float = 0.0) -> None:
        super().__init__(terms)
        self.progress = progress

    def but(self, **changes: float) -> "Weights":
        """The same moment with other coefficients."""
        return Weights({**self, **changes}, self.progress)


@dataclass(frozen=True)
class Objective:
    """One thing to minimize.

    loss: [b], unreduced, the engine averages. updates: the key (or keys) of ``Family.trainable()`` that it may change.
    logs: scalars or [b] tensors to record (detached by the engine); keys like ``distance`` or ``d_accuracy``.
    """

    loss: PerImage
    updates: str | tuple[str, ...]
    logs: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def groups(self) -> tuple[str, ...]:
        """``updates``, always as several."""
        return (self.updates,) if isinstance(self.updates, str) else self.updates


@dataclass(frozen=True)
class Loop:
    """A coloring as a loop around one network, in numbers: a program without PyTorch can go round it.

    denoiser: (x [b 2 h/scale w/scale], t [b], L [b 1 h w]) -> its prediction. x is at first noise of the deviation
    ``start``; after the last step the chroma is x std + mean ([1 2 1 1] each), enlarged along the edges of L.
    steps: what each step asks and makes of the answers (inference/standalone.py reads it).
    """

    denoiser: nn.Module
    scale: int
    mean: Tensor
    std: Tensor
    start: float
    steps: Sequence[Mapping[str, Any]]


class Family(nn.Module, ABC):
    """A way to color. Concrete families are final: tweak by wrapping, not by subclassing."""

    weights: Mapping[str, float]
    """The default weights of the loss terms (from the model's yaml); a phase overrides some of them."""

    hurries: ClassVar[bool] = False
    """Do its objectives read ``weights.progress``? Then a longer budget is another training from the first step."""

    columns: ClassVar[Mapping[str, Column]] = {}
    """What the columns of :meth:`likelihood` mean."""

    drawing: ClassVar[Sequence[str]] = ()
    """Keys of ``model`` that a draw depends on and no training: ``evaluate --set model.KEY=VALUE`` changes them."""

    @property
    def stochastic(self) -> bool:
        """Do two colorings of one image differ?"""
        return False

    def vivid(self, amount: float) -> bool:
        """From now on color more vividly (more than 1; 1 is as trained) or less, by the family's own means; False where
        it has none. Not for training: what a model is judged by is its configuration."""
        return False

    def evaluations(self, height: int, width: int) -> int:
        """Network passes that one coloring of a picture of this size costs, its condition's encoding not counted."""
        return 1

    @abstractmethod
    def trainable(self) -> Mapping[str, nn.Module]:
        """Disjoint groups of parameters, one optimizer each."""

    @abstractmethod
    def objectives(self, batch: Batch, noise: Noise, weights: Weights) -> Iterator[Objective]:
        """Yield what to minimize, in order. A term whose weight is 0 should cost nothing."""

    @abstractmethod
    def colorize(self, L: Luma, noise: Noise) -> Chroma:
        """One sample for each image, in [-1, 1], at any height and width."""

    def preview(self, L: Luma, noise: Noise) -> Chroma:
        """What ``colorize`` draws, in as few passes as show how training goes: validation colors with it."""
        return self.colorize(L, noise)

    def likelihood(self, batch: Batch, noise: Noise) -> Mapping[str, PerImage]:
        """Column (of ``columns``) -> bits of the true colors, exact; nothing for a family that cannot say."""
        return {}

    def exported(self) -> "Family | Loop":
        """What other runtimes can carry out: the family itself, if one pass without chance is its answer, or its loop.

        Raises UserError for a family, or a sampler, that cannot be carried over.
        """
        if self.stochastic:
            raise UserError("a draw of this family is neither one pass nor a loop in numbers: it cannot be exported")
        return self

    def prepare(self, batches: Iterable[Batch]) -> None:
        """Optional single pass over the training split before step one (statistics, a bank); kept in buffers."""


def weigh(terms: Mapping[str, PerImage], weights: Weights) -> PerImage:
    """sum_k weights[k] * terms[k], over the terms given."""
    if not terms:
        given = ", ".join(f"{name}={weight:g}" for name, weight in weights.items())
        raise UserError(
            f"model.weights: nothing is left to learn from ({given}); give a term that the model has a weight"
        )
    return sum(weights[name] * term for name, term in terms.items())  # type: ignore[return-value]
