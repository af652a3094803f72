"""Files as people have them."""

import io
import os

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from colorbench.errors import UserError
from colorbench.inference.photo import read_photo, write_photo

from .conftest import levels


def _ramp(mode="L", size=(32, 24)):
    gray = Image.fromarray(np.linspace(0, 255, size[0] * size[1]).astype(np.uint8).reshape(size[1], size[0]))
    return gray.convert(mode)


def _painted(photo):
    rgb = np.repeat(photo.levels[..., None], 3, axis=2) if photo.levels.ndim == 2 else photo.levels
    return np.ascontiguousarray(rgb)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"])
def test_every_mode_of_a_gray_picture_is_read(mode, tmp_path):
    if mode in ("I;16", "I"):
        image = Image.fromarray((np.asarray(_ramp()).astype(np.int32) * 257).astype("u2" if mode == "I;16" else "i4"))
    elif mode == "F":
        image = Image.fromarray(np.asarray(_ramp()).astype(np.float32) / 255)
    else:
        image = _ramp(mode)
    photo = read_photo(image)
    assert photo.size == (24, 32)
    assert photo.deep == (mode in ("I;16", "I", "F"))
    L = photo.luma(0, 24)
    assert L.min() <= -0.97
    assert L.max() >= 0.97
    assert photo.small(8, 11).shape == (1, 1, 8, 11)


def test_transparency_is_kept_and_does_not_touch_the_gray(tmp_path):
    image = _ramp("LA")
    image.putalpha(Image.fromarray(np.arange(32 * 24, dtype=np.uint16).astype(np.uint8).reshape(24, 32)))
    photo = read_photo(image)
    assert np.array_equal(photo.levels, np.asarray(_ramp()))
    write_photo(tmp_path / "a.png", _painted(photo), photo)
    with Image.open(tmp_path / "a.png") as back:
        assert back.mode == "RGBA"
        assert np.array_equal(np.asarray(back)[..., 3], np.asarray(image)[..., 1])
    with pytest.raises(UserError, match="no transparency"):
        write_photo(tmp_path / "a.jpg", _painted(photo), photo)
    assert not (tmp_path / "a.jpg").exists()


def test_pictures_are_turned_upright_and_their_exif_says_so(tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    _ramp().save(tmp_path / "a.jpg", exif=exif, dpi=(300, 300))
    photo = read_photo(tmp_path / "a.jpg")
    assert photo.size == (32, 24)
    for name in ("b.jpg", "b.png", "b.webp", "b.tif"):
        write_photo(tmp_path / name, _painted(photo), photo)
        with Image.open(tmp_path / name) as back:
            assert back.size == (24, 32)
            assert back.getexif().get(0x0112, 1) == 1
            assert back.getexif()[0x010F] == "maker"


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_come_back_bit_for_bit(suffix, tmp_path):
    import tifffile

    deep = np.random.default_rng(0).integers(0, 65536, (13, 17, 3)).astype(np.uint16)
    photo = read_photo(Image.fromarray(deep[..., 0]))
    write_photo(tmp_path / f"a{suffix}", deep, photo)
    if suffix == ".tif":
        assert np.array_equal(tifffile.imread(tmp_path / "a.tif"), deep)
        return
    with Image.open(tmp_path / "a.png") as back:  # Pillow shows the upper 8 bits of 16, the file's own bytes the rest
        back.load()
        assert back.size == (17, 13)
        assert np.array_equal(np.asarray(back), (deep >> 8).astype(np.uint8))
    assert np.array_equal(_png_rows(tmp_path / "a.png"), deep)


def _png_rows(file):
    """An independent reading of 16-bit RGB rows with filter 1."""
    import zlib

    data, place, packed = file.read_bytes(), 8, b""
    while place < len(data):
        n, kind = int.from_bytes(data[place : place + 4]), data[place + 4 : place + 8]
        packed += data[place + 8 : place + 8 + n] if kind == b"IDAT" else b""
        place += 12 + n
    lines = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(13, -1)
    assert (lines[:, 0] == 1).all()
    steps = lines[:, 1:].reshape(13, 17, 6).astype(np.uint64).cumsum(axis=1).astype(np.uint8)
    return steps.reshape(13, 17, 3, 2).copy().view(">u2")[..., 0].astype(np.uint16)


def _icc(space, gamma, primaries=()):
    """An ICC profile of version 2 (ICC.1:2001-04): a tone curve, and for RGB the primaries' XYZ under D50."""

    def fixed(*numbers):
        return b"".join(round(n * 65536).to_bytes(4, signed=True) for n in numbers)

    curve = b"curv" + bytes(4) + (1).to_bytes(4) + round(gamma * 256).to_bytes(2) + bytes(2)
    text = b"made for a test\0"
    name = b"desc" + bytes(4) + len(text).to_bytes(4) + text + bytes(80)
    tags = {b"desc": name, b"cprt": b"text" + bytes(4) + text, b"wtpt": b"XYZ " + bytes(4) + fixed(0.9642, 1, 0.8249)}
    if space == b"GRAY":
        tags[b"kTRC"] = curve
    for letter, xyz in zip(b"rgb", primaries, strict=False):
        tags[bytes([letter]) + b"XYZ"] = b"XYZ " + bytes(4) + fixed(*xyz)
        tags[bytes([letter]) + b"TRC"] = curve
    table, body = len(tags).to_bytes(4), b""
    for tag, data in tags.items():
        place = 132 + 12 * len(tags) + len(body)
        table += tag + place.to_bytes(4) + len(data).to_bytes(4)
        body += data + bytes(-len(data) % 4)
    head = bytes(8) + bytes.fromhex("02400000") + b"mntr" + space + b"XYZ " + bytes(12) + b"acsp" + bytes(28)
    head += fixed(0.9642, 1, 0.8249)
    whole = head + bytes(128 - len(head)) + table + body
    return (len(whole)).to_bytes(4) + whole[4:]


def test_the_tone_curve_of_a_gray_profile_is_applied():
    photo = read_photo(_with_profile(_ramp(), _icc(b"GRAY", 1.0)))
    linear = np.arange(256) / 255.0
    f = np.where(linear > (6 / 29) ** 3, np.cbrt(linear), linear / (3 * (6 / 29) ** 2) + 4 / 29)
    expected = (116 * f - 16) / 50 - 1  # L of a value that is light itself, not gamma-encoded
    assert np.abs(photo.tones - expected)[20:].max() < 0.012
    assert np.abs(read_photo(_ramp()).tones - expected).max() > 0.3
    assert b"GRAY" not in photo.icc  # which could not describe colors: what is written is sRGB, and says so


def test_a_wide_color_profile_is_kept_and_means_the_same_colors_afterwards(tmp_path):
    adobe = _icc(b"RGB ", 2.2, [(0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446)])
    photo = read_photo(_with_profile(_ramp("RGB"), adobe))
    assert photo.icc == adobe
    painted = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)  # sRGB
    write_photo(tmp_path / "a.png", painted, photo)
    with Image.open(tmp_path / "a.png") as back:
        assert back.info["icc_profile"] == adobe
        assert np.abs(np.asarray(back).astype(int) - painted).max() > 10  # other numbers ...
    again = read_photo(tmp_path / "a.png", recolor=True)
    assert np.abs(again.levels.astype(int) - painted).max() <= 12  # ... of the same colors, within 8 bits of each
    assert np.abs(again.levels.astype(int) - painted).mean() < 1.0


def test_an_srgb_profile_is_kept_as_it_is_and_a_damaged_one_is_named():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = read_photo(_with_profile(_ramp(), srgb))
    assert photo.icc == srgb
    assert photo.to_profile is None
    with pytest.raises(UserError, match="profile"):
        read_photo(_with_profile(_ramp("RGB"), b"nonsense" * 40))


def test_color_files_of_sixteen_bits_are_read_with_eight(tmp_path):
    """Pillow has no such mode and gives the upper bytes."""
    deep = np.repeat(np.linspace(0, 65535, 13 * 17).astype(np.uint16).reshape(13, 17, 1), 3, axis=2)
    source = read_photo(Image.fromarray(deep[..., 0]))
    for suffix in (".png", ".tif"):
        write_photo(tmp_path / f"a{suffix}", deep, source)
        photo = read_photo(tmp_path / f"a{suffix}")
        assert not photo.deep
        assert np.array_equal(photo.levels, (deep >> 8).astype(np.uint8))


def _with_profile(image, icc):
    held = io.BytesIO()
    image.save(held, format="PNG", icc_profile=icc)
    return Image.open(held)


def test_pictures_in_color_are_refused_unless_asked_for():
    red = Image.new("RGB", (20, 20), (200, 30, 30))
    with pytest.raises(UserError, match="--recolor"):
        read_photo(red)
    assert read_photo(red, recolor=True).size == (20, 20)


@pytest.mark.parametrize("tint", [(255, 240, 215), (235, 200, 150), (170, 205, 255)], ids=["cream", "sepia", "cyan"])
def test_a_photograph_toned_in_one_hue_counts_as_gray(tint):
    tone = levels(96, 128)[:, :, None] / 255.0
    toned = Image.fromarray((255 * tone ** (255.0 / np.array(tint))).astype(np.uint8))
    worn = io.BytesIO()
    toned.save(worn, format="JPEG", quality=70)
    photo = read_photo(Image.open(worn))
    assert photo.tones is None  # its lightness is that of the toned picture
    assert float((photo.luma(0, 96) - read_photo(toned, recolor=True).luma(0, 96)).abs().mean()) < 0.02


@pytest.mark.parametrize("patch", [(0, 60, 140), (140, 60, 0)], ids=["blue", "brown"])
def test_a_picture_with_one_colored_thing_of_another_hue_is_in_color(patch):
    picture = np.repeat(levels(96, 128)[:, :, None], 3, axis=2)
    picture[:, :, 2] //= 2
    picture[30:60, 40:70] = patch if patch[2] else (60, 140, 60)
    with pytest.raises(UserError, match="in color already"):
        read_photo(Image.fromarray(picture))


def test_a_bomb_is_refused_by_its_header(tmp_path):
    huge = io.BytesIO()
    Image.new("1", (1, 1)).save(huge, format="PNG")
    data = bytearray(huge.getvalue())
    data[16:24] = (60_000).to_bytes(4) + (60_000).to_bytes(4)
    import zlib

    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4)
    (tmp_path / "bomb.png").write_bytes(bytes(data))
    with pytest.raises(UserError, match="60000 x 60000"):
        read_photo(tmp_path / "bomb.png")
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "a" * 70_000_000, zip=True)
    _ramp().save(tmp_path / "text.png", pnginfo=text)
    with pytest.raises(UserError, match=r"unreadable|known format"):
        read_photo(tmp_path / "text.png")


def test_what_is_no_picture_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "program.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    (tmp_path / "empty.png").touch()
    for name, why in (("pipe", "regular"), ("program", "known format"), ("empty", "an empty file"), ("no", "no such")):
        with pytest.raises(UserError, match=why):
            read_photo(tmp_path / f"{name}.png")


def test_nothing_is_written_through_a_link_and_nothing_is_left_half_written(tmp_path):
    photo = read_photo(_ramp())
    (tmp_path / "precious").write_text("keep")
    (tmp_path / "a.png").symlink_to(tmp_path / "precious")
    with pytest.raises(UserError, match="symbolic link"):
        write_photo(tmp_path / "a.png", _painted(photo), photo)
    assert (tmp_path / "precious").read_text() == "keep"
    with pytest.raises(UserError, match="cannot be written"):
        write_photo(tmp_path / ("n" * 300 + ".png"), _painted(photo), photo)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "precious"]
