"""A list of files as a source."""

import json
from pathlib import Path
from typing import Any

import pytest

from colorbench.data.listed import Listed
from colorbench.data.source import Rendered
from colorbench.errors import UserError
from tests.data.conftest import photo


def listed(file: Path, **changes: Any) -> Listed:
    options = {"root": None, "column": "file", "split_column": "split", "stretch": False, "max_pixels": 10**6}
    return Listed(file=str(file), **options | changes)  # type: ignore[arg-type]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    (tmp_path / "x").mkdir()
    for i in range(4):
        photo(i).save(tmp_path / "x" / f"{i}.png")
    return tmp_path


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_every_format_of_list_gives_the_same_items(pictures: Path, kind: str) -> None:
    rows = [("x/0.png", "train"), ("x/1.png", "val"), ("x/2.png", "test")]
    separator = "," if kind == "csv" else "\t"
    if kind == "jsonl":
        text = "".join(json.dumps({"file": name, "split": split}) + "\n\n" for name, split in rows)
    else:
        text = separator.join(("file", "license", "split")) + "\n"
        text += "".join(separator.join((name, "CC BY", split)) + "\n" for name, split in rows)
    (pictures / f"list.{kind}").write_text(text)
    source = listed(pictures / f"list.{kind}")
    items = list(source.items())
    assert [(item.name, item.split) for item in items] == rows
    assert all(isinstance(answer, Rendered) for answer in source.render(items, 4))


def test_without_a_split_column_the_hash_decides(pictures: Path) -> None:
    (pictures / "list.csv").write_text("file\nx/0.png\n")
    assert [item.split for item in listed(pictures / "list.csv").items()] == [None]


def test_paths_start_from_the_root(pictures: Path) -> None:
    (pictures / "list.csv").write_text("file\n0.png\n")
    source = listed(pictures / "list.csv", root=str(pictures / "x"))
    assert [type(answer) for answer in source.render(list(source.items()), 4)] == [Rendered]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path\nx/0.png\n", r"row 1 of .* has nothing under 'file' \(columns: path\)"),
        ("file,split\nx/0.png,holdout\n", "row 1 of .*: expected train, val or test, got 'holdout'"),
        ("file\nx/0.png\nx/0.png\n", "lists x/0.png more than once"),
        ("file\n", "lists no picture"),
    ],
)
def test_a_wrong_list_is_one_clear_line(pictures: Path, text: str, message: str) -> None:
    (pictures / "list.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        list(listed(pictures / "list.csv").items())


@pytest.mark.parametrize(("name", "text"), [("absent.csv", None), ("list.txt", "file\n"), ("bad.jsonl", "{")])
def test_a_list_that_cannot_be_read_is_one_clear_line(pictures: Path, name: str, text: str | None) -> None:
    if text is not None:
        (pictures / name).write_text(text)
    with pytest.raises(UserError, match=f"data.file: .*{name}"):
        list(listed(pictures / name).items())
