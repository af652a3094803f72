"""Frozen: a network that nothing trains."""

from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from colorbench.errors import UserError
from colorbench.trunks.weights import Follows, follows


class Frozen(nn.Module):
    """Its parameters become buffers that follow their owner from device to device, it stays in eval mode, and
    checkpoints hold it only if ``saved``.

    unread: it was built without its weights (see weights.py), so that asking it would be asking random numbers.
    """

    def __init__(self, network: nn.Module, *, saved: bool, unread: bool | None = None) -> None:
        super().__init__()
        self.network = network
        self.unread = (follows() > Follows.NOTHING and not saved) if unread is None else unread
        for module in network.modules():
            if isinstance(module, _BatchNorm):
                module.track_running_stats = False  # or loading any checkpoint would ask for a count of batches
            tensors = {**module._parameters, **module._buffers}
            module._parameters.clear()
            module._buffers.clear()
            for key, tensor in tensors.items():
                module.register_buffer(key, None if tensor is None else tensor.detach(), persistent=saved)
        self.train(False)

    def train(self, mode: bool = True) -> "Frozen":
        """Always eval mode."""
        return super().train(False)

    def forward(self, *inputs: Tensor) -> Any:
        """The network's."""
        if self.unread:
            raise UserError("weights: this model was opened from a checkpoint without its frozen networks; rebuild it")
        return self.network(*inputs)
