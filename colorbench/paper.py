"""Building on paper: on torch's meta device, where a network has shapes and no numbers.

Drawing random numbers, and the power iterations of a spectral norm, do nothing there, but torch does this nothing in
Python and imports its whole compiler for it: two to four processor seconds at every start. Inside :func:`paper` they
are answered with a tensor of the right shape.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

_DRAWN = {Tensor.normal_, Tensor.uniform_, Tensor.random_, Tensor.bernoulli_}
_SCALED = {Tensor.mul, Tensor.__mul__, Tensor.div, Tensor.__truediv__}


def _answer(func: Any, x: Tensor, others: tuple[Any, ...]) -> Tensor | None:
    """A tensor like ``func(x, *others)``, where that is easily said; x is on the meta device."""
    if func in _DRAWN or func is F.normalize or getattr(func, "__module__", "") == nn.init.__name__:
        return x
    if func in _SCALED and (not isinstance(others[0], Tensor) or others[0].ndim == 0):
        return x
    if func is torch.mv:
        return x.new_empty(len(x))
    return x.new_empty(()) if func is torch.vdot else None


class _Blank(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        options = kwargs or {}
        if func is torch.randn and "device" not in options:
            return torch.empty(*args, **options)
        first = args[0] if args else options.get("tensor")
        answer = _answer(func, first, args[1:]) if isinstance(first, Tensor) and first.is_meta else None
        return func(*args, **options) if answer is None else answer


@contextmanager
def paper() -> Iterator[None]:
    """Modules built inside are on the meta device, and are not initialized."""
    with torch.device("meta"), _Blank():
        yield
