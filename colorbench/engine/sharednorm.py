"""Batch norm over the batch of all ranks, so that two ranks with half of it each train what one trains with the whole.

    mean = sum_r mean_r / R,    var = sum_r (var_r + mean_r^2) / R - mean^2
    y = (x - mean) / sqrt(var + eps) * w + b

over R ranks with as many images each (Peng et al. 2018, MegDet, section 3.3). One message of 2 x channels numbers for a
layer and pass, in float64, with any backend (torch's SyncBatchNorm wants GPUs). The sum's gradient is the sum of the
ranks' gradients. A norm stays what it is otherwise: names, parameters, buffers, and what a class of its own does
besides (timm's hold an activation); only the function that all of them call is another.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode

from colorbench.engine.ranks import Ranks


def share_norms(module: nn.Module, ranks: Ranks) -> None:
    """Every batch norm of ``module`` sees all ranks' images from now on."""
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm) and ranks.count > 1]
    sharing = {kind: _sharing(kind) for kind in {type(norm) for norm in norms}}
    for norm in norms:
        norm.__class__ = sharing[type(norm)]
        vars(norm)["ranks"] = ranks


def _sharing(kind: Any) -> Any:
    """The class whose forward is that of ``kind`` over the batch of all ranks (in eval mode no batch is looked at)."""

    def forward(self: Any, input: Tensor) -> Any:
        with _Shared(self.ranks):
            return kind.forward(self, input)

    return type(f"Shared{kind.__name__}", (kind,), {"forward": forward})


class _Shared(TorchFunctionMode):
    """Within, F.batch_norm of this rank's images [b c ...] answers as if all ranks' were one batch."""

    def __init__(self, ranks: Ranks) -> None:
        super().__init__()
        self.ranks = ranks

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        shared = func is F.batch_norm and kwargs["training"]
        return self.batch_norm(*args, **kwargs) if shared else func(*args, **(kwargs or {}))

    def batch_norm(
        self,
        input: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        *,
        weight: Tensor | None,
        bias: Tensor | None,
        training: bool,
        momentum: float,
        eps: float,
    ) -> Tensor:
        """The moving averages are of the unbiased variance, as torch's."""
        with torch.autocast(input.device.type, enabled=False):
            x = input.float()
            over = [0, *range(2, x.dim())]
            own = x.mean(over).double()
            both = torch.stack([own, x.var(over, correction=0).double() + own.square()])
            mean, square = _Sum.apply(both, self.ranks) / self.ranks.count
            var = square - mean.square()
            if running_mean is not None and running_var is not None:
                n = x.numel() // x.shape[1] * self.ranks.count
                with torch.no_grad():
                    running_mean.lerp_(mean.to(running_mean), momentum)
                    running_var.lerp_((var * n / max(n - 1, 1)).to(running_var), momentum)
            shape = (1, -1, *(1 for _ in over[1:]))
            y = (x - mean.float().view(shape)) * (var + eps).rsqrt().float().view(shape)
            if weight is not None and bias is not None:
                y = y * weight.view(shape) + bias.view(shape)
            return y.to(input.dtype)


class _Sum(torch.autograd.Function):
    """The sum over ranks, differentiable as often as needed."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, ranks: Ranks) -> Tensor:
        ctx.ranks = ranks
        return ranks.sum(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _Sum.apply(gradient, ctx.ranks), None
