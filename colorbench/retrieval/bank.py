"""Bank: the training split as a memory, asked for a picture that looks like this one.

It holds, for each training picture, a frozen embedding of its L, its chroma at a small size and its id. Filled once
from the training split; a checkpoint carries it whole. Asked while training, it never shows a picture its own colors:
the picture itself (by id, whatever augmentation did to it) and its near-duplicates are left out. Near-duplicates are
stored pictures much nearer to the picture's own stored embedding than stored pictures are to each other as a rule.
"""

from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorbench.arrays import Chroma, Ids, Luma
from colorbench.batch import Batch
from colorbench.errors import UserError
from colorbench.retrieval.index import Index


class Bank(nn.Module):
    """embedder: L [b 1 h w] -> [b d]. size: side of the stored chroma maps. limit: at most so many pictures, the first
    by id (a fixed random subset), or nothing for all. duplicate: a stored picture counts as a near-duplicate if its
    squared distance is below this share of the median squared distance between nearest neighbors."""

    embeddings: Tensor
    chroma: Tensor
    ids: Tensor
    threshold: Tensor

    def __init__(self, *, embedder: nn.Module, index: Index, size: int, limit: int | None, duplicate: float) -> None:
        super().__init__()
        self.embedder, self.index = embedder, index
        self.size, self.limit, self.duplicate = size, limit, duplicate
        self.register_buffer("embeddings", torch.zeros(0, 0))
        self.register_buffer("chroma", torch.zeros(0, 2, size, size, dtype=torch.float16))
        self.register_buffer("ids", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("threshold", torch.zeros(()))
        self._indexed = self._held = False  # is it in the index? are the pictures that are trained on in it?

    def __len__(self) -> int:
        return len(self.ids)

    @torch.no_grad()
    def fill(self, batches: Iterable[Batch]) -> None:
        """From the training split, unaugmented, each picture once."""
        embeddings, chroma, ids = [], [], []
        for batch in batches:
            embeddings.append(self.embed(batch.L).cpu())
            chroma.append(F.adaptive_avg_pool2d(batch.ab, self.size).half().cpu())
            ids.append(batch.ids.cpu())
        if sum(map(len, ids)) < 2:
            raise UserError("data: a retrieval bank needs at least two training pictures")
        every = torch.cat(ids)
        order = every.argsort()[: self.limit] if self.limit else torch.arange(len(every))
        device = self.ids.device
        self.ids = every[order].to(device)
        self.embeddings, self.chroma = torch.cat(embeddings)[order].to(device), torch.cat(chroma)[order].to(device)
        self._indexed = self._held = False
        sample = self.embeddings[:: max(1, len(self) // 1000)]
        distances, _ = self._search(sample, 2)
        self.threshold = (self.duplicate * distances[:, 1].median()).to(device)

    @torch.no_grad()
    def embed(self, L: Luma) -> Tensor:
        """[b d] float32, the same under autocast and without."""
        with torch.autocast(L.device.type, enabled=False):
            return self.embedder(L.float()).float()

    @torch.no_grad()
    def recall(self, L: Luma, exclude: Ids | None = None) -> Chroma:
        """[b 2 h w]: the chroma of the nearest stored picture, stretched to L's size. exclude: the pictures' own ids,
        while training; every one must be stored, unless the bank is limited."""
        rows = self.nearest(L, 1)[:, 0] if exclude is None else self._search_others(self.embed(L), exclude)
        return _stretched(self.chroma[rows].float(), L)

    @torch.no_grad()
    def nearest(self, L: Luma, k: int) -> Tensor:
        """Rows [b k] of the stored pictures that look most alike, the nearest first; all of them if k is more."""
        if not len(self):
            raise UserError("the retrieval bank is empty: the model was not prepared on a training split")
        return self._search(self.embed(L), min(k, len(self)))[1]

    def shown(self, ab: Tensor, L: Luma) -> Chroma:
        """[b 2 h w]: a picture's own chroma, as :meth:`recall` would give it had it been stored."""
        return _stretched(F.adaptive_avg_pool2d(ab, self.size), L)

    def _search_others(self, queries: Tensor, own: Ids) -> Tensor:
        """Rows [b]: the nearest that are neither the query's own picture nor a near-duplicate of it."""
        same = own[:, None] == self.ids[None, :]
        stored, home = same.any(dim=1), same.long().argmax(dim=1)
        if self.limit is None and not self._held:  # looked at once: a step must not wait for the device
            if not bool(stored.all()):
                raise UserError("the retrieval bank holds other pictures than the model trains on; prepare it again")
            self._held = True
        k = min(len(self), 32)
        _, rows = self._search(queries, k)
        gap = (self.embeddings[rows] - self.embeddings[home][:, None]).square().sum(dim=2)
        itself = stored[:, None] & (rows == home[:, None])
        barred = itself | (stored[:, None] & (gap < self.threshold))
        barred = torch.where(barred.all(dim=1, keepdim=True), itself, barred)  # nothing but duplicates: take one
        return rows.gather(1, barred.long().argmin(dim=1, keepdim=True))[:, 0]

    def _search(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        if not self._indexed:
            self.index.clear()
            self.index.add(self.embeddings)
            self._indexed = True
        return self.index.nearest(queries, k)

    def _load_from_state_dict(self, state: Any, prefix: str, *rest: Any) -> None:
        for key in ("embeddings", "chroma", "ids"):  # a bank is as large as the split it was filled from
            if prefix + key in state:
                setattr(self, key, torch.empty_like(state[prefix + key], device=self.ids.device))
        self._indexed = self._held = False
        super()._load_from_state_dict(state, prefix, *rest)


def _stretched(ab: Tensor, L: Luma) -> Tensor:
    """[b 2 h' w'] -> [b 2 h w], the size of L."""
    return F.interpolate(ab, size=L.shape[-2:], mode="bilinear", align_corners=False).clamp(-1.0, 1.0)
