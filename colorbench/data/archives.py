"""Public data sets that torchvision knows how to fetch: CIFAR-10, STL-10, Imagenette.

Downloaded on first use into ``root`` and checked against torchvision's digests; never again after. Their own test split
is the test split; val is carved from train by the hash of the name. CIFAR-10 is 32 x 32 pixels and STL-10 96 x 96: a
larger ``data.size`` only enlarges them.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colorbench.data.decode import fit
from colorbench.data.folder import Folder
from colorbench.data.source import Dropped, Item, Rendered, Source, Split, carved
from colorbench.errors import UserError
from colorbench.ranges import Count, Text
from colorbench.registry import register

Arrays = Mapping[str, NDArray[np.uint8]]
"""uint8 [n, 3, h, w] of each part of a data set."""


@register("source", "archive")
class Archive(Source):
    """A data set of pictures held in arrays.

    archive: cifar10 or stl10 (with its unlabeled pictures). root: where the download lies or goes.
    """

    parallel = False

    def __init__(self, *, archive: Literal["cifar10", "stl10"], root: Text) -> None:
        self.archive, self.root = archive, Path(root).expanduser()

    @cached_property
    def _parts(self) -> Arrays:
        return _fetched(self.archive, self.root, _ARRAYS[self.archive])

    def items(self) -> Iterable[Item]:
        """Every picture: part/number."""
        for part, pixels in self._parts.items():
            said: Split = "test" if part == "test" else "train"
            for i in range(len(pixels)):
                name = f"{part}/{self.archive}-{part}-{i:06d}"
                yield Item(name, carved(name, said, ("train", "test"), self.share))

    def render(self, items: Sequence[Item], size: int) -> Iterator[Rendered | Dropped]:
        for item in items:
            part, name = item.name.split("/")
            pixels = np.ascontiguousarray(self._parts[part][int(name.rsplit("-", 1)[1])])
            image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
            sha256 = hashlib.sha256(pixels.tobytes()).hexdigest()
            yield Rendered(fit(image, size), sha256, image.width, image.height)

    def describe(self) -> Mapping[str, Any]:
        """Its name: what torchvision verified."""
        return {"archive": self.archive}


@register("source", "imagenette")
class Imagenette(Source):
    """Ten easy classes of ImageNet (fast.ai), as files of a shorter side of 160 or 320 pixels, or full size.

    root: where the download lies or goes. edition: 160px, 320px or full.
    """

    def __init__(self, *, root: Text, edition: Literal["160px", "320px", "full"], max_pixels: Count) -> None:
        self.root, self.edition, self.max_pixels = Path(root).expanduser(), edition, max_pixels

    @cached_property
    def _folder(self) -> Folder:
        def fetch(root: Path) -> Path:
            from torchvision.datasets import Imagenette as Fetch

            suffix = "" if self.edition == "full" else f"-{self.edition.removesuffix('px')}"
            inside = root / f"imagenette2{suffix}"
            if not inside.is_dir():
                Fetch(str(root), "train", self.edition, download=True)
            return inside

        folder = _fetched("imagenette", self.root, fetch)
        splits: dict[str, Split] = {"train": "train", "val": "test"}
        return Folder(
            root=str(folder), splits=splits, share=self.share, first={}, stretch=False, max_pixels=self.max_pixels
        )

    def items(self) -> Iterable[Item]:
        """Every file."""
        return self._folder.items()

    def render(self, items: Sequence[Item], size: int) -> Iterator[Rendered | Dropped]:
        return self._folder.render(items, size)

    def describe(self) -> Mapping[str, Any]:
        """The edition."""
        return {"edition": self.edition, **self._folder.describe()}

    def where(self) -> str:
        """The unpacked folder."""
        return self._folder.where()


def _fetched(name: str, root: Path, fetch: Callable[[Path], Any]) -> Any:
    """What ``fetch`` gives; a failed download is one clear line."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        return fetch(root)
    except (OSError, RuntimeError, EOFError) as error:  # urllib's errors are OSErrors; torchvision raises RuntimeError
        why = " ".join(str(error).split())[:160]
        raise UserError(
            f"data={name}: cannot fetch it into {root} ({why}); run once on a connected machine and copy that folder, "
            "or name a folder that has it with data.root=PATH"
        ) from error


def _cifar10(root: Path) -> Arrays:
    from torchvision.datasets import CIFAR10

    parts = {part: CIFAR10(str(root), train=part == "train", download=True).data for part in ("train", "test")}
    return {part: pixels.transpose(0, 3, 1, 2) for part, pixels in parts.items()}


def _stl10(root: Path) -> Arrays:
    from torchvision.datasets import STL10

    return {part: STL10(str(root), split=part, download=True).data for part in ("train", "unlabeled", "test")}


_ARRAYS: Mapping[str, Callable[[Path], Arrays]] = {"cifar10": _cifar10, "stl10": _stl10}
