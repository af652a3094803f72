"""From the bytes of an image file to a square of 8-bit sRGB, or the reason why not.

The order is fixed and part of every number: decode, turn upright (EXIF), convert to 8-bit RGB, cut the largest center
square, resize with Pillow's antialiased bicubic filter. All of it happens BEFORE any conversion to Lab: the mean of
gamma-encoded bytes and the mean of Lab differ, and resizing libraries differ too (Parmar et al., clean-fid, 2022).
Transparency is laid over white, 16 bits are scaled (not cut) to 8, CMYK is converted by its ink formula.
"""

import hashlib
import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from colorbench.data.source import Dropped, Rendered

# Both are global to Pillow and decoding runs in threads, so they are set once: our own limit is max_pixels, read from
# the header, and decoders warn about damage that costs no pixel.
Image.MAX_IMAGE_PIXELS = None
warnings.filterwarnings("ignore", module=r"PIL\..*")

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
"""What Pillow may try: a PostScript file under another name must not start an interpreter."""

EXTENSIONS = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".webp", ".tif", ".tiff", ".bmp"})


def render_bytes(data: bytes, size: int, *, max_pixels: int, stretch: bool = False) -> Rendered | Dropped:
    """One image file's content as uint8 [3, size, size]; anything wrong with it is a reason, never an exception."""
    sha256 = hashlib.sha256(data).hexdigest()
    width = height = 0
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            if width * height > max_pixels:
                reason = f"too large: {width} x {height} is more than max_pixels={max_pixels}"
                return Dropped(reason, sha256, width, height)
            upright = to_rgb(ImageOps.exif_transpose(image))
            width, height = upright.size
            return Rendered(fit(upright, size, stretch), sha256, width, height)
    except UnidentifiedImageError:
        return Dropped("unreadable: not an image that Pillow knows", sha256)
    except MemoryError:
        return Dropped(f"too large: no memory for {width} x {height}", sha256, width, height)
    except Exception as error:  # decoders of damaged files raise nearly anything; each is one picture's own trouble
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        return Dropped(f"unreadable: {reason}", sha256, width, height)


def to_rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB of any mode that Pillow decodes."""
    if image.mode.startswith("I;16") or image.mode == "I":
        deep = np.asarray(image).astype(np.int64).clip(0, 65535)
        image = Image.fromarray(((deep + 128) // 257).astype(np.uint8))
    elif image.mode == "F":
        real = np.nan_to_num(np.asarray(image, dtype=np.float64))
        scale = 255.0 if real.max(initial=0.0) <= 1.0 else 1.0
        image = Image.fromarray((real * scale).round().clip(0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == "RGB" else image.convert("RGB")


def fit(image: Image.Image, size: int, stretch: bool = False) -> NDArray[np.uint8]:
    """uint8 [3, size, size]: the largest center square (or, stretched, the whole picture), resized with antialias."""
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    box = (0, 0, width, height) if stretch else (left, top, left + side, top + side)
    square = image.resize((size, size), Image.Resampling.BICUBIC, box=box)
    return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))
