"""Color: sRGB <-> CIELAB, and the only file that knows 50, 100, 128 and D65.

CIELAB (CIE 15:2004) places a color at lightness L* and chroma axes a* (green-red) and b* (blue-yellow):

    X, Y, Z = M . linear(R, G, B)                      sRGB primaries, D65 white, 2 degree observer
    f(t) = t^(1/3)  if t > (6/29)^3  else  (t (29/3)^3 + 16) / 116
    L* = 116 f(Y/Yn) - 16,   a* = 500 (f(X/Xn) - f(Y/Yn)),   b* = 200 (f(Y/Yn) - f(Z/Zn))

Everything here is batched, differentiable with finite gradients everywhere (also at 0 and at gray), and computed in
float32 whatever autocast says. The numbers are scikit-image's (its matrix and white), so that both agree to 1e-3.
A prediction is a chroma only: the true L is joined to it, converted, clipped and rounded to 8 bits once, in
:func:`to_bytes`.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from colorbench.arrays import Bytes, Chroma, Lab, Luma, Picture

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
    return join(*encode_bytes(pixels))


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


def encode(rgb: Picture) -> tuple[Luma, Chroma]:
    """What a network sees (L) and what it has to find (ab), of a picture in [0, 1]."""
    if rgb.requires_grad:
        return split(rgb_to_lab(rgb))
    return _in_pieces(rgb.float(), _linearize)


def encode_bytes(pixels: Bytes) -> tuple[Luma, Chroma]:
    """What a network sees and what it has to find, of 8-bit pictures: the hot path of training.

    The gamma curve is a table of its 256 values.
    """
    table = _linearize(torch.arange(256, device=pixels.device) / 255.0)

    def look_up(part: Tensor) -> Tensor:
        index = part.to(torch.int32, memory_format=torch.contiguous_format)
        return table.index_select(0, index.view(-1)).view(part.shape)

    return _in_pieces(pixels, look_up)


def decode(L: Luma, ab: Chroma) -> Picture:
    """The picture that joins a true L to a chroma, NOT clipped (differentiable: perceptual losses use it)."""
    return lab_to_rgb(join(L, ab))


def to_bytes(rgb: Picture) -> Bytes:
    """Clip to the gamut and ROUND to 8 bits: the one place where a picture becomes bytes."""
    return (rgb.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8)


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


def _in_pieces(pictures: Tensor, linearize: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """(L, ab) of pictures [b 3 h w] without a gradient.

    On a CPU it works through pieces that stay in the processor's cache, small enough that torch runs each in the
    calling thread: six times as fast on one core, and no threads that wait for each other.
    """
    b, _, h, w = pictures.shape
    size, device = h * w, pictures.device
    L, ab = torch.empty(b, 1, size, device=device), torch.empty(b, 2, size, device=device)
    in_cache = 2**15 if torch.get_num_threads() == 1 else 2**15 // 3
    most = in_cache if device.type == "cpu" else max(b * size, 1)
    columns, step = max(min(size, most), 1), max(most // max(size, 1), 1)
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        for i in range(0, b, step):
            for j in range(0, size, columns):
                part = slice(i, i + step), slice(None), slice(j, j + columns)
                _encode_part(linearize(pictures.reshape(b, 3, size)[part]), L[part], ab[part])
    return L.reshape(b, 1, h, w), ab.reshape(b, 2, h, w)


def _encode_part(linear: Tensor, L: Tensor, ab: Tensor) -> None:
    """linear [n 3 k] (which it uses up) into L [n 1 k] and ab [n 2 k], in as few passes over memory as torch allows.

    The cube root is exp(log(t) / 3), and its linear foot is added as min(t - t0, 0) / (3 d^2).
    """
    f = torch.empty_like(linear)
    for channel, (r, g, b) in zip(f.unbind(1), _TO_RELATIVE_XYZ.tolist(), strict=True):
        torch.mul(linear[:, 0], r, out=channel)
        channel.add_(linear[:, 1], alpha=g).add_(linear[:, 2], alpha=b)
    foot = torch.clamp(f, max=_DELTA**3, out=linear).sub_(_DELTA**3)
    f.clamp_(min=_DELTA**3).log_().mul_(1 / 3).exp_().add_(foot, alpha=1 / (3 * _DELTA**2))
    fx, fy, fz = f.unbind(1)
    torch.mul(fy, 116.0 / L_HALF, out=L[:, 0]).sub_(16.0 / L_HALF + 1.0)
    torch.sub(fx, fy, out=ab[:, 0]).mul_(500.0 / AB_UNIT)
    torch.sub(fy, fz, out=ab[:, 1]).mul_(200.0 / AB_UNIT)


def _mix(matrix: Tensor, channels: Tensor) -> Tensor:
    """Apply a 3x3 matrix to the channel axis, in plain float32 (a matmul may drop to TF32 on some devices)."""
    c0, c1, c2 = channels.unbind(-3)
    rows = matrix.tolist()
    return torch.stack([r0 * c0 + r1 * c1 + r2 * c2 for r0, r1, r2 in rows], dim=-3)
