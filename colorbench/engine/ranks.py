"""Several processes, one run: ``torchrun -m colorbench ...``.

Every rank draws its slice of the same global batch and back-propagates it; gradients are averaged over ranks before a
step, so every rank takes the same step from the same weights. Families and networks know nothing of it. (No wrapper:
a family's objectives share graphs between yields, which gradient hooks of a wrapper would see twice.)
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from colorbench.errors import UserError


@dataclass(frozen=True)
class Ranks:
    """index of ``count`` processes; (0, 1) is a run in one process."""

    index: int = 0
    count: int = 1
    local: int = 0

    @classmethod
    def join(cls) -> "Ranks":
        """Join the group that torchrun's environment describes, if there is one.

        ``torchrun --max-restarts`` keeps its store of addresses over restarts, and torch 2.15 reads those of the
        processes that are gone ("connectFullMesh failed"): every attempt has a part of the store to itself here.
        """
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            return cls()
        if not dist.is_initialized():
            backend = "cuda:nccl,cpu:gloo" if torch.cuda.is_available() else "gloo"
            with _together():
                store, index, _ = next(rendezvous("env://"))
                attempt = dist.PrefixStore(f"attempt-{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)
                dist.init_process_group(backend, store=attempt, rank=index, world_size=count)
        return cls(dist.get_rank(), count, int(os.environ.get("LOCAL_RANK", "0")))

    @property
    def first(self) -> bool:
        """Does this process write to disk?"""
        return self.index == 0

    def average(self, tensors: list[Tensor]) -> None:
        """In place, the mean over ranks, as one message."""
        if self.count == 1 or not tensors:
            return
        flat = self.sum(torch.cat([t.reshape(-1) for t in tensors])) / self.count
        for t, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            t.copy_(part.view_as(t))

    def sum(self, tensor: Tensor) -> Tensor:
        """Over ranks."""
        total = tensor.clone()
        with _together():
            dist.all_reduce(total)
        return total

    def any(self, flag: bool) -> bool:
        """Is it true on any rank? (All must stop at the same step.)"""
        if self.count == 1:
            return flag
        votes = torch.tensor([float(flag)])
        with _together():
            dist.all_reduce(votes, dist.ReduceOp.MAX)
        return bool(votes.item())

    def broadcast(self, value: object) -> object:
        """The first rank's value, on all ranks."""
        if self.count == 1:
            return value
        box = [value]
        with _together():
            dist.broadcast_object_list(box, src=0)
        return box[0]

    def leave(self) -> None:
        """At the end of the process."""
        if self.count > 1 and dist.is_initialized():
            dist.destroy_process_group()


@contextmanager
def _together() -> Iterator[None]:
    """A message that all ranks send: where one is gone, torch's RuntimeError of sockets becomes a line that says so."""
    try:
        yield
    except RuntimeError as error:
        cause = " ".join(str(error).split())[:120]
        raise UserError(f"another rank was lost, so this one ends; start all again: they go on ({cause})") from error
