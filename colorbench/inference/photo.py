"""Photo: a picture file as people have it, and back, with nothing lost that is not color.

Read are gray and color files of 1, 8 and 16 bits and floats, with palettes, transparency, EXIF orientation and ICC
profiles. What is kept: the size, the transparency, 16 bits of a gray picture (written as 16-bit PNG or TIFF), EXIF,
resolution, and the ICC profile of a color file. A gray profile cannot describe colors: its tone curve is applied and
the result is sRGB. Pictures are turned upright, and their EXIF says so. Color files of 16 bits are read with 8, since
Pillow has no such mode.

A file from anywhere may be hostile. It must be a regular file; only decoders of photographs are tried (Pillow's EPS
decoder would start another program); the size is read from the header and bounded before a pixel is decoded; written
files appear whole or not at all, and never through a link.
"""

import io
import os
import stat
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from colorbench import atomic, color
from colorbench.arrays import Luma
from colorbench.errors import UserError

Image.MAX_IMAGE_PIXELS = None  # read_photo has its own limit, on the header
DECODERS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
MAX_PIXELS = 200_000_000
_WRITERS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {"compress_level": 1}),  # of photographs, 4 is 1 % smaller and a third slower
    ".webp": ("WEBP", {"lossless": True}),
    ".bmp": ("BMP", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".tif": ("TIFF", {"compression": "tiff_adobe_deflate"}),
}
_XMP_PNG, _XMP_TIFF = "XML:com.adobe.xmp", 700  # keyword of the text chunk, number of the tag
_SAME = {".jpeg": ".jpg", ".jpe": ".jpg", ".tiff": ".tif"}
_DESCRIPTIVE = {0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298, 0x8769, 0x8825}
"""EXIF tags that are kept: title, maker, model, software, date, artist, copyright, and the camera's and GPS blocks."""
_SHADES, _LEEWAY, _MUTED = 24, 5.0, 40.0
SUFFIXES = frozenset(_WRITERS) | frozenset(_SAME)
OTHERS = frozenset({".gif", ".ppm", ".pgm", ".pnm", ".heic", ".avif", ".jxl"})
"""Suffixes of pictures that are not written."""


@dataclass(frozen=True)
class Photo:
    """levels: uint8 or uint16 [h w] of a gray picture, uint8 [h w 3] of a color one, in sRGB. tones: L in [-1, 1] of
    each gray level [256] or [65536]. alpha: uint8 [h w] or None. icc: to embed, b"" for none. to_profile: from sRGB
    pixels to those of ``icc``, where that is not sRGB. exif: b"" or a block that says upright. dpi: or None."""

    levels: NDArray[Any]
    tones: NDArray[np.float32] | None
    alpha: NDArray[np.uint8] | None = None
    icc: bytes = b""
    to_profile: Callable[[Image.Image], Image.Image] | None = None
    exif: bytes = b""
    dpi: tuple[float, float] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.levels.shape[0], self.levels.shape[1]

    @property
    def deep(self) -> bool:
        """16 bits?"""
        return self.levels.dtype == np.uint16

    def luma(self, top: int, bottom: int) -> Luma:
        """L [1 1 rows w] of some rows."""
        rows = self.levels[top:bottom]
        if self.tones is not None:
            return torch.from_numpy(self.tones[rows])[None, None]
        return color.encode_bytes(_channels_first(rows))[0]

    def small(self, height: int, width: int) -> Luma:
        """L [1 1 height width], resized as the training pictures were: 8-bit sRGB, Pillow's antialiased bicubic."""
        image = self._image().resize((width, height), Image.Resampling.BICUBIC).convert("RGB")
        return color.encode_bytes(_channels_first(np.asarray(image)))[0]

    def shrunk(self, longest: int) -> "Photo":
        """The same picture for a screen: 8 bits, opaque, its longer side at most ``longest``."""
        height, width = self.size
        scale = min(1.0, longest / max(height, width))
        size = (max(1, round(scale * width)), max(1, round(scale * height)))
        return _photo(self._image().resize(size, Image.Resampling.BICUBIC), recolor=True)

    def _image(self) -> Image.Image:
        """8-bit sRGB, gray or in color."""
        if self.tones is None:
            return Image.fromarray(self.levels)
        L = torch.from_numpy(self.tones)[None, None, None]
        gray = color.to_bytes(color.decode(L, torch.zeros(1, 2, *L.shape[2:])))[0, 1, 0].numpy()
        return Image.fromarray(gray[self.levels])


def read_photo(source: Path | Image.Image, *, recolor: bool = False, max_pixels: int = MAX_PIXELS) -> Photo:
    """A file, or a picture in memory. Toned pictures (sepia) count as gray. recolor: take
    pictures that are in color too, and forget their colors.
    UserError, without the file's name, for anything that cannot be used."""
    if isinstance(source, Image.Image):
        return _photo(source, recolor)
    try:
        if not stat.S_ISREG(os.stat(source).st_mode):
            raise UserError("not a regular file")
        if not os.path.getsize(source):
            raise UserError("an empty file")
        with Image.open(source, formats=DECODERS) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise UserError(f"too large: {width} x {height} is more than --max-pixels {max_pixels}")
            return _photo(image, recolor)
    except UserError:
        raise
    except FileNotFoundError as error:
        raise UserError("no such file") from error
    except UnidentifiedImageError as error:
        raise UserError(f"not a picture in a known format ({', '.join(DECODERS)})") from error
    except MemoryError as error:
        raise UserError("too large: out of memory") from error
    except Exception as error:  # decoders of damaged files raise nearly anything
        raise UserError(f"unreadable: {' '.join(str(error).split())[:120] or type(error).__name__}") from error


def same_format(suffix: str) -> str:
    """The suffix to write for one read: itself, or PNG for a format that is not written."""
    return suffix if suffix.lower() in SUFFIXES else ".png"


def write_photo(target: Path, pixels: NDArray[Any], photo: Photo, xmp: bytes = b"") -> None:
    """uint8 or uint16 [h w 3] in sRGB, with what the photo carries, in the format of the suffix; never through a link.
    xmp: a packet that says where the colors come from (BMP has no place for one).

    JPEG has no transparency, and only PNG and TIFF have 16 bits: UserError.
    """
    suffix = _SAME.get(target.suffix.lower(), target.suffix.lower())
    if suffix not in _WRITERS:
        raise UserError(f"cannot write {target.suffix or 'a file without suffix'}; one of {' '.join(sorted(SUFFIXES))}")
    if photo.alpha is not None and suffix in (".jpg", ".bmp"):
        raise UserError(f"{suffix} has no transparency; --format png keeps it")
    if pixels.dtype == np.uint16 and suffix == ".tif":
        write_whole(target, lambda file: _write_deep_tiff(file, pixels, photo, xmp))
    elif pixels.dtype == np.uint16:
        write_whole(target, lambda file: _write_deep_png(file, pixels, photo, xmp))
    else:
        write_whole(target, lambda file: _write(file, suffix, pixels, photo, xmp))


def keeps_depth(suffix: str) -> bool:
    """Can 16 bits be written?"""
    return suffix.lower() in (".png", ".tif", ".tiff")


def write_whole(target: Path, write: Callable[[BinaryIO], None]) -> None:
    """Whole or not at all: into a new file beside the target, then renamed. UserError where a link or a folder is."""
    if os.path.islink(target):
        raise UserError("a symbolic link lies where the result would go; remove it")
    if os.path.exists(target) and not os.path.isfile(target):
        raise UserError("something that is not a file lies where the result would go")
    try:
        with atomic.replacing(target) as part, part.open("r+b") as file:  # by its name, which writers of TIFF ask for
            write(file)
    except (UserError, MemoryError):
        raise
    except OSError as error:
        if error.errno in atomic.FULL:
            raise  # nothing else can be written either: not this picture's fault
        raise UserError(f"cannot be written: {error.strerror or error}") from error
    except Exception as error:  # encoders of odd metadata raise nearly anything
        raise UserError(f"cannot be written: {' '.join(str(error).split())[:120] or type(error).__name__}") from error


def _photo(image: Image.Image, recolor: bool) -> Photo:
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        raise UserError(f"holds {getattr(image, 'n_frames', 0)} pages or frames; give each as a file of its own")
    icc, dpi = image.info.get("icc_profile") or b"", image.info.get("dpi")
    upright = ImageOps.exif_transpose(image)
    assert upright is not None
    exif = image.getexif()  # a TIFF's upright copy has none
    for tag in set(exif) - _DESCRIPTIVE:  # of a TIFF these say how the old file was laid out
        del exif[tag]
    dots = tuple(float(d) for d in dpi) if dpi else ()
    sane = len(dots) == 2 and all(1.0 <= d <= 65535.0 for d in dots)
    profile = _profile(icc)
    extra: dict[str, Any] = {"exif": exif.tobytes() if len(exif) else b"", "dpi": dots if sane else None}
    if upright.mode.startswith("I;16") or upright.mode in ("I", "F"):
        return _gray(_deep(upright), profile, icc, extra)
    upright, extra["alpha"] = _without_alpha(upright)
    if upright.mode == "L":
        return _gray(np.asarray(upright), profile, icc, extra)
    space = profile.profile.xcolor_space.strip() if profile else ""
    if upright.mode == "CMYK" and space == "CMYK":
        assert profile is not None
        upright, icc, profile = _to_srgb(upright, profile), _srgb().tobytes(), None
    elif upright.mode != "RGB":
        upright, icc, profile = upright.convert("RGB"), b"", None
    to_profile = None
    if profile is not None and space == "RGB" and not _is_srgb(profile):
        original = profile
        upright = _to_srgb(upright, original)
        to_profile = _converter(_srgb(), original)
    levels = np.asarray(upright)
    if not recolor and _in_color(levels) and not _toned(levels):
        raise UserError("in color already; --recolor forgets its colors and gives it new ones")
    return Photo(levels, None, icc=icc, to_profile=to_profile, **extra)


def _gray(levels: NDArray[Any], profile: ImageCms.ImageCmsProfile | None, icc: bytes, extra: dict[str, Any]) -> Photo:
    ramp = torch.arange(256).to(torch.uint8).view(1, 1, 1, 256).expand(1, 3, 1, 256)
    if profile is not None and not _is_srgb(profile):
        flat = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
        space = profile.profile.xcolor_space.strip()
        curve = np.asarray(_to_srgb(flat if space == "GRAY" else flat.convert("RGB"), profile))
        ramp, icc = _channels_first(curve), _srgb().tobytes()
    tones = color.encode_bytes(ramp.contiguous())[0][0, 0, 0].numpy().astype(np.float32)
    if levels.dtype == np.uint16:
        if profile is None or _is_srgb(profile):  # exact, not interpolated between 256 tones
            fine = torch.arange(65536, dtype=torch.float32).view(1, 1, 1, -1).expand(1, 3, 1, -1) / 65535.0
            tones = color.encode(fine.contiguous())[0][0, 0, 0].numpy().astype(np.float32)
        else:
            tones = np.interp(np.arange(65536) / 257.0, np.arange(256), tones).astype(np.float32)
    return Photo(levels, tones, icc=icc, **extra)


def _deep(image: Image.Image) -> NDArray[np.uint16]:
    levels = np.asarray(image)
    if image.mode == "F":
        levels = np.nan_to_num(levels.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
        levels = (levels * (65535.0 if levels.max(initial=0.0) <= 1.0 else 257.0)).round()
    if levels.size and (levels.min() < 0 or levels.max() > 65535):
        raise UserError("gray levels below 0 or above 65535; scale them to 16 bits first")
    return np.ascontiguousarray(levels.astype(np.uint16))


def _without_alpha(image: Image.Image) -> tuple[Image.Image, NDArray[np.uint8] | None]:
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        bands = image.split()
        same = all(bands[0].tobytes() == band.tobytes() for band in bands[1:3])
        return (bands[0] if same else Image.merge("RGB", bands[:3])), np.asarray(bands[3])
    if image.mode == "1":
        return image.convert("L"), None
    if image.mode in ("P", "PA"):
        image = image.convert("RGB")
    return image, None


def _in_color(levels: NDArray[np.uint8]) -> bool:
    """More than one pixel in a thousand, of at most a million looked at, further from gray than noise."""
    step = max(1, int((levels.shape[0] * levels.shape[1] / 1e6) ** 0.5))
    some = levels[::step, ::step].astype(np.int16)
    return float(((some.max(axis=2) - some.min(axis=2)) > 12).mean()) > 0.001


def _toned(levels: NDArray[np.uint8]) -> bool:
    """A gray photograph in one hue (sepia, cyanotype, faded brown): the chroma follows from the lightness, but for the
    noise of an old JPEG, all of it leans one way, and it is muted.

    CIELAB units; of 200 validation photographs in color two pass, of 120 toned ones all (JPEG of quality 70).
    """
    step = max(1, int((levels.shape[0] * levels.shape[1] / 65536) ** 0.5))
    some = _channels_first(levels[::step, ::step])
    lab = color.bytes_to_lab(some)[0].flatten(1).double().numpy()
    ab, shade = lab[1:], (lab[0] / 100 * (_SHADES - 1)).round().astype(int)
    count = np.maximum(np.bincount(shade, minlength=_SHADES), 1)
    tone = np.stack([np.bincount(shade, values, minlength=_SHADES) / count for values in ab])
    apart = np.hypot(*(ab - tone[:, shade]))
    mean = ab.mean(axis=1)
    strength = float(np.hypot(*mean))
    across = np.abs(ab[1] * mean[0] - ab[0] * mean[1]) / max(strength, 1e-9)
    most, nearly_all = np.quantile(apart, [0.9, 0.99])
    one_hue = float(np.quantile(across, 0.95)) <= _LEEWAY
    return bool(most <= _LEEWAY and nearly_all <= 2 * _LEEWAY and one_hue and strength <= _MUTED)


def _profile(icc: bytes) -> ImageCms.ImageCmsProfile | None:
    if not icc:
        return None
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(icc))
    except (OSError, ImageCms.PyCMSError) as error:
        raise UserError("its ICC color profile is damaged; remove the profile") from error


def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    return "srgb" in ImageCms.getProfileDescription(profile).lower()


def _to_srgb(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    try:
        converted = ImageCms.profileToProfile(image, profile, _srgb(), outputMode="RGB")
    except ImageCms.PyCMSError as error:
        raise UserError(f"its ICC color profile does not fit it ({error}); remove the profile") from error
    assert converted is not None
    return converted


def _converter(
    source: ImageCms.ImageCmsProfile, target: ImageCms.ImageCmsProfile
) -> Callable[[Image.Image], Image.Image]:
    try:
        transform = ImageCms.buildTransform(source, target, "RGB", "RGB")
    except ImageCms.PyCMSError as error:
        raise UserError(f"its ICC color profile cannot be written ({error}); remove the profile") from error

    def apply(image: Image.Image) -> Image.Image:
        converted = ImageCms.applyTransform(image, transform)
        assert converted is not None
        return converted

    return apply


def _channels_first(pixels: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]


def _write(file: BinaryIO, suffix: str, pixels: NDArray[np.uint8], photo: Photo, xmp: bytes) -> None:
    name, options = _WRITERS[suffix]
    picture_image(pixels, photo).save(file, format=name, **options, **_extras(photo, suffix, xmp))


def picture_image(pixels: NDArray[np.uint8], photo: Photo) -> Image.Image:
    """A Pillow image of sRGB [h w 3], in the photo's own profile and with its transparency."""
    image = Image.fromarray(pixels)
    if photo.to_profile:
        image = photo.to_profile(image)
    if photo.alpha is not None:
        image.putalpha(Image.fromarray(photo.alpha))
    return image


def _extras(photo: Photo, suffix: str, xmp: bytes) -> dict[str, Any]:
    extras: dict[str, Any] = {}
    if photo.icc and suffix != ".bmp":
        extras["icc_profile"] = photo.icc
    if photo.exif and suffix != ".bmp":
        extras["exif"] = photo.exif
    if photo.dpi and suffix != ".webp":
        extras["dpi"] = photo.dpi
    if xmp and suffix in (".jpg", ".webp"):
        extras["xmp"] = xmp
    elif xmp and suffix == ".png":
        extras["pnginfo"] = PngInfo()
        extras["pnginfo"].add_itxt(_XMP_PNG, xmp.decode())
    elif xmp and suffix == ".tif":
        tags = Image.Exif()
        if photo.exif:
            tags.load(photo.exif)
        tags[_XMP_TIFF] = xmp
        extras["exif"] = tags
    return extras


def _write_deep_tiff(file: BinaryIO, pixels: NDArray[np.uint16], photo: Photo, xmp: bytes) -> None:
    import tifffile

    tifffile.imwrite(
        file,
        pixels,
        photometric="rgb",
        compression="zlib",
        iccprofile=photo.icc or None,
        metadata=None,
        resolution=photo.dpi,
        resolutionunit="INCH" if photo.dpi else None,
        extratags=[(_XMP_TIFF, 1, len(xmp), xmp, True)] if xmp else None,
    )


def _write_deep_png(file: BinaryIO, pixels: NDArray[np.uint16], photo: Photo, xmp: bytes) -> None:
    """16-bit RGB, which Pillow cannot write (PNG specification, third edition, sections 5 and 11)."""
    height, width = pixels.shape[:2]

    def chunk(kind: bytes, data: bytes) -> None:
        file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))

    file.write(b"\x89PNG\r\n\x1a\n")
    chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))
    if photo.icc:
        chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(photo.icc))
    if photo.dpi:
        chunk(b"pHYs", struct.pack(">IIB", *(round(d / 0.0254) for d in photo.dpi), 1))
    if photo.exif:
        chunk(b"eXIf", photo.exif.removeprefix(b"Exif\0\0"))
    if xmp:
        chunk(b"iTXt", _XMP_PNG.encode() + bytes(5) + xmp)  # no compression, no language, no translated keyword
    packer = zlib.compressobj(1)
    rows = max(1, 2**20 // (6 * width))
    for top in range(0, height, rows):
        part = pixels[top : top + rows].astype(">u2").reshape(-1, width * 3)
        plain = part.view(np.uint8)
        delta = plain.copy()
        delta[:, 6:] -= plain[:, :-6]  # filter 1, Sub: differences to the pixel before, modulo 256
        lines = np.concatenate([np.ones((len(part), 1), np.uint8), delta], axis=1)
        data = packer.compress(lines.tobytes())
        if data:
            chunk(b"IDAT", data)
    chunk(b"IDAT", packer.flush())
    chunk(b"IEND", b"")
