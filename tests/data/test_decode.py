"""Decoding: every mode of file becomes the right 8-bit sRGB square, and a bad file becomes a reason."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from colorbench.data.decode import fit, render_bytes, to_rgb
from colorbench.data.source import Dropped, Rendered

RED, WHITE = (200, 30, 10), (255, 255, 255)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def rendered(data: bytes, size: int = 4, **options: Any) -> Rendered:
    answer = render_bytes(data, size, max_pixels=options.pop("max_pixels", 10**6), **options)
    assert isinstance(answer, Rendered), answer
    return answer


def reason(data: bytes, max_pixels: int = 10**6) -> str:
    answer = render_bytes(data, 4, max_pixels=max_pixels)
    assert isinstance(answer, Dropped), answer
    return answer.reason


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_lossless_formats_give_their_exact_pixels(kind: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    np.testing.assert_array_equal(rendered(encoded(Image.fromarray(pixels), kind)).pixels, pixels.transpose(2, 0, 1))


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_formats_give_nearly_their_pixels(kind: str) -> None:
    picture = rendered(encoded(Image.new("RGB", (16, 16), RED), kind, quality=95))
    assert np.abs(picture.pixels.astype(int) - np.array(RED)[:, None, None]).max() <= 4


def test_cmyk_becomes_the_rgb_of_its_inks() -> None:
    ink = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    assert rendered(encoded(ink, "TIFF")).pixels[:, 0, 0].tolist() == [255, 0, 0]


def test_a_palette_is_looked_up() -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, *RED])
    assert rendered(encoded(image, "PNG")).pixels[:, 0, 0].tolist() == list(RED)


def test_a_transparent_palette_entry_shows_white() -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, *RED])
    assert rendered(encoded(image, "PNG", transparency=1)).pixels[:, 0, 0].tolist() == list(WHITE)


def test_alpha_is_laid_over_white() -> None:
    half = rendered(encoded(Image.new("RGBA", (8, 8), (200, 0, 0, 51)), "PNG")).pixels[:, 0, 0]
    assert half.tolist() == [244, 204, 204]


def test_sixteen_bits_are_scaled_and_not_cut() -> None:
    deep = np.full((8, 8), 0x01FF, dtype=np.uint16)
    assert rendered(encoded(Image.fromarray(deep), "PNG")).pixels[:, 0, 0].tolist() == [2, 2, 2]


def test_sixteen_bit_color_keeps_its_color() -> None:
    row = b"\0" + struct.pack(">3H", 0xC8C8, 0x1E1E, 0x0A0A) * 8

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row * 8)) + chunk(b"IEND", b"")
    assert rendered(png).pixels[:, 0, 0].tolist() == list(RED)


def test_float_pixels_in_0_to_1_fill_the_8_bit_range() -> None:
    assert np.asarray(to_rgb(Image.fromarray(np.full((2, 2), 0.5, dtype=np.float32))))[0, 0].tolist() == [128] * 3


def test_exif_orientation_turns_the_picture_upright() -> None:
    lying = Image.new("RGB", (8, 8), WHITE)
    lying.paste(RED, (0, 0, 4, 8))  # the left half
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate 90 clockwise to show": the left half ends up on top
    upright = rendered(encoded(lying, "PNG", exif=exif), 8).pixels
    assert upright[:, 0, 4].tolist() == list(RED)
    assert upright[:, 7, 4].tolist() == list(WHITE)


def test_the_largest_center_square_is_cut() -> None:
    wide = Image.new("RGB", (12, 4), WHITE)
    wide.paste(RED, (4, 0, 8, 4))
    assert (fit(wide, 4).reshape(3, -1).T == RED).all()


def test_stretching_keeps_the_borders() -> None:
    wide = Image.new("RGB", (12, 4), WHITE)
    wide.paste(RED, (0, 0, 2, 4))
    assert fit(wide, 12, stretch=True)[:, 6, 0].tolist() == list(RED)


def test_resizing_is_antialiased() -> None:
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(fit(Image.fromarray(stripes), 8).astype(int) - 127).max() <= 6


def test_a_truncated_file_is_unreadable() -> None:
    data = encoded(Image.effect_noise((64, 64), 90).convert("RGB"), "JPEG")
    assert reason(data[: len(data) // 2]).startswith("unreadable: ")


@pytest.mark.parametrize("data", [b"", b"not an image", b"\x89PNG\r\n\x1a\n", bytes(1000)])
def test_a_file_that_only_claims_to_be_an_image_is_unreadable(data: bytes) -> None:
    assert reason(data).startswith("unreadable: ")


def test_an_image_of_30000_by_30000_is_refused_by_its_header() -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(bytes(1000)))
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")
    assert reason(bomb, 2 * 10**8) == "too large: 30000 x 30000 is more than max_pixels=200000000"


def test_random_damage_never_raises() -> None:
    rng = np.random.default_rng(0)
    for kind in ("PNG", "JPEG", "WEBP", "TIFF", "BMP"):
        whole = np.frombuffer(encoded(Image.effect_noise((24, 24), 90).convert("RGB"), kind), dtype=np.uint8)
        for _ in range(60):
            damaged = whole.copy()
            at = rng.integers(0, len(damaged), 8)
            damaged[at] = rng.integers(0, 256, 8)
            assert isinstance(render_bytes(damaged.tobytes(), 4, max_pixels=10**6), Rendered | Dropped)


def test_the_digest_is_of_the_file(tmp_path: Path) -> None:
    import hashlib

    data = encoded(Image.new("RGB", (8, 8), RED), "PNG")
    assert rendered(data).sha256 == hashlib.sha256(data).hexdigest()
