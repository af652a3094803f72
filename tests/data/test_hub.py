"""A Hugging Face data set as a source: one that lies in a local folder."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from colorbench.data.decode import fit
from colorbench.data.hub import Hub
from colorbench.data.source import Dropped, Rendered
from colorbench.errors import UserError
from tests.data.conftest import photo

datasets = pytest.importorskip("datasets")


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "set"
    for split, n in (("train", 12), ("validation", 2)):
        cells: list[Any] = []
        for i in range(n):
            path = tmp_path / f"{split}{i}.png"
            photo(i).save(path)
            cells.append({"bytes": path.read_bytes(), "path": None})
        cells[0] = {"bytes": b"no picture", "path": None} if split == "validation" else cells[0]
        features = datasets.Features({"image": datasets.Image(decode=False), "label": datasets.Value("int64")})
        part = datasets.Dataset.from_dict({"image": cells, "label": list(range(n))}, features=features)
        (folder / "data").mkdir(parents=True, exist_ok=True)
        part.to_parquet(str(folder / "data" / f"{split}-00000-of-00001.parquet"))
    return folder


def hub(dataset: Path | str, **changes: Any) -> Hub:
    options = {
        "config": None,
        "revision": None,
        "column": "image",
        "stretch": False,
        "max_pixels": 10**6,
        "splits": {"train": "train", "validation": "val"},
    }
    return Hub(dataset=str(dataset), **options | changes)  # type: ignore[arg-type]


def test_its_splits_and_pictures_come_through(saved: Path) -> None:
    source = hub(saved)
    items = list(source.items())
    assert len(items) == 14
    assert {item.split for item in items if item.name.startswith("validation/")} == {"val"}
    answers = dict(zip([item.name for item in items], source.render(items, 8), strict=True))
    first = answers["train/train-000000000"]
    assert isinstance(first, Rendered)
    np.testing.assert_array_equal(first.pixels, fit(photo(0), 8))
    assert isinstance(answers["validation/validation-000000000"], Dropped)


def test_a_wrong_column_or_split_names_what_there_is(saved: Path) -> None:
    with pytest.raises(UserError, match="has no 'img', only image, label"):
        list(hub(saved, column="img").items())
    with pytest.raises(UserError, match="has the splits train, validation, and none of them is named"):
        list(hub(saved, splits={"holdout": "test"}).items())


def test_a_name_that_is_nowhere_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.source\.dataset: cannot load .*absent"):
        list(hub(tmp_path / "absent").items())
