"""A folder of files as a source: what is found, how it is split, and what a broken folder says."""

import os
from pathlib import Path
from typing import Any

import pytest

from colorbench.data.cache import manifest
from colorbench.data.dataset import open_data
from colorbench.data.folder import Folder, printable
from colorbench.data.source import Dropped, Item, hashed_split
from colorbench.errors import UserError
from colorbench.registry import build, check
from colorbench.runs.config import compose
from tests.data.conftest import FOLDER, Config, photo


def folder(root: Path, **changes: Any) -> Folder:
    return Folder(root=str(root), **FOLDER | changes)


def splits(root: Path, **changes: Any) -> dict[str, str | None]:
    return {item.name: item.split for item in folder(root, **changes).items()}


def add(root: Path, *names: str) -> None:
    for i, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        photo(i).save(root / name, "PNG")


def test_names_are_relative_paths_and_other_files_are_left_alone(tmp_path: Path) -> None:
    add(tmp_path, "b.PNG", "a/c.jpeg", "a/d/e.webp", ".hidden.png", ".cache/x.png")
    (tmp_path / "notes.txt").write_text("no picture")
    assert splits(tmp_path) == {"b.PNG": None, "a/c.jpeg": None, "a/d/e.webp": None}


def test_split_folders_say_the_split(tmp_path: Path) -> None:
    add(tmp_path, "train/a.png", "valid/x/b.png", "test/c.png", "elsewhere/d.png")
    assert splits(tmp_path) == {"train/a.png": "train", "valid/x/b.png": "val", "test/c.png": "test"}


def test_a_split_without_a_folder_is_carved_from_train_by_the_hash(tmp_path: Path) -> None:
    add(tmp_path, *[f"train/{i}.png" for i in range(60)], "val/v.png")
    found = splits(tmp_path)
    assert "test" in found.values()
    for name, split in found.items():
        if name.startswith("train/"):
            assert split == ("test" if hashed_split(name) == "test" else "train")


def test_any_folder_can_be_given_a_meaning(tmp_path: Path) -> None:
    add(tmp_path, "train2017/a.jpg", "val2017/b.jpg", "annotations/c.jpg")
    found = splits(tmp_path, splits={"train2017": "train", "val2017": "test"}, share=0.01)
    assert found == {"train2017/a.jpg": "train", "val2017/b.jpg": "test"}


def test_the_first_files_of_a_folder_are_the_first_in_the_order_of_their_own_names(tmp_path: Path) -> None:
    add(tmp_path, "train/a.jpg", "val/z/1.jpg", "val/y/2.jpg", "val/x/3.jpg")
    found = splits(tmp_path, splits={"train": "train", "val": "test"}, first={"val": 2}, share=0.01)
    assert set(found) == {"train/a.jpg", "val/z/1.jpg", "val/y/2.jpg"}


def test_a_folder_with_an_unknown_meaning_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.source\.splits\.x: expected one of train, val, test, got 'holdout'"):
        check(
            "source", {"source": "folder", "root": str(tmp_path), **FOLDER, "splits": {"x": "holdout"}}, "data.source"
        )


def test_a_link_to_itself_is_no_folder(tmp_path: Path) -> None:
    add(tmp_path, "a.png")
    (tmp_path / "self").symlink_to("self")
    (tmp_path / "self.png").symlink_to("self.png")
    assert set(splits(tmp_path)) == {"a.png", "self.png"}


def test_the_hash_split_is_the_documented_one() -> None:
    import hashlib

    for name in ("a.jpg", "deep/b.png", "deep/er/c é.png"):
        u = int(hashlib.sha1(name.split("/")[-1].encode()).hexdigest()[:8], 16) / 2**32
        assert hashed_split(name) == ("test" if u < 0.1 else "val" if u < 0.2 else "train")


def test_link_loops_end_and_linked_folders_are_read(tmp_path: Path) -> None:
    add(tmp_path / "root", "a/x.png")
    add(tmp_path / "outside", "y.png")
    (tmp_path / "root/a/loop").symlink_to(tmp_path / "root", target_is_directory=True)
    (tmp_path / "root/linked").symlink_to(tmp_path / "outside", target_is_directory=True)
    assert set(splits(tmp_path / "root")) == {"a/x.png", "linked/y.png"}


def test_a_dangling_link_is_an_item_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (item,) = folder(tmp_path).items()
    (answer,) = folder(tmp_path).render([item], 4)
    assert answer == Dropped("unreadable: No such file or directory")


def test_names_may_hold_newlines_and_any_bytes(tmp_path: Path) -> None:
    names = ["new\nline.png", "tab\t.png", os.fsdecode(b"latin-\xe9.png"), 'comma,"quote".png', "日本.png"]
    add(tmp_path, *names)
    assert set(splits(tmp_path)) == set(names)
    assert all("\n" not in printable(name) and printable(name).isprintable() for name in names)
    items = list(folder(tmp_path).items())
    assert not any(isinstance(answer, Dropped) for answer in folder(tmp_path).render(items, 4))


def test_a_file_that_changes_after_it_was_listed_is_dropped(tmp_path: Path) -> None:
    add(tmp_path, "a.png")
    (item,) = folder(tmp_path).items()
    photo(7, 50, 50).save(tmp_path / "a.png")
    (answer,) = folder(tmp_path).render([item], 4)
    assert answer == Dropped("changed while the cache was built")


def test_a_file_that_vanishes_is_dropped(tmp_path: Path) -> None:
    (answer,) = folder(tmp_path).render([Item("never.png", None, "1:1")], 4)
    assert answer == Dropped("unreadable: No such file or directory")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: None, "does not exist"),
        (lambda p: p.write_text(""), "is a file"),
        (lambda p: p.mkdir(), "no image"),
    ],
)
def test_a_root_that_holds_nothing_is_one_clear_line(tmp_path: Path, make, message: str) -> None:  # type: ignore[no-untyped-def]
    make(tmp_path / "root")
    with pytest.raises(UserError, match=message) as caught:
        list(folder(tmp_path / "root").items())
    assert "data.root" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_that_leave_hardly_anything_to_train_on_are_refused_with_a_cure(tmp_path: Path, config: Config) -> None:
    for i in range(30):  # all of one name, whose hash says test
        path = tmp_path / "same" / str(i) / "img_00.png"
        path.parent.mkdir(parents=True)
        photo(i).save(path)
    assert hashed_split("img_00.png") != "train"
    with pytest.raises(UserError, match=r"leaves 0 of 30 pictures to train on \(30 are called 'img_00.png'\)"):
        open_data(config(tmp_path / "same"))


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_the_hash_of_names_gives_its_share_to_test_and_as_much_to_val(share: float) -> None:
    said = [hashed_split(f"picture {i}.png", share) for i in range(10_000)]
    assert said.count("test") == pytest.approx(10_000 * share, rel=0.15)
    assert said.count("val") == pytest.approx(10_000 * share, rel=0.15)


@pytest.mark.timeout(60)
def test_pipes_and_devices_are_dropped_and_never_waited_for(photos: Path, config: Config) -> None:
    os.mkfifo(photos / "pipe.png")
    (photos / "zero.png").symlink_to("/dev/zero")
    (photos / "random.jpg").symlink_to("/dev/urandom")
    data = open_data(config(photos), tell=lambda _: None)
    found = {row["name"]: row["reason"] for row in manifest(data.folder) if row["verdict"] == "dropped"}
    odd = ("pipe.png", "zero.png", "random.jpg")
    assert {name: found[name] for name in odd} == dict.fromkeys(odd, "unreadable: not a regular file")


def of_yaml(name: str, root: Path) -> dict[str, str | None]:
    node = compose([f"data={name}", f"data.root={root}"])["data"]["source"]
    return {item.name: item.split for item in build("source", node).items()}


def test_the_kaggle_landscapes_keep_their_own_test_and_their_gray_twins_stay_out(tmp_path: Path) -> None:
    add(
        tmp_path,
        *(
            f"{split}_{kind}/image{i}.jpg"
            for split in ("train", "test")
            for kind in ("color", "black")
            for i in range(40)
        ),
    )
    found = of_yaml("kaggle_landscape", tmp_path)
    assert set(found) == {f"{split}_color/image{i}.jpg" for split in ("train", "test") for i in range(40)}
    assert {name for name, split in found.items() if split == "test"} == {f"test_color/image{i}.jpg" for i in range(40)}
    assert {split for name, split in found.items() if name.startswith("train")} == {"train", "val"}


@pytest.mark.parametrize("name", ["coco", "imagenet", "kaggle_landscape"])
def test_a_set_that_everybody_has_is_not_split_by_the_hash_where_its_root_was_wrong(name: str, tmp_path: Path) -> None:
    add(tmp_path, *(f"elsewhere/{i}.png" for i in range(4)))
    with pytest.raises(UserError, match="the first is not there; for any other tree: data=folder"):
        of_yaml(name, tmp_path)


def test_an_archive_that_unpacks_into_one_folder_keeps_its_splits(tmp_path: Path) -> None:
    kinds = ("train_color", "train_black", "test_color", "test_black")
    add(tmp_path, *(f"data/{kind}/image{i}.jpg" for kind in kinds for i in range(40)), ".DS_Store.png")
    found = of_yaml("kaggle_landscape", tmp_path)
    assert {name for name, split in found.items() if split == "test"} == {
        f"data/test_color/image{i}.jpg" for i in range(40)
    }
    assert {split for name, split in found.items() if name.startswith("data/train_color")} == {"train", "val"}
    assert len(found) == 80
    add(tmp_path, "more/train_color/x.jpg")  # two folders: neither is the archive's
    with pytest.raises(UserError, match="data=folder"):
        of_yaml("kaggle_landscape", tmp_path)


def test_coco_is_judged_on_the_first_10000_of_test2017(tmp_path: Path) -> None:
    add(tmp_path, "train2017/a.jpg", "val2017/b.jpg", *(f"test2017/{i:012d}.jpg" for i in range(10003)))
    found = of_yaml("coco_test10k", tmp_path)
    judged = sorted(name for name, split in found.items() if split == "test")
    assert judged == [f"test2017/{i:012d}.jpg" for i in range(10000)]
    assert {found["train2017/a.jpg"], found["val2017/b.jpg"]} == {"train", "val"}
