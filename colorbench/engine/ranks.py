"""Several processes, one run: ``torchrun -m colorbench ...``.

Every rank draws its slice of the same global batch and back-propagates it; gradients are averaged over ranks before a
step, so every rank takes the same step from the same weights. Families and networks know nothing of it. (No wrapper:
a family's objectives share graphs between yields, which gradient hooks of a wrapper would see twice.)
"""

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Ranks:
    """index of ``count`` processes; (0, 1) is a run in one process."""

    index: int = 0
    count: int = 1
    local: int = 0

    @classmethod
    def join(cls) -> "Ranks":
        """Join the group that torchrun's environment describes, if there is one."""
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            return cls()
        if not dist.is_initialized():
            dist.init_process_group("cuda:nccl,cpu:gloo" if torch.cuda.is_available() else "gloo")
        return cls(dist.get_rank(), count, int(os.environ.get("LOCAL_RANK", "0")))

    @property
    def first(self) -> bool:
        """Does this process write to disk?"""
        return self.index == 0

    def average(self, tensors: list[Tensor]) -> None:
        """In place, the mean over ranks, as one message."""
        if self.count == 1 or not tensors:
            return
        flat = torch.cat([t.reshape(-1) for t in tensors])
        dist.all_reduce(flat)
        flat /= self.count
        for t, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            t.copy_(part.view_as(t))

    def any(self, flag: bool) -> bool:
        """Is it true on any rank? (All must stop at the same step.)"""
        if self.count == 1:
            return flag
        votes = torch.tensor([float(flag)])
        dist.all_reduce(votes, dist.ReduceOp.MAX)
        return bool(votes.item())

    def broadcast(self, value: object) -> object:
        """The first rank's value, on all ranks."""
        if self.count == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def leave(self) -> None:
        """At the end of the process."""
        if self.count > 1 and dist.is_initialized():
            dist.destroy_process_group()
