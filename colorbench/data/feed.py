"""The endless sequence of training batches of prepared pictures.

It is one fixed list: epoch 0's permutation, then epoch 1's, and so on, where the permutation of an epoch sorts the
pictures by a hash of (seed, picture, epoch). Batch k of size B is entries kB .. (k+1)B - 1 of that list, and rank r of
w takes the r-th of w equal parts of it. So a batch is a pure function of (seed, images seen): a run resumes anywhere
with no state, whatever the number of workers, and another number of ranks goes on with the same list.
"""

from collections.abc import Iterator
from functools import partial
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from colorbench import color
from colorbench.arrays import Bytes, Ids
from colorbench.batch import Batch
from colorbench.data.ahead import ahead
from colorbench.data.augment import Standard
from colorbench.data.pictures import Pictures
from colorbench.data.recycled import Recycled
from colorbench.errors import UserError
from colorbench.noise import Noise


@runtime_checkable
class Feed(Protocol):
    """What gives the training sequence."""

    @property
    def fingerprint(self) -> str:
        """A hash of what it shows beyond the prepared pictures; empty when there is nothing."""
        ...

    def batches(
        self, *, batch_size: int, seed: int, start: int, device: torch.device, rank: int, world: int
    ) -> Iterator[Batch]: ...


class CachedFeed:
    """The training sequence of prepared pictures.

    They move to an accelerator once, when they take at most ``resident_share`` of its free memory. ``threads`` make
    batches ahead (None: two beside an accelerator that does not hold the pictures, else none); never a process.
    """

    def __init__(self, pictures: Pictures, augment: Standard, resident_share: float, threads: int | None) -> None:
        self.pictures, self.augment = pictures, augment
        self.resident_share, self.threads = resident_share, threads
        self._resident: dict[torch.device, Tensor] = {}
        self._recycled = Recycled()

    @property
    def fingerprint(self) -> str:
        """Nothing beyond the prepared pictures."""
        return ""

    def batches(
        self, *, batch_size: int, seed: int, start: int, device: torch.device, rank: int, world: int
    ) -> Iterator[Batch]:
        share = part_of(batch_size, world)
        pixels = self._pixels(device)
        elsewhere = device.type != "cpu" and pixels.device.type == "cpu"
        threads = self.threads if self.threads is not None else 2 * elsewhere
        plan = self._plan(start + rank * share, share, batch_size, seed)
        return ahead((partial(self._batch, pixels, rows, visits, seed, device) for rows, visits in plan), threads)

    def _plan(self, position: int, share: int, step: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """(rows, epochs) of entries position .. position + share - 1 of the sequence, then ``step`` further, always."""
        n, epoch, order = len(self.pictures), -1, torch.empty(0, dtype=torch.int64)
        while True:
            rows, visits = [], []
            at = position
            while at < position + share:
                if at // n != epoch:
                    epoch = at // n
                    order = Noise.of(seed, self.pictures.ids, epoch).keys.argsort(stable=True)
                rows.append(order[at % n :][: position + share - at])
                visits.append(torch.full_like(rows[-1], epoch))
                at += len(rows[-1])
            yield torch.cat(rows), torch.cat(visits)
            position += step

    def _batch(self, pixels: Tensor, rows: Tensor, visits: Tensor, seed: int, device: torch.device) -> Batch:
        ids = self.pictures.ids[rows]
        if pixels.device == device and device.type != "cpu":
            chosen = pixels[rows.to(device)]
        else:
            shape = (len(rows), *pixels.shape[1:])
            if device.type == "cuda":
                chosen = torch.empty(shape, dtype=torch.uint8, pin_memory=True)
            else:
                chosen = self._recycled.empty(*shape, dtype=torch.uint8)
            chosen = torch.index_select(pixels, 0, rows, out=chosen).to(device, non_blocking=True)
        return augmented(chosen, ids.to(device), visits.to(device), seed, self.augment, self._recycled)

    def _pixels(self, device: torch.device) -> Tensor:
        pixels = self.pictures.pixels
        if device.type != "cuda":
            return pixels
        if device not in self._resident:
            free, _ = torch.cuda.mem_get_info(device)
            fits = pixels.numel() <= self.resident_share * free
            self._resident[device] = pixels.to(device) if fits else pixels
        return self._resident[device]


def part_of(batch_size: int, world: int) -> int:
    """One rank's share of a global batch."""
    if batch_size % world:
        raise UserError(f"batch_size: {batch_size} must be a multiple of the number of processes, {world}")
    return batch_size // world


def augmented(pixels: Bytes, ids: Ids, visits: Ids, seed: int, augment: Standard, recycled: Recycled) -> Batch:
    """A training batch of 8-bit pictures on their device, which it may change."""
    b, _, h, w = pixels.shape
    noise = Noise.of(seed, ids, visits)
    empty = recycled.empty if pixels.device.type == "cpu" else partial(torch.empty, device=pixels.device)
    L, ab = empty(b, 1, h, w, dtype=torch.float32), empty(b, 2, h, w, dtype=torch.float32)
    color.encode_bytes(augment(pixels, noise), (L, ab))
    return Batch(L, ab, ids, visits)
