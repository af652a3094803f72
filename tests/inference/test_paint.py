"""Small chroma over large photographs."""

import numpy as np
import torch
from PIL import Image

from colorbench import color
from colorbench.inference.paint import Enlarger, in_gamut, paint
from colorbench.inference.photo import read_photo

from .conftest import levels


def _photo(height=120, width=160):
    return read_photo(Image.fromarray(levels(height, width)))


def _maps(photo, side=16, seed=0):
    L = photo.small(side, side)
    generator = torch.Generator().manual_seed(seed)
    return L, 0.6 * torch.rand(1, 2, side, side, generator=generator) - 0.3


def _luma(pixels):
    return color.encode_bytes(torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None])[0]


def test_the_lightness_of_the_result_is_the_photographs_within_rounding():
    photo = _photo()
    L, ab = _maps(photo)
    pixels = paint(photo, L, 3.0 * ab.clamp(-0.33, 0.33))  # far out of gamut in places
    error = (_luma(pixels) - photo.luma(0, 120)).abs() * color.L_HALF
    assert error.max() < 0.75  # L*; 8 bits of R, G and B cannot do better
    assert error.mean() < 0.12


def test_sixteen_bits_keep_the_lightness_a_hundred_times_better():
    deep = np.linspace(3000, 62000, 64 * 48).astype(np.uint16).reshape(48, 64)
    photo = read_photo(Image.fromarray(deep))
    pixels = paint(photo, *_maps(photo))
    assert pixels.dtype == np.uint16
    rgb = torch.from_numpy(pixels.astype(np.float32) / 65535.0).permute(2, 0, 1)[None]
    assert (color.encode(rgb)[0] - photo.luma(0, 48)).abs().max() * color.L_HALF < 0.01
    assert len(np.unique(pixels[..., 1])) > 256


def test_the_result_does_not_depend_on_the_strips():
    photo = _photo()
    maps = _maps(photo)
    assert np.array_equal(paint(photo, *maps, strip=160 * 7), paint(photo, *maps, strip=10**9))


def test_a_constant_chroma_stays_constant():
    photo = _photo()
    L = photo.small(16, 16)
    ab = torch.tensor([0.1, -0.2]).view(1, 2, 1, 1).expand(1, 2, 16, 16)
    large = Enlarger(L, ab, 120, 160).rows(photo.luma(10, 20), 10)
    assert torch.allclose(large, ab[:, :, :1, :1].expand_as(large), atol=1e-5)


def test_edges_of_the_photograph_are_edges_of_the_color():
    gray = np.full((96, 96), 60, dtype=np.uint8)
    gray[:, 45:] = 190  # not where a pixel of the small map ends
    photo = read_photo(Image.fromarray(gray))
    truth = torch.where(photo.luma(0, 96) > 0, 0.3, -0.3).expand(1, 2, 96, 96)
    small = torch.nn.functional.interpolate(truth, (12, 12), mode="area")
    L = torch.nn.functional.interpolate(photo.luma(0, 96), (12, 12), mode="area")
    guided = Enlarger(L, small, 96, 96).rows(photo.luma(0, 96), 0)
    plain = torch.nn.functional.interpolate(small, (96, 96), mode="bilinear")
    assert (guided - truth).square().mean() < 0.3 * (plain - truth).square().mean()


def test_colors_outside_of_the_gamut_keep_hue_and_lightness():
    L = torch.linspace(-0.9, 0.9, 50).view(1, 1, 1, 50)
    ab = torch.tensor([0.6, 0.5]).view(1, 2, 1, 1).expand(1, 2, 1, 50)
    lab = color.rgb_to_lab(in_gamut(L, ab))
    assert (lab[:, :1] - (L + 1) * color.L_HALF).abs().max() < 0.4
    chroma = lab[:, 1:].norm(dim=1)
    assert chroma.min() > 1.0
    assert (lab[:, 2] / lab[:, 1] - 0.5 / 0.6)[chroma > 10].abs().max() < 0.1
    inside = in_gamut(L * 0, ab * 0.1)
    assert torch.allclose(inside, color.decode(L * 0, ab * 0.1), atol=1e-6)
