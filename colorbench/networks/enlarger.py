"""Enlargers: small chroma and L to full chroma.

    guided      along L's edges, nothing to learn (see guided.py)
    learned     the guided result and what a small network adds to it: 3 x 3 convolutions, dilated (Yu & Koltun 2016) up
                to 16 pixels, of L and the guided result, folded by 2

Where two things of one lightness meet, guided enlargement cannot know the border between their colors; the shapes of
things, which L also shows, often say it. The learned one starts as the guided one. As the last stage of a network it is
trained with what it stands on (``trunk.enlarge``: 70,000 weights, three times the decoder of ``trunk.width=32``); what
draws small maps trains it beside itself (``model.enlarge``: 19,000, see colorbench/families/enlarging.py).
"""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorbench.networks.blocks import crop, pad
from colorbench.networks.guided import enlarge

FOLD, WIDTH, DILATIONS = 2, 32, (1, 2, 4, 8, 4, 2, 1)


class Guided(nn.Module):
    """(small [b outputs h w], L [b 1 scale h, scale w]) -> [b outputs scale h, scale w], as of guided.py."""

    def __init__(self, outputs: int, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, small: Tensor, L: Tensor) -> Tensor:
        return enlarge(small, L, self.scale)


class Learned(nn.Module):
    """As :class:`Guided`, and what is learned on top."""

    def __init__(self, outputs: int, scale: int, width: int = WIDTH) -> None:
        super().__init__()
        self.scale = scale
        self.first = nn.Conv2d((1 + outputs) * FOLD**2, width, 3, 1, 1)
        self.layers = nn.ModuleList(nn.Conv2d(width, width, 3, 1, d, dilation=d) for d in DILATIONS)
        self.last = nn.Conv2d(width, outputs * FOLD**2, 3, 1, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, small: Tensor, L: Tensor) -> Tensor:
        guided = enlarge(small, L, self.scale)
        h = F.relu(self.first(F.pixel_unshuffle(pad(torch.cat([L, guided], dim=1), FOLD), FOLD)))
        for layer in self.layers:
            h = h + F.relu(layer(h))
        return guided + crop(F.pixel_shuffle(self.last(h), FOLD).float(), like=L)


ENLARGERS: Mapping[str, Callable[[int, int], nn.Module]] = {"guided": Guided, "learned": Learned}
"""``trunk.enlarge`` -> the module, made of (channels, scale)."""
