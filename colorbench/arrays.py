"""Every tensor type of colorbench, named once. The tests check them over the whole package with beartype.

Ranges: ``Picture`` sRGB in [0, 1] (gamma-encoded, D65) · ``Lab`` L* in [0, 100], a* and b* in CIELAB units ·
``Luma`` L*/50 - 1 in [-1, 1] · ``Chroma`` (a*, b*)/128 in [-1, 1] (the sRGB gamut spans a* -86..98, b* -108..94) ·
``PerImage`` one number for each picture of a batch, never reduced.
``Small`` a chroma map of a size of its own (y x), for which ``Bins`` holds indices of colors and ``Logits`` q numbers.
``Seen`` (L, ab) of another picture, of its own size.
"""

from jaxtyping import Float, Int64, UInt8
from torch import Tensor

Bytes = UInt8[Tensor, "b 3 h w"]
Picture = Float[Tensor, "b 3 h w"]
Lab = Float[Tensor, "b 3 h w"]
Luma = Float[Tensor, "b 1 h w"]
Chroma = Float[Tensor, "b 2 h w"]
Small = Float[Tensor, "b 2 y x"]
Seen = tuple[Float[Tensor, "b 1 y x"], Float[Tensor, "b 2 y x"]]
Bins = Int64[Tensor, "b y x"]
Logits = Float[Tensor, "b q y x"]
Time = Float[Tensor, " b"]
Ids = Int64[Tensor, " b"]
PerImage = Float[Tensor, " b"]
Mask = Float[Tensor, "b 1 h w"]

__all__ = [
    "Bins",
    "Bytes",
    "Chroma",
    "Ids",
    "Lab",
    "Logits",
    "Luma",
    "Mask",
    "PerImage",
    "Picture",
    "Seen",
    "Small",
    "Tensor",
    "Time",
]
