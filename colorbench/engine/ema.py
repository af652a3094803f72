"""Exponential moving average of the weights, apart from the weights that are trained.

    theta_ema <- beta_n theta_ema + (1 - beta_n) theta,   beta_n = min(beta, (1 + n) / (10 + n))

after n steps: the ramp keeps the random start out of the average. Buffers (batch-norm statistics, banks) are copied.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Ema:
    """The averaged weights of ``module``'s parameters. beta 0 turns averaging off: the average is the weights, and no
    copy of them is kept."""

    def __init__(self, module: nn.Module, beta: float):
        self.module, self.beta, self.steps = module, beta, 0
        self.average = {name: p.detach().clone() for name, p in module.named_parameters()} if beta else {}

    @torch.no_grad()
    def update(self) -> None:
        """Once after every optimizer step."""
        beta = min(self.beta, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        if self.average:
            torch._foreach_lerp_(
                list(self.average.values()), [p.detach() for _, p in self.module.named_parameters()], 1.0 - beta
            )

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within the context the module holds the averaged weights (exchanged, not copied)."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def state_dict(self) -> dict[str, Tensor]:
        """The averaged parameters, and the module's buffers as they are."""
        return {**self.module.state_dict(), **self.average}

    def load(self, average: dict[str, Tensor], steps: int) -> None:
        """Restore what :meth:`state_dict` gave."""
        for name, value in self.average.items():
            value.copy_(average[name])
        self.steps = steps

    def _exchange(self) -> None:
        parameters = dict(self.module.named_parameters())
        for name, average in self.average.items():
            parameters[name].data, self.average[name] = average, parameters[name].data
