"""Batch norm over the batch of all ranks, so that two ranks with half of it each train what one trains with the whole.

    mean = sum_r mean_r / R,    var = sum_r (var_r + mean_r^2) / R - mean^2
    y = (x - mean) / sqrt(var + eps) * w + b

over R ranks with as many images each (Peng et al. 2018, MegDet, section 3.3). One message of 2 x channels numbers for a
layer and pass, in float64, with any backend (torch's SyncBatchNorm wants GPUs). The sum's gradient is the sum of the
ranks' gradients.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from colorbench.engine.ranks import Ranks


def share_norms(module: nn.Module, ranks: Ranks) -> None:
    """Every batch norm of ``module`` sees all ranks' images from now on; names, parameters and buffers stay."""
    for part in module.modules():
        if isinstance(part, _BatchNorm) and ranks.count > 1:
            part.__class__ = SharedNorm
            vars(part)["ranks"] = ranks


class SharedNorm(_BatchNorm):
    """A batch norm that became one of several ranks: in eval mode it is what it was."""

    ranks: Ranks

    def _check_input_dim(self, input: Tensor) -> None:
        """Any [b c ...]."""

    def forward(self, input: Tensor) -> Tensor:
        """[b c ...], of this rank; the same images' answer as if all ranks' were one batch."""
        if not self.training:
            return super().forward(input)
        with torch.autocast(input.device.type, enabled=False):
            x = input.float()
            over = [0, *range(2, x.dim())]
            own = x.mean(over).double()
            both = torch.stack([own, x.var(over, correction=0).double() + own.square()])
            mean, square = _Sum.apply(both, self.ranks) / self.ranks.count
            var = square - mean.square()
            if self.track_running_stats:
                self._remember(mean.detach(), var.detach(), x.numel() // x.shape[1] * self.ranks.count)
            shape = (1, -1, *(1 for _ in over[1:]))
            y = (x - mean.float().view(shape)) * (var + self.eps).rsqrt().float().view(shape)
            if self.affine:
                y = y * self.weight.view(shape) + self.bias.view(shape)
            return y.to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, var: Tensor, n: int) -> None:
        """The moving averages, of the unbiased variance of ``n`` numbers, as torch's."""
        assert self.num_batches_tracked is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        self.num_batches_tracked.add_(1)
        momentum = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean), momentum)
        self.running_var.lerp_((var * n / max(n - 1, 1)).to(self.running_var), momentum)


class _Sum(torch.autograd.Function):
    """The sum over ranks, differentiable as often as needed."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, ranks: Ranks) -> Tensor:
        ctx.ranks = ranks
        return ranks.sum(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _Sum.apply(gradient, ctx.ranks), None
