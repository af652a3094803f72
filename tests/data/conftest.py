"""Small colorful files to prepare, and a data node to prepare them with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

FOLDER: dict[str, Any] = {
    "splits": {"train": "train", "valid": "val", "val": "val", "test": "test"},
    "share": 0.1,
    "first": {},
    "stretch": False,
    "max_pixels": 1_000_000,
}

Config = Callable[..., dict[str, Any]]


def photo(seed: int, width: int = 40, height: int = 30) -> Image.Image:
    """A smooth colorful picture, another one for each seed."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of 40 PNG files in two subfolders."""
    root = tmp_path / "photos"
    for i in range(40):
        path = root / ("a" if i % 2 else "b") / f"{i:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        photo(i).save(path)
    return root


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A resolved data node for a folder; keyword arguments change its keys."""

    def make(root: Path, **changes: Any) -> dict[str, Any]:
        augment = {"augmentation": "standard", "flip": 0.0, "rotation": 0.0, "crop": 1.0, "jitter": 0.0, "blur": 0}
        node: dict[str, Any] = {
            "source": {"source": "folder", "root": str(root), **FOLDER},
            "root": str(root),
            "size": 8,
            "limit": None,
            "val_limit": None,
            "test_limit": None,
            "min_chroma": 4.0,
            "min_contrast": 1.0,
            "min_side": 8,
            "duplicates": False,
            "filtered": "all",
            "augment": augment,
            "cache": str(tmp_path / "cache"),
            "workers": 0,
            "threads": None,
            "resident_share": 0.5,
        }
        assert set(changes) <= set(node), changes
        return node | changes

    return make
