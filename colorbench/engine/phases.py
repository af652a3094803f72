"""Phases as data: until when, which loss weights, which learning rates, which groups, and how often.

    phases:
      - {until: 20%, weights: {adversarial: 0, perceptual: 0}, updates: [generator]}   # warm-up on L1
      - {weights: {perceptual: 10}, lr: {generator: 0.1}}                              # then everything
      - {every: {generator: 5}}                                  # five moves of the critic for one of the generator

Any family can use them: a weight of 0 turns a term off, a group that is not in ``updates`` is frozen, ``lr`` is a
factor of the optimizer's rate, a group of ``every`` takes the last step of so many only. The last phase lasts until the
budget ends.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from colorbench.engine.budget import Budget, Clock, Interval, Point
from colorbench.errors import UserError
from colorbench.ranges import Count, NotNegative
from colorbench.registry import checked, suggest


@dataclass(frozen=True, kw_only=True)
class Phase:
    """until: images or percent, None for the rest. updates: the groups trained, None for all.

    every: {group: n}: the group is stepped at every n-th batch (Gulrajani et al. 2017, algorithm 1: n_critic).
    """

    until: Interval | None = None
    weights: Mapping[str, NotNegative] = field(default_factory=dict)
    lr: NotNegative | Mapping[str, NotNegative] = 1.0
    updates: list[str] | None = None
    every: Mapping[str, Count] = field(default_factory=dict)

    def lr_factor(self, group: str) -> float:
        """Factor of the learning rate of a group."""
        return self.lr.get(group, 1.0) if isinstance(self.lr, Mapping) else self.lr

    def trains(self, group: str) -> bool:
        """Is the group updated in this phase?"""
        return self.updates is None or group in self.updates

    def steps(self, group: str, batch: int) -> bool:
        """Is the group stepped at the ``batch``-th batch of the run, counted from 0?"""
        return self.trains(group) and (batch + 1) % self.every.get(group, 1) == 0


def _listed(*, phases: list[Mapping[str, Any]]) -> None:
    """The ``phases`` node of the config."""


class Phases:
    """The phases of one run, in order. config: {phases: [options of a Phase, ...]}."""

    def __init__(self, config: Mapping[str, Any], budget: Budget):
        self.budget = budget
        configs = checked(_listed, "phases", "phases", config)["phases"]
        self.phases = [Phase(**checked(Phase, "a phase", f"phases[{i}]", c)) for i, c in enumerate(configs)] or [
            Phase()
        ]
        self.ends = [Point.parse(p.until) for p in self.phases]
        for i, end in enumerate(self.ends[:-1]):
            if end is None:
                raise UserError(f"phases[{i}]: needs `until`, since another phase follows")

    def at(self, clock: Clock) -> tuple[int, Phase]:
        """Index and phase of this moment."""
        for i, end in enumerate(self.ends[:-1]):
            if not end.passed(clock, self.budget):  # type: ignore[union-attr]
                return i, self.phases[i]
        return len(self.phases) - 1, self.phases[-1]

    @property
    def free(self) -> float:
        """The share of the budget over which the phases do not ask how long it is."""
        return next((end.share for end in self.ends[:-1] if end is not None and end.share is not None), 1.0)

    def validate(self, groups: Sequence[str], weights: Mapping[str, float]) -> None:
        """Every name must be known to the family; raises UserError."""
        for i, phase in enumerate(self.phases):
            for name in phase.weights:
                if name not in weights:
                    raise UserError(
                        f"phases[{i}].weights.{name}: the model has no such loss{suggest(name, sorted(weights))}"
                    )
            if weights and not any({**weights, **phase.weights}.values()):
                raise UserError(
                    f"phases[{i}].weights: all of the model's weights are 0 in this phase; raise one of them"
                )
            for name in [*(phase.updates or []), *(phase.lr if isinstance(phase.lr, Mapping) else []), *phase.every]:
                if name not in groups:
                    raise UserError(f"phases[{i}]: the model has no group {name!r}{suggest(name, sorted(groups))}")
