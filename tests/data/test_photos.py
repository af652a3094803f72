"""The bundled photographs: tiles that share no pixel, and something in every split."""

from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from colorbench.data.photos import PHOTOS, Photos
from colorbench.data.source import Rendered


def test_every_split_has_tiles_of_several_photographs() -> None:
    items = list(Photos(rows=4).items())
    counts = Counter(item.split for item in items)
    assert counts["train"] > 60
    assert min(counts["val"], counts["test"]) >= 5
    assert len({item.name for item in items}) == len(items)
    assert len({item.name.split("/")[0] for item in items if item.split == "test"}) >= 3


def test_tiles_share_no_pixel() -> None:
    source = Photos(rows=2)
    items = [item for item in source.items() if item.name.startswith("astronaut")]
    tiles = {}
    for item, answer in zip(items, source.render(items, 256), strict=True):
        assert isinstance(answer, Rendered)
        tiles[item.name.split("/")[1]] = answer.pixels
    path = Path(str(__import__("skimage").__file__)).parent / "data" / PHOTOS[0]
    whole = np.asarray(Image.open(path)).transpose(2, 0, 1)
    rows = [np.concatenate([tiles[f"r{r}c{c}"] for c in range(2)], axis=2) for r in range(2)]
    np.testing.assert_array_equal(np.concatenate(rows, axis=1), whole)
