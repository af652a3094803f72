"""Noise belongs to an image: one stream for each (seed, image id, visit, purpose).

A sample must not depend on batch size, device count or order, and two models that color the same image must see the
same noise. So nothing is drawn from a global generator: every number is a hash of what it is for. The hash is
SplitMix64 (Steele, Lea & Flood 2014), a counter-based generator: word i of stream k is mix(k + i * golden). Normal
numbers come in pairs by Box and Muller's transform. It runs on the tensor's own device, vectorized.
"""

import hashlib
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from colorbench.arrays import Ids

_GOLDEN = 0x9E3779B97F4A7C15 - 2**64
_MIX1 = 0xBF58476D1CE4E5B9 - 2**64
_MIX2 = 0x94D049BB133111EB - 2**64


def stable_id(text: str) -> int:
    """A 63-bit number for a name: the same on every machine and in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest()) >> 1


@dataclass(frozen=True)
class Noise:
    """The streams of the images of one batch.

    keys: int64 [b], one stream each; make them with :meth:`of`.
    """

    keys: Ids

    @classmethod
    def of(cls, seed: int, ids: Ids, visit: Ids | int = 0) -> "Noise":
        """Streams of a run ``seed``, for images ``ids``, at their ``visit``-th use (epoch, or draw number)."""
        return cls(_mix(_mix(ids + stable_id(f"seed {seed}")) + _mix(torch.as_tensor(visit, device=ids.device))))

    def uniform(self, purpose: str, *shape: int) -> Tensor:
        """float32 [b, *shape] in (0, 1)."""
        low, _ = self._words(purpose, math.prod(shape))
        return low.reshape(len(self.keys), *shape)

    def normal(self, purpose: str, *shape: int) -> Tensor:
        """float32 [b, *shape], standard normal."""
        n = math.prod(shape)
        u, v = self._words(purpose, (n + 1) // 2)
        radius, angle = (-2.0 * u.log()).sqrt(), 2.0 * math.pi * v
        pairs = torch.cat([radius * angle.cos(), radius * angle.sin()], dim=1)
        return pairs[:, :n].reshape(len(self.keys), *shape)

    def split(self, size: int) -> "tuple[Noise, ...]":
        """Streams of consecutive slices of the batch."""
        return tuple(type(self)(keys) for keys in self.keys.split(size))

    def _words(self, purpose: str, n: int) -> tuple[Tensor, Tensor]:
        """Two float32 [b, n] in (0, 1), from the high and the low half of one 64-bit word each."""
        stream = _mix(self.keys + stable_id(purpose))
        counter = torch.arange(1, n + 1, device=stream.device) * _GOLDEN
        words = _mix(stream[:, None] + counter)
        high, low = (words >> 40) & 0xFFFFFF, (words >> 8) & 0xFFFFFF
        below_one = 1.0 - 2.0**-24  # where the sum rounds up to 2^24
        u, v = ((half.float() + 0.5) / 2**24 for half in (high, low))
        return u.clamp_max(below_one), v.clamp_max(below_one)


def _mix(z: Tensor) -> Tensor:
    z = (z ^ _shift(z, 30)) * _MIX1
    z = (z ^ _shift(z, 27)) * _MIX2
    return z ^ _shift(z, 31)


def _shift(z: Tensor, k: int) -> Tensor:
    """Logical right shift of int64 (torch's own keeps the sign)."""
    return (z >> k) & ((1 << (64 - k)) - 1)
