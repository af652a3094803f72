"""Small chroma over large photographs."""

from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from colorbench import color
from colorbench.inference.paint import Enlarger, in_gamut, paint
from colorbench.inference.photo import read_photo
from colorbench.networks.guided import slope

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


@pytest.mark.parametrize("bits", [8, 16])
def test_no_byte_depends_on_the_number_of_threads(bits):
    """Of strips that end with the rows, and of those that do not; one of them is all outside of the gamut."""
    gray = levels(120, 160)
    gray[40:50] = 255
    photo = read_photo(Image.fromarray(gray if bits == 8 else gray.astype(np.uint16) * 257))
    maps = _maps(photo)
    alone = paint(photo, *maps, strip=10**9, threads=1)
    for threads in (1, 2, 3, 50):
        for strip in (1, 160 * 7, 160 * 40):
            assert np.array_equal(alone, paint(photo, *maps, strip=strip, threads=threads))


def test_a_failure_in_a_thread_is_the_painter_s(monkeypatch):
    photo = _photo()
    maps = _maps(photo)

    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(color.Decoder, "linear", fail)
    with pytest.raises(MemoryError):
        paint(photo, *maps, strip=160, threads=3)


def _rows(L, ab, guide, top=0, height=None):
    """[2 rows width] of the enlarged maps."""
    rows, width = guide.shape[-2:]
    return Enlarger(L, ab, height or rows, width).rows(guide[0, 0].numpy(), top, np.empty((5, rows, width), np.float32))


def test_enlarged_maps_are_those_of_the_guided_filter():
    """As in the theory, in torch, all at once."""
    photo = _photo()
    L, ab = _maps(photo)
    up = partial(torch.nn.functional.interpolate, size=(120, 160), mode="bilinear")
    k = torch.tensor([0.125, 0.75, 0.125])
    blur = (k[:, None] * k).expand(1, 1, 3, 3)
    once = [
        torch.nn.functional.conv2d(torch.nn.functional.pad(x, (1,) * 4, mode="replicate"), blur)
        for x in (L, ab[:, :1], ab[:, 1:])
    ]
    guide = photo.luma(0, 120)
    q = up(2 * ab - torch.cat(once[1:], 1)) + up(slope(L, ab)) * (guide - up(2 * L - once[0]))
    assert np.allclose(_rows(L, ab, guide), q[0].clamp(-1, 1).numpy(), atol=1e-5)
    assert np.array_equal(_rows(L, ab, photo.luma(30, 50), 30, 120), _rows(L, ab, guide)[:, 30:50])


def test_a_photograph_smaller_than_its_map_is_painted_too():
    photo = _photo(9, 12)
    assert paint(photo, *_maps(photo)).shape == (9, 12, 3)


def test_a_constant_chroma_stays_constant():
    photo = _photo()
    L = photo.small(16, 16)
    ab = torch.tensor([0.1, -0.2]).view(1, 2, 1, 1).expand(1, 2, 16, 16)
    large = _rows(L, ab, photo.luma(10, 20), 10, 120)
    assert np.allclose(large, np.array([0.1, -0.2])[:, None, None], atol=1e-5)


def test_edges_of_the_photograph_are_edges_of_the_color():
    gray = np.full((96, 96), 60, dtype=np.uint8)
    gray[:, 45:] = 190  # not where a pixel of the small map ends
    photo = read_photo(Image.fromarray(gray))
    truth = torch.where(photo.luma(0, 96) > 0, 0.3, -0.3).expand(1, 2, 96, 96)
    small = torch.nn.functional.interpolate(truth, (12, 12), mode="area")
    L = torch.nn.functional.interpolate(photo.luma(0, 96), (12, 12), mode="area")
    guided = torch.from_numpy(_rows(L, small, photo.luma(0, 96)))[None]
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
