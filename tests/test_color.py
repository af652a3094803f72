import numpy as np
import pytest
import torch
from skimage.color import lab2rgb, rgb2lab

from colorbench import color


def cube(n: int) -> torch.Tensor:
    grid = torch.linspace(0, 1, n)
    return torch.stack(torch.meshgrid(grid, grid, grid, indexing="ij")).reshape(1, 3, n * n, n)


def to_hwc(x: torch.Tensor) -> np.ndarray:
    return x[0].permute(1, 2, 0).double().numpy()


def test_lab_agrees_with_scikit_image_within_a_thousandth_over_a_33_cube():
    rgb = cube(33)
    assert np.abs(to_hwc(color.rgb_to_lab(rgb)) - rgb2lab(to_hwc(rgb))).max() < 1e-3


def test_rgb_agrees_with_scikit_image_within_a_thousandth_for_colors_inside_the_gamut():
    lab = color.rgb_to_lab(cube(33))
    assert np.abs(to_hwc(color.lab_to_rgb(lab)) - lab2rgb(to_hwc(lab))).max() < 1e-3


def test_a_picture_of_bytes_survives_the_round_trip_exactly():
    pixels = torch.randint(0, 256, (4, 3, 128, 128), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pixels[0, :, :1, :] = 0
    pixels[0, :, 1:2, :] = 255
    L, ab = color.split(color.bytes_to_lab(pixels))
    assert torch.equal(color.to_bytes(color.decode(L, ab)), pixels)


def test_every_one_of_the_gray_levels_survives_the_round_trip_exactly():
    pixels = torch.arange(256, dtype=torch.uint8).expand(1, 3, 16, 256).contiguous()
    assert torch.equal(color.to_bytes(color.decode(*color.split(color.bytes_to_lab(pixels)))), pixels)


def test_bytes_and_floats_give_the_same_lab():
    pixels = torch.randint(0, 256, (2, 3, 33, 65), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        color.bytes_to_lab(pixels), color.rgb_to_lab(color.from_bytes(pixels)), atol=1e-3, rtol=0
    )


@pytest.mark.parametrize("shape", [(3, 3, 200, 200), (9, 3, 64, 64), (0, 3, 8, 8), (2, 3, 1, 1)])
@pytest.mark.parametrize("threads", [1, 2])
def test_pictures_of_any_number_and_size_are_converted_alike_and_where_asked(shape, threads):
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    expected = color.split(color.rgb_to_lab(color.from_bytes(pixels)))
    room = torch.empty(len(pixels), 1, *shape[2:]), torch.empty(len(pixels), 2, *shape[2:])
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = color.encode_bytes(pixels.flip(-1).flip(-1).mT, out=room)
        of_floats = color.encode(color.from_bytes(pixels))
    finally:
        torch.set_num_threads(before)
    assert found[0] is room[0]
    for mine, floats, true in zip(found, of_floats, expected, strict=True):
        torch.testing.assert_close(mine.mT, true, atol=1e-5, rtol=0)
        torch.testing.assert_close(floats, true, atol=1e-5, rtol=0)


def test_lab_is_exact_at_whatever_precision_networks_multiply():
    pixels = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    expected = color.bytes_to_lab(pixels)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        assert torch.equal(color.bytes_to_lab(pixels), expected)
    finally:
        torch.set_float32_matmul_precision(before)


def test_network_units_stay_inside_their_ranges_over_the_whole_gamut():
    L, ab = color.encode(cube(33))
    assert L.min() >= -1 - 1e-6
    assert L.max() <= 1 + 1e-5
    assert ab.abs().max() < 1


@pytest.mark.parametrize("value", [0.0, 1e-8, 0.5, 1.0])
def test_gradients_of_both_conversions_are_finite_at_black_gray_and_white(value):
    rgb = torch.full((1, 3, 2, 2), value, requires_grad=True)
    lab = color.rgb_to_lab(rgb)
    color.lab_to_rgb(lab).sum().backward()
    assert torch.isfinite(rgb.grad).all()
    ab = torch.zeros(1, 2, 2, 2, requires_grad=True)
    color.decode(torch.full((1, 1, 2, 2), 2 * value - 1), ab).square().sum().backward()
    assert torch.isfinite(ab.grad).all()


def test_the_gradient_of_the_decoder_is_that_of_finite_differences():
    L = torch.tensor([-0.8, -0.2, 0.3, 0.9]).reshape(1, 1, 2, 2)
    ab = torch.full((1, 2, 2, 2), 0.05, dtype=torch.float32, requires_grad=True)
    color.decode(L, ab).square().sum().backward()
    step = 1e-3
    for i in range(ab.numel()):
        delta = torch.zeros_like(ab).reshape(-1)
        delta[i] = step
        delta = delta.reshape(ab.shape)
        with torch.no_grad():
            high, low = (color.decode(L, ab + s * delta).square().sum() for s in (1, -1))
        assert ab.grad.reshape(-1)[i] == pytest.approx(float((high - low) / (2 * step)), rel=2e-2, abs=1e-3)


def test_conversions_are_float32_whatever_autocast_says():
    rgb = cube(9)
    plain = color.rgb_to_lab(rgb)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = color.rgb_to_lab(rgb)
        back = color.lab_to_rgb(cast)
    assert cast.dtype == back.dtype == torch.float32
    assert torch.equal(plain, cast)


def test_bytes_are_rounded_not_truncated_and_clipped_to_the_gamut():
    rgb = torch.tensor([-0.2, 0.4999 / 255, 0.5001 / 255, 254.6 / 255, 1.3]).reshape(1, 1, 1, 5).expand(1, 3, 1, 5)
    assert color.to_bytes(rgb)[0, 0, 0].tolist() == [0, 0, 1, 255, 255]


def test_a_decoder_of_pieces_gives_the_numbers_of_the_decoder_of_pictures():
    generator = torch.Generator().manual_seed(0)
    L, ab = torch.rand(1, 1, 50, 60, generator=generator) * 2 - 1, torch.rand(1, 2, 50, 60, generator=generator) - 0.5
    decoder = color.Decoder(5000)
    flat = L.reshape(-1).numpy(), ab.reshape(2, -1).numpy()
    expected = color.decode(L, ab)
    linear = torch.from_numpy(decoder.linear(*flat)).view(1, 3, 50, 60)
    assert (linear - color._linearize(expected)).abs()[expected > 0].max() < 1e-5
    for top, kind in ((255, np.uint8), (65535, np.uint16)):
        levels = decoder.levels(decoder.linear(*flat), top).astype(kind).astype(int).reshape(3, 50, 60)
        truth = (expected[0].clamp(0, 1).double().numpy() * top).round().astype(int)
        assert np.abs(levels - truth).max() <= 1
        assert (levels != truth).mean() < (1e-3 if top == 255 else 0.05)


def test_the_share_of_a_chroma_that_fits_is_the_largest_that_does():
    generator = torch.Generator().manual_seed(1)
    L, ab = torch.rand(2000, generator=generator) * 1.8 - 0.9, torch.rand(2, 2000, generator=generator) - 0.5
    low, high = color.to_linear(-2e-5), color.to_linear(1 + 2e-5)
    share = torch.from_numpy(color.Decoder(1).fitting(L.numpy(), ab.numpy(), low, high))

    def inside(part):
        rgb = color.decode(L.view(1, 1, 1, -1), (ab * part)[None, :, None])[0, :, 0]
        return ((rgb > -1e-4) & (rgb < 1 + 1e-4)).all(dim=0)

    assert inside(share).all()
    assert not inside((share + 0.01).clamp_max(1.0))[share < 0.98].any()
    assert (inside(torch.ones(2000)) == (share > 0.99)).float().mean() > 0.99
    assert 0.2 < (share < 0.99).float().mean() < 0.9
