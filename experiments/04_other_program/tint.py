"""Color gray pictures with scikit-image alone:  python tint.py GRAY_FOLDER OUT_FOLDER [HUE CHROMA]

Without a tint the pictures are gray2rgb's, which is gray in three channels. With one, each keeps its lightness.
"""

import sys
from pathlib import Path

import numpy as np
from skimage.color import gray2rgb, lab2rgb, rgb2lab
from skimage.io import imread, imsave
from skimage.util import img_as_ubyte

source, target, tint = Path(sys.argv[1]), Path(sys.argv[2]), [float(word) for word in sys.argv[3:]]
for path in sorted(source.rglob("*.png")):
    picture = gray2rgb(imread(path)[..., 0])
    if tint:
        lab = rgb2lab(picture)
        hue, chroma = np.radians(tint[0]), tint[1] * np.minimum(lab[..., 0], 100 - lab[..., 0]) / 50
        lab[..., 1], lab[..., 2] = chroma * np.cos(hue), chroma * np.sin(hue)
        picture = img_as_ubyte(lab2rgb(lab).clip(0, 1))
    out = target / path.relative_to(source)
    out.parent.mkdir(parents=True, exist_ok=True)
    imsave(out, picture, check_contrast=False)
