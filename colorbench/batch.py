"""A batch: what the data gives and every family takes."""

from dataclasses import dataclass

import torch

from colorbench import color
from colorbench.arrays import Bytes, Chroma, Ids, Luma, Picture


@dataclass(frozen=True)
class Batch:
    """L [b 1 h w] and ab [b 2 h w] in [-1, 1]; ids int64 [b] (a hash of the image's name); visits int64 [b] (how often
    the run has seen each image before: the epoch)."""

    L: Luma
    ab: Chroma
    ids: Ids
    visits: Ids

    @classmethod
    def of_bytes(cls, pixels: Bytes, ids: Ids) -> "Batch":
        """From 8-bit sRGB pictures, on their device; never seen before."""
        return cls(*color.encode_bytes(pixels), ids, torch.zeros_like(ids))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def rgb(self) -> Picture:
        """The true picture, in [0, 1] up to rounding."""
        return color.decode(self.L, self.ab)

    def split(self, size: int) -> "list[Batch]":
        """Micro-batches of at most ``size`` images."""
        parts = zip(*(t.split(size) for t in (self.L, self.ab, self.ids, self.visits)), strict=True)
        return [type(self)(*part) for part in parts]
