"""Color: sRGB <-> CIELAB, and the only file that knows 50, 100, 128 and D65.

CIELAB (CIE 15:2004) places a color at lightness L* and chroma axes a* (green-red) and b* (blue-yellow):

    X, Y, Z = M . linear(R, G, B)                      sRGB primaries, D65 white, 2 degree observer
    f(t) = t^(1/3)  if t > (6/29)^3  else  (t (29/3)^3 + 16) / 116
    L* = 116 f(Y/Yn) - 16,   a* = 500 (f(X/Xn) - f(Y/Yn)),   b* = 200 (f(Y/Yn) - f(Z/Zn))

Everything here is batched, differentiable with finite gradients everywhere (also at 0 and at gray), and computed in
float32 whatever autocast says. The numbers are scikit-image's (its matrix and white), so that both agree to 1e-3.
A prediction is a chroma only: the true L is joined to it, converted, clipped and rounded to 8 bits once, in
:func:`to_bytes`, or, for photographs of many megapixels, in :meth:`Decoder.levels`.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorbench.arrays import Bytes, Chroma, Lab, Luma, PerImage, Picture

L_HALF = 50.0  # Luma = L* / L_HALF - 1
AB_UNIT = 128.0  # Chroma = (a*, b*) / AB_UNIT

_XYZ_FROM_RGB = torch.tensor(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]],
    dtype=torch.float64,
)
_RGB_FROM_XYZ = torch.linalg.inv(_XYZ_FROM_RGB)
_WHITE_D65 = torch.tensor([0.95047, 1.0, 1.08883], dtype=torch.float64)
_TO_RELATIVE_XYZ = (_XYZ_FROM_RGB / _WHITE_D65[:, None]).float()
_FROM_RELATIVE_XYZ = (_RGB_FROM_XYZ * _WHITE_D65[None, :]).float()
_DELTA = 6.0 / 29.0


def rgb_to_lab(rgb: Picture) -> Lab:
    """CIELAB of gamma-encoded sRGB. Values outside [0, 1] are extended by the linear branch below 0."""
    return _linear_to_lab(_linearize(rgb.float()))


def bytes_to_lab(pixels: Bytes) -> Lab:
    """CIELAB of 8-bit sRGB."""
    lab = torch.empty(pixels.shape, device=pixels.device)
    _in_pieces(pixels, _look_up(pixels.device), (lab[:, :1], lab[:, 1:]), _CIELAB)
    return lab


def lab_to_rgb(lab: Lab) -> Picture:
    """Gamma-encoded sRGB of CIELAB, NOT clipped: values outside [0, 1] are colors outside the sRGB gamut."""
    lab = lab.float()
    with torch.autocast(lab.device.type, enabled=False):
        lightness, a, b = lab.unbind(-3)
        fy = (lightness + 16.0) / 116.0
        f = torch.stack([fy + a / 500.0, fy, fy - b / 200.0], dim=-3)
        relative = torch.where(f > _DELTA, f**3, 3 * _DELTA**2 * (f - 4.0 / 29.0))
        linear = _mix(_FROM_RELATIVE_XYZ, relative)
        safe = linear.clamp_min(0.0031308)  # where() must not meet an infinite slope on its unused side
        return torch.where(linear > 0.0031308, 1.055 * _power(safe, 1 / 2.4) - 0.055, 12.92 * linear)


def split(lab: Lab) -> tuple[Luma, Chroma]:
    """Network units: (L*/50 - 1, (a*, b*)/128)."""
    return lab[:, :1] / L_HALF - 1.0, lab[:, 1:] / AB_UNIT


def join(L: Luma, ab: Chroma) -> Lab:
    """CIELAB units from network units."""
    return torch.cat([(L.float() + 1.0) * L_HALF, ab.float() * AB_UNIT], dim=1)


def mean_chroma(ab: Chroma) -> PerImage:
    """[b]: the mean over pixels of sqrt(a^2 + b^2), in the unit of ``ab``; without a gradient. What norm(dim=1) gives,
    a hundred times as fast on a CPU."""
    a, b = ab.detach().float().unbind(1)
    return (a * a).addcmul_(b, b).sqrt_().mean(dim=(1, 2))


def encode(rgb: Picture, out: tuple[Luma, Chroma] | None = None) -> tuple[Luma, Chroma]:
    """What a network sees (L) and what it has to find (ab), of a picture in [0, 1].

    out: float32 tensors to write to; for pictures without a gradient.
    """
    if rgb.requires_grad:
        return split(rgb_to_lab(rgb))
    return _in_pieces(rgb.float(), _power_law, out or _room(rgb), _NETWORK)


def encode_bytes(pixels: Bytes, out: tuple[Luma, Chroma] | None = None) -> tuple[Luma, Chroma]:
    """What a network sees and what it has to find, of 8-bit pictures: the hot path of training.

    out: float32 tensors to write to.
    """
    return _in_pieces(pixels, _look_up(pixels.device), out or _room(pixels), _NETWORK)


def decode(L: Luma, ab: Chroma) -> Picture:
    """The picture that joins a true L to a chroma, NOT clipped (differentiable: perceptual losses use it)."""
    return lab_to_rgb(join(L, ab))


def to_bytes(rgb: Picture) -> Bytes:
    """Clip to the gamut and ROUND to 8 bits: the one place where a picture becomes bytes. (Through 16 bits: torch takes
    floats to 8 by a slow road on a CPU.)"""
    return (rgb.detach().clamp(0.0, 1.0) * 255.0).round_().to(torch.int16).to(torch.uint8)


def from_bytes(pixels: Bytes) -> Picture:
    """8-bit picture to [0, 1]."""
    return pixels.float() / 255.0


def _linearize(rgb: Tensor) -> Tensor:
    safe = rgb.clamp_min(0.04045)
    return torch.where(rgb > 0.04045, _power((safe + 0.055) / 1.055, 2.4), rgb / 12.92)


def _power(x: Tensor, exponent: float) -> Tensor:
    """x^exponent for x > 0: four times as fast as torch.pow on a CPU, and as exact as float32 needs here."""
    return (x.log() * exponent).exp()


def _linear_to_lab(linear: Tensor) -> Tensor:
    with torch.autocast(linear.device.type, enabled=False):
        relative = _mix(_TO_RELATIVE_XYZ, linear)
        safe = relative.clamp_min(_DELTA**3)
        f = torch.where(relative > _DELTA**3, _power(safe, 1 / 3), relative / (3 * _DELTA**2) + 4.0 / 29.0)
        fx, fy, fz = f.unbind(-3)
        return torch.stack([116.0 * fy - 16.0, 500.0 * (fx - fy), 200.0 * (fy - fz)], dim=-3)


_Linearize = Callable[[Tensor, Tensor], Callable[[Tensor], object]]
"""(where to write, as much room to work in) -> the function of a piece; all of one shape."""


@cache
def _look_up(device: torch.device) -> _Linearize:
    """The gamma curve of bytes is a table of its 256 values."""
    table = _linearize(torch.arange(256, device=device) / 255.0)

    def bind(linear: Tensor, spare: Tensor) -> Callable[[Tensor], object]:
        index, flat = spare.view(torch.int32), linear.view(-1)
        return lambda part: torch.index_select(table, 0, index.copy_(part).view(-1), out=flat)

    return bind


def _power_law(linear: Tensor, spare: Tensor) -> Callable[[Tensor], object]:
    """As :func:`_linearize`: the power of max(x, t) and the linear foot below t, which meet at t."""
    t = 0.04045

    def apply(part: Tensor) -> None:
        torch.clamp(part, min=t, out=linear).add_(0.055).mul_(1 / 1.055).log_().mul_(2.4).exp_()
        linear.add_(torch.clamp(part, max=t, out=spare).sub_(t), alpha=1 / 12.92)

    return apply


def _room(pictures: Tensor) -> tuple[Luma, Chroma]:
    """For the L and ab of pictures."""
    b, _, h, w = pictures.shape
    return torch.empty(b, 1, h, w, device=pictures.device), torch.empty(b, 2, h, w, device=pictures.device)


class Decoder:
    """:func:`decode` and :func:`to_bytes` for pieces of a photograph, of up to ``most`` pixels, in a third of the time.

    In numpy, which runs each call in the thread that makes it and lets others run meanwhile, in place, in buffers that
    stay in the processor's cache: as many threads as there are processors can each have one. What a method returns is
    overwritten by the next. The numbers are decode's to 1e-6.
    """

    def __init__(self, most: int) -> None:
        self.f, self.x = np.empty((2, 3, most), np.float32)
        self.spare = np.empty((3, most), np.float32)

    def linear(self, L: NDArray[np.float32], ab: NDArray[np.float32]) -> NDArray[np.float32]:
        """L [n] and ab [2 n] -> R, G and B of linear light [3 n], NOT clipped."""
        f, x, spare = (buffer[:, : len(L)] for buffer in (self.f, self.x, self.spare))
        _height(L, f[1])
        np.multiply(ab, _AXES, out=f[::2])
        f[::2] += f[1]
        _uncube(f, spare, x)
        for row, (r0, r1, r2) in zip(x, _MIXED, strict=True):
            np.multiply(f[0], r0, out=row)
            for other, r in ((f[1], r1), (f[2], r2)):
                row += np.multiply(other, r, out=spare[0])
        return x

    def fitting(self, L: NDArray[np.float32], ab: NDArray[np.float32], least: float, most: float) -> NDArray[Any]:
        """The share of ab [2 n], in steps of 1/1024, at which R, G and B of linear light lie between ``least`` and
        ``most``, by bisection; [n]."""
        y, share, step = np.empty_like(L), np.zeros_like(L), np.float32(1.0)
        f, x, spare = np.empty_like(ab), np.empty((3, len(L)), np.float32), np.empty((3, len(L)), np.float32)
        light, axes = _height(L, y).copy()[None], ab * _AXES
        _uncube(light, spare[:1], x[:1])
        gray = _MIXED[:, 1:2] * light
        for _ in range(10):
            step = step / np.float32(2.0)
            np.multiply(axes, share + step, out=f)
            f += y
            _uncube(f, spare[:2], x[:2])
            np.multiply(_MIXED[:, :1], f[0], out=x)
            x += gray
            x += np.multiply(_MIXED[:, 2:], f[1], out=spare)
            share += step * ((np.minimum.reduce(x) >= least) & (np.maximum.reduce(x) <= most))
        return share

    def levels(self, linear: NDArray[np.float32], top: int) -> NDArray[np.float32]:
        """Linear light [3 n], as :meth:`linear` gives it -> gamma-encoded, clipped to the gamut, times ``top`` and half
        a level, so that cutting the fraction off ROUNDS; [3 n]."""
        foot, x = self.f[:, : linear.shape[1]], linear
        np.clip(x, _BLACK, _ONE, out=x)
        np.clip(x, None, _FOOT, out=foot)
        foot *= np.float32(12.92 * top)
        np.clip(x, _FOOT, None, out=x)
        np.log(x, out=x)
        x *= np.float32(1 / 2.4)
        np.exp(x, out=x)
        x *= np.float32(1.055 * top)
        x += foot
        x += np.float32(0.5 - (0.055 + 12.92 * float(_FOOT)) * top)
        return x


_AXES = np.array([[AB_UNIT / 500.0], [-AB_UNIT / 200.0]], np.float32)
_MIXED = _FROM_RELATIVE_XYZ.numpy()
_BLACK, _ONE, _FOOT, _BEND = (np.float32(value) for value in (0.0, 1.0, 0.0031308, _DELTA))


def to_linear(level: float) -> float:
    """Of one gamma-encoded R, G or B; below 0 the foot goes on."""
    return float(_linearize(torch.tensor(level, dtype=torch.float64)))


def _height(L: NDArray[np.float32], out: NDArray[np.float32]) -> NDArray[np.float32]:
    """f(Y/Yn) of L."""
    np.multiply(L, np.float32(L_HALF / 116.0), out=out)
    out += np.float32((L_HALF + 16.0) / 116.0)
    return out


def _uncube(f: NDArray[np.float32], x: NDArray[np.float32], spare: NDArray[np.float32]) -> None:
    """In place: f to t, where f = f(t). As the cube of max(f, d) and the linear foot below d, which meet at d."""
    np.clip(f, _BEND, None, out=x)
    np.clip(f, None, _BEND, out=f)
    f -= _BEND
    f *= np.float32(3 * _DELTA**2)
    np.multiply(x, x, out=spare)
    spare *= x
    f += spare


class _Units(NamedTuple):
    """lightness and chroma = matrix . (f(X/Xn), f(Y/Yn), f(Z/Zn)) - (offset, 0, 0)."""

    matrix: Tensor
    offset: float

    @classmethod
    def of(cls, half: float, offset: float, unit: float) -> "_Units":
        """L* / half - offset and (a*, b*) / unit, of an f that comes without its foot's constant d/3."""
        a, b = 500.0 / unit, 200.0 / unit
        matrix = torch.tensor([[0.0, 116.0 / half, 0.0], [a, -a, 0.0], [0.0, b, -b]])
        return cls(matrix, (16.0 + 116.0 * _DELTA / 3) / half + offset)


_CIELAB = _Units.of(1.0, 0.0, 1.0)
_NETWORK = _Units.of(L_HALF, 1.0, AB_UNIT)


def _in_pieces(
    pictures: Tensor, linearize: _Linearize, out: tuple[Tensor, Tensor], units: _Units
) -> tuple[Tensor, Tensor]:
    """The lightness and chroma of pictures [b 3 h w], without a gradient, written to ``out``.

    On a CPU it works through pieces that stay in the processor's cache, small enough that torch runs each in the
    calling thread, with as few calls and passes as torch allows.
    """
    b, _, h, w = pictures.shape
    size, device = h * w, pictures.device
    in_cache = 2**15 if torch.get_num_threads() == 1 else 2**15 // 3
    most = in_cache if device.type == "cpu" else max(b * size, 1)
    columns, step = max(min(size, most), 1), max(most // max(size, 1), 1)
    flat = pictures.reshape(b, 3, size), out[0].view(b, 1, size), out[1].view(b, 2, size)
    planes = (x.transpose(0, 1).split(step, dim=1) for x in flat)  # [c n k] each
    encoders: dict[torch.Size, _Encoder] = {}
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        for rows in zip(*planes, strict=True):
            for part, lightness, chroma in zip(*(x.split(columns, dim=2) for x in rows), strict=True):
                if part.shape not in encoders:
                    encoders[part.shape] = _Encoder(part.shape, device, linearize, units)
                encoders[part.shape](part, lightness, chroma)
    return out


class _Encoder:
    """Pieces of one shape [3 n k] to lightness [1 n k] and chroma [2 n k].

    Two 3x3 matrices, and between them the cube root as exp(log(t) / 3), with its linear foot added as
    min(t, d^3) / (3 d^2).
    """

    def __init__(self, shape: torch.Size, device: torch.device, linearize: _Linearize, units: _Units) -> None:
        self.x, self.f = torch.empty(2, *shape, device=device)
        self.flat_x, self.flat_f = self.x.view(3, -1), self.f.view(3, -1)
        self.scaled, self.chroma = self.x[:1], self.x[1:]
        self.linearize, self.units = linearize(self.x, self.f), units

    def __call__(self, part: Tensor, lightness: Tensor, chroma: Tensor) -> None:
        x, f = self.flat_x, self.flat_f
        self.linearize(part)
        _mix_into(f, _TO_RELATIVE_XYZ, x)
        torch.clamp(f, max=_DELTA**3, out=x)
        f.clamp_(min=_DELTA**3).log_().mul_(1 / 3).exp_().add_(x, alpha=1 / (3 * _DELTA**2))
        _mix_into(x, self.units.matrix, f)
        torch.sub(self.scaled, self.units.offset, out=lightness)
        chroma.copy_(self.chroma)


def _mix_into(out: Tensor, matrix: Tensor, channels: Tensor) -> None:
    """out [3 k] = matrix [3 3] . channels [3 k], by rows: a product may round to bfloat16 or TF32."""
    c0, c1, c2 = channels
    for row, (r0, r1, r2) in zip(out, matrix.tolist(), strict=True):
        torch.mul(c0, r0, out=row)
        row.add_(c1, alpha=r1).add_(c2, alpha=r2)


def _mix(matrix: Tensor, channels: Tensor) -> Tensor:
    """Apply a 3x3 matrix to the channel axis, in plain float32 (a matmul may drop to TF32 on some devices)."""
    c0, c1, c2 = channels.unbind(-3)
    rows = matrix.tolist()
    return torch.stack([r0 * c0 + r1 * c1 + r2 * c2 for r0, r1, r2 in rows], dim=-3)
