"""torchvision's downloads as sources; the downloads themselves are replaced."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision

from colorbench.data.archives import Archive, Imagenette
from colorbench.data.source import Rendered, hashed_split
from colorbench.errors import UserError
from colorbench.registry import check
from tests.data.conftest import photo


class Fake:
    """Stands for CIFAR10 and STL10: 30 pictures in each part."""

    def __init__(self, root: str, train: bool = True, split: str = "", download: bool = False) -> None:
        part = split or ("train" if train else "test")
        pixels = np.random.default_rng(len(part)).integers(0, 256, (30, 3, 6, 6), dtype=np.uint8)
        self.data = pixels if split else pixels.transpose(0, 2, 3, 1)


@pytest.mark.parametrize(("archive", "parts"), [("cifar10", 2), ("stl10", 3)])
def test_pictures_come_back_exactly_and_the_official_test_split_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, archive: str, parts: int
) -> None:
    monkeypatch.setattr(torchvision.datasets, archive.upper(), Fake)
    source = Archive(archive=archive, root=str(tmp_path))
    items = list(source.items())
    assert len(items) == 30 * parts
    for item in items:
        carved = "val" if hashed_split(item.name) == "val" else "train"
        assert item.split == ("test" if item.name.startswith("test/") else carved)
    first = next(iter(source.render(items[:1], 6)))
    assert isinstance(first, Rendered)
    expected = np.random.default_rng(5).integers(0, 256, (30, 3, 6, 6), dtype=np.uint8)[0]
    np.testing.assert_array_equal(first.pixels, expected)


@pytest.mark.parametrize(
    "make",
    [
        lambda root: Archive(archive="cifar10", root=root),
        lambda root: Archive(archive="stl10", root=root),
        lambda root: Imagenette(root=root, edition="160px", max_pixels=10**6),
    ],
)
def test_offline_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any) -> None:
    from urllib.error import URLError

    def offline(*_: Any, **__: Any) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    with pytest.raises(UserError, match=r"data=\w+: cannot fetch it .*Name or service not known.*data\.root=PATH"):
        list(make(str(tmp_path)).items())


def test_an_imagenette_that_is_there_is_used(tmp_path: Path) -> None:
    for split in ("train", "val"):
        folder = tmp_path / "imagenette2-160" / split / "n01440764"
        folder.mkdir(parents=True)
        photo(0).save(folder / f"{split}_0.JPEG")
    source = Imagenette(root=str(tmp_path), edition="160px", max_pixels=10**6)
    items = {item.name: item.split for item in source.items()}
    assert items["val/n01440764/val_0.JPEG"] == "test"
    assert [type(answer) for answer in source.render(list(source.items()), 4)] == [Rendered, Rendered]


def test_an_unknown_archive_is_named_with_the_close_matches(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'cifar10'"):
        check("source", {"source": "archive", "archive": "cifar", "root": str(tmp_path)})
