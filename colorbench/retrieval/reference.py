"""Reference: what a family can do that takes the colors of a picture people choose."""

from abc import ABC, abstractmethod

from colorbench.arrays import Chroma, Luma, Tensor
from colorbench.noise import Noise


class TakesReference(ABC):
    """A family that is shown colors, and so can be shown those of any picture (exemplar-based colorization)."""

    @abstractmethod
    def colorize_like(self, L: Luma, reference: Tensor, noise: Noise) -> Chroma:
        """L [b 1 h w] with the colors of ``reference`` [b 2 h' w'], of any size -> [b 2 h w] in [-1, 1]."""
