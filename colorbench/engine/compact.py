"""Compact: a network's numbers in 8 or 16 bits, in a file that says so by itself.

    8 bits    a matrix or a filter bank W [rows ...] becomes round(W / s) as int8 and s = max |W| / 127 for each row, in
              float16
    16 bits   it becomes float16

Vectors (biases, normalizations), whole numbers and anything of one dimension stay as they are: they are few, and a
running variance does not fit into 16 bits. A row's error is at most s / 2, its largest weight / 254
(and what rounding s costs). The scales lie
beside their matrix, under its name and ``@scale``; :func:`expanded` needs nothing else.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from colorbench.errors import UserError

Bits = Literal[8, 16, 32]
SCALE = "@scale"


def compact(state: Mapping[str, Tensor], bits: Bits) -> dict[str, Tensor]:
    """Fewer bits for the matrices of ``state``; 32 leaves all as it is."""
    found: dict[str, Tensor] = {}
    for name, x in state.items():
        if bits == 32 or x.dim() < 2 or not x.is_floating_point():
            found[name] = x
        elif bits == 16:
            found[name] = x.half()
        else:
            scale = (x.flatten(1).abs().amax(dim=1) / 127.0).clamp(1e-6, 6e4).half()
            found[name] = (x / _along(scale.float(), x)).round().clamp(-127, 127).to(torch.int8)
            found[name + SCALE] = scale
    return found


def expanded(tensors: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """float32 of what :func:`compact` made; tensors without values (meta) keep their shapes. source: for UserErrors."""
    found: dict[str, Tensor] = {}
    for name, x in tensors.items():
        if name.endswith(SCALE):
            continue
        scale = tensors.get(name + SCALE)
        if scale is None:
            found[name] = x.float() if x.dtype == torch.float16 else x
            continue
        if x.dtype != torch.int8 or x.dim() < 2 or scale.shape != x.shape[:1] or not scale.is_floating_point():
            raise UserError(f"{source}: damaged: {name[:80]!r} and its scales do not fit each other")
        whole = x.float()  # of meta tensors this is all: to multiply nothing, torch would import its compiler
        found[name] = whole if x.is_meta else whole * _along(scale.float(), x)
    lost = [name for name in tensors if name.endswith(SCALE) and name.removesuffix(SCALE) not in tensors]
    if lost:
        raise UserError(f"{source}: damaged: {lost[0][:80]!r} are the scales of nothing")
    return found


def _along(scale: Tensor, x: Tensor) -> Tensor:
    """[rows] against [rows ...]."""
    return scale.view(-1, *[1] * (x.dim() - 1))
