"""The color photographs that scikit-image ships in its wheel, cut into tiles: real pixels with no download.

Five photographs (astronaut, cat, coffee, motorcycle, rocket) make about a hundred tiles. No two tiles share a pixel,
but train and test tiles come from the SAME five photographs: a good score says that a model learned how these five
look, not that it can color another photograph. Use it to try the machinery on real pixels; never for a claim.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL import Image

from colorbench.data.decode import fit, to_rgb
from colorbench.data.source import Dropped, Item, Rendered, Source, hashed_split
from colorbench.errors import UserError
from colorbench.ranges import Several
from colorbench.registry import register

PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")


@register("source", "photos")
class Photos(Source):
    """scikit-image's photographs in square tiles.

    rows: tiles from the top to the bottom of each photograph; as many columns of the same side as fit.
    """

    parallel = False

    def __init__(self, *, rows: Several) -> None:
        self.rows = rows

    def items(self) -> Iterable[Item]:
        """Every tile."""
        for photo in PHOTOS:
            image, _ = photograph(photo)
            side = image.height // self.rows
            for row in range(self.rows):
                for column in range(image.width // side):
                    name = f"{photo.split('.')[0]}/r{row}c{column}"
                    yield Item(name, hashed_split(name.replace("/", " ")))

    def render(self, items: Sequence[Item], size: int) -> Iterator[Rendered | Dropped]:
        stems = {photo.split(".")[0]: photo for photo in PHOTOS}
        for item in items:
            stem, place = item.name.split("/")
            image, sha256 = photograph(stems[stem])
            row, column = (int(number) for number in place[1:].split("c"))
            side = image.height // self.rows
            tile = image.crop((column * side, row * side, (column + 1) * side, (row + 1) * side))
            content = hashlib.sha256(f"{sha256} {self.rows} {place}".encode()).hexdigest()
            yield Rendered(fit(tile, size), content, side, side)

    def describe(self) -> Mapping[str, Any]:
        """What decides how the pictures look."""
        return {"rows": self.rows, "photos": [photograph(photo)[1] for photo in PHOTOS]}


@cache
def photograph(photo: str) -> tuple[Image.Image, str]:
    """One of PHOTOS, RGB, and the SHA-256 of its file."""
    spec = find_spec("skimage")
    path = Path(str(spec.origin)).parent / "data" / photo if spec else None
    if path is None or not path.is_file():
        raise UserError(
            f"data=photos: scikit-image's {photo} is not installed; run: pip install --force-reinstall scikit-image"
        )
    data = path.read_bytes()
    with Image.open(path) as image:
        return to_rgb(image).copy(), hashlib.sha256(data).hexdigest()
