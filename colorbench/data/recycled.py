"""Memory for batches, used again once nobody holds the last batch that lay in it.

The system gives a large tensor new pages each time, fills them with zeros one by one, and takes them back when the
tensor dies: for a batch on a CPU that takes about as long as half of its conversion to Lab.
"""

import math
import weakref
from collections import deque

import numpy as np
import torch
from torch import Tensor

KEPT = 16
"""Free blocks kept for later: three for each of five batches under way."""


class Recycled:
    """Makes CPU tensors; the memory of those that are gone (views and autograd graphs included) is given out again.

    It keeps at most KEPT free blocks, and may be shared between threads.
    """

    def __init__(self) -> None:
        self._free: deque[bytearray] = deque(maxlen=KEPT)

    def empty(self, *shape: int, dtype: torch.dtype) -> Tensor:
        """A tensor with any content."""
        nbytes = math.prod(shape) * dtype.itemsize
        block = self._block(nbytes)
        lent = np.frombuffer(block, dtype=np.uint8, count=nbytes)
        weakref.finalize(lent, self._free.append, block).atexit = False  # the tensor's memory holds ``lent``
        return torch.from_numpy(lent).view(dtype).view(shape)

    def _block(self, nbytes: int) -> bytearray:
        """A free block of exactly this size, or a new one."""
        for _ in range(len(self._free)):
            try:
                block = self._free.popleft()
            except IndexError:  # another thread took it
                break
            if len(block) == nbytes:
                return block
            self._free.append(block)
        return bytearray(nbytes)
