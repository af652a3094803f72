"""Trunk: a trained network's maps of a picture, from fine to coarse, for whatever stands on them.

A network trained on a million labeled photographs knows what skies and lawns are; a decoder of a million weights on its
maps learns their colors in minutes, where a network from scratch must discover the things from their colors. A trunk
replaces the *encoder* of a model, the condition of a denoiser, the embedder of a bank, the judge of a game.

    train   none    frozen: no gradient, no copy in checkpoints (a hash names it), maps may be kept (see maps.py)
            slow    trained at a tenth of the rate, batch normalization as it was (statistics of a small batch of other
                    pictures would spoil a trained network)
            all     trained like everything else

A gray picture enters as three equal channels, standardized as the weights were trained. What stands on a trunk obeys
its ``chroma_scale`` and ``width``, so that models on one trunk are comparable.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorbench.arrays import Luma, Picture
from colorbench.errors import UserError
from colorbench.registry import register
from colorbench.trunks.frozen import Frozen
from colorbench.trunks.weights import Follows, digest, follows

Train = Literal["none", "slow", "all"]
Enlarge = Literal["guided", "learned"]
Maps = Mapping[int, Tensor]
"""Stride -> map [b c h/stride w/stride]; the picture is extended to a multiple of the largest stride."""

SLOW = 0.1
"""The share of the rate at which ``train: slow`` learns."""


class Trunk(nn.Module):
    """body: standardized [b 3 h w] -> one map for each of ``strides``, with the channels given there.

    strides: ascending, each twice the one before. mean, std: of gamma-encoded R, G, B in [0, 1]. known: are the body's
    numbers fixed by a name (a wheel, a hub, a file)? chroma_scale: what stands on the trunk predicts chroma this many
    times smaller. width: its channels there, doubled at each halving below. enlarge: how
    small chroma is enlarged. keep: may its maps be kept on disk?
    """

    fingerprint: Tensor
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        body: nn.Module,
        *,
        strides: Mapping[int, int],
        mean: Sequence[float],
        std: Sequence[float],
        train: Train,
        known: bool,
        chroma_scale: int,
        width: int,
        enlarge: Enlarge,
        keep: bool,
    ) -> None:
        super().__init__()
        if chroma_scale < 1 or chroma_scale & (chroma_scale - 1) or chroma_scale > max(strides):
            raise UserError(f"trunk.chroma_scale: expected a power of 2 from 1 to {max(strides)}, got {chroma_scale}")
        self.strides, self.learns = dict(strides), train
        self.chroma_scale, self.width, self.enlarge = chroma_scale, width, enlarge
        self.keeps = keep and known and train == "none" and follows() != Follows.EVERYTHING
        self.kept: Callable[[Trunk, Luma], Maps] | None = None
        self.pace = SLOW if train == "slow" else 1.0
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))
        if train == "none":
            unread = known and follows() == Follows.EVERYTHING
            saved = not known or unread
            numbers = digest(body.state_dict()) if known and not unread else bytes(8)
            body = Frozen(body.to(memory_format=torch.channels_last), saved=saved, unread=False)
            self.register_buffer("fingerprint", torch.tensor(list(numbers), dtype=torch.uint8))
        self.body = body
        self.train(self.training)

    @property
    def frozen(self) -> bool:
        """Does nothing train it?"""
        return self.learns == "none"

    @property
    def stride(self) -> int:
        """Of the coarsest map."""
        return max(self.strides)

    def forward(self, L: Luma) -> Maps:
        """The maps of a gray picture, L in [-1, 1]."""
        L = self._padded(L)
        return self.kept(self, L) if self.kept is not None and L.device.type == "cpu" else self.compute(L)

    def compute(self, L: Luma) -> Maps:
        """As :meth:`forward`, of sides that the stride divides, whether or not the maps are kept."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return self._maps((L * 0.5 + 0.5).expand(-1, 3, -1, -1))

    def see(self, rgb: Picture) -> Maps:
        """The maps of a picture in [0, 1]; slopes flow back to it, whoever trains the trunk."""
        return self._maps(self._padded(rgb))

    def train(self, mode: bool = True) -> "Trunk":
        """Only a trunk that learns freely ever leaves eval mode."""
        super().train(mode)
        self.body.train(mode and self.learns == "all")
        return self

    def keep_numbers(self) -> None:
        """From now on ``state_dict`` holds even a frozen body: for files that must not need anything else."""
        for module in self.body.modules():
            module._non_persistent_buffers_set.clear()

    def name_numbers(self) -> None:
        """From now on ``state_dict`` leaves a frozen body out, as of one that was read: a hash names it."""
        for module in self.body.modules() if self.frozen else ():
            module._non_persistent_buffers_set.update(module._buffers)

    def _padded(self, x: Tensor) -> Tensor:
        """Its edge repeats at the bottom and the right until the largest stride divides height and width."""
        bottom, right = -x.shape[-2] % self.stride, -x.shape[-1] % self.stride
        return F.pad(x, (0, right, 0, bottom), mode="replicate") if bottom or right else x

    def _maps(self, rgb: Tensor) -> Maps:
        x = ((rgb - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        return dict(zip(self.strides, self.body(x), strict=True))

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *rest: object) -> None:
        said, mine = state.get(f"{prefix}fingerprint"), getattr(self, "fingerprint", None)
        if said is not None and mine is None:  # it stood on a frozen trunk, whose training begins here
            body = self.body.state_dict()
            if not torch.equal(said.cpu(), torch.tensor(list(digest(body)), dtype=torch.uint8)):
                raise UserError(
                    f"trunk.weights: the checkpoint stands on a trunk {_hex(said)}, these weights are another's; "
                    "give the weights that it was trained on"
                )
            del state[f"{prefix}fingerprint"]
            state.update({f"{prefix}body.{key}": value for key, value in body.items()})
        if said is not None and mine is not None and not said.is_meta and not mine.is_meta:
            other = f"{prefix}body.network" not in " ".join(state) and not torch.equal(said.cpu(), mine.cpu())
            if other:
                raise UserError(
                    f"trunk.weights: the checkpoint stands on a trunk {_hex(said)}, these weights are {_hex(mine)}; "
                    "give the weights that it was trained on"
                )
        super()._load_from_state_dict(state, prefix, *rest)


class Pyramid(nn.Module):
    """Resizes a trunk's maps to the exact strides that they stand for, where its layers round otherwise."""

    def __init__(self, body: nn.Module, strides: Sequence[int]) -> None:
        super().__init__()
        self.body, self.strides = body, tuple(strides)

    def forward(self, x: Tensor) -> list[Tensor]:
        """[b 3 h w] -> maps."""
        sizes = [(x.shape[-2] // s, x.shape[-1] // s) for s in self.strides]
        maps = zip(self.body(x), sizes, strict=True)
        return [m if m.shape[-2:] == size else F.interpolate(m, size=size, mode="nearest") for m, size in maps]


@register("trunk", "none")
def none() -> None:
    """No trunk: the model's own encoder."""
    return


def _hex(fingerprint: Tensor) -> str:
    return bytes(fingerprint.tolist()).hex()
