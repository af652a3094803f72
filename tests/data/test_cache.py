"""The cache: a whole one or none, the same from any history, and every verdict with its reason."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from colorbench.data import cache as cache_module
from colorbench.data.cache import Recipe, find_or_build, manifest, read_meta
from colorbench.data.dataset import open_data
from colorbench.data.folder import Folder
from colorbench.data.source import SPLITS, Dropped, Item, Rendered, Source
from colorbench.errors import UserError
from colorbench.lock import Lock
from tests.data.conftest import FOLDER, Config, photo


def silent(_: str) -> None: ...


def recipe(**changes: Any) -> Recipe:
    limits = dict.fromkeys(SPLITS)
    return Recipe(
        **{"size": 8, "limits": limits, "min_chroma": 4.0, "min_contrast": 1.0, "min_side": 8, "duplicates": False}
        | changes
    )


def build(root: Path, cache: Path, workers: int = 0, **changes: Any) -> Path:
    source = Folder(root=str(root), **FOLDER)
    return find_or_build(source, "folder", recipe(**changes), cache, workers, silent)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def verdicts(folder: Path) -> dict[str, str]:
    return {row["name"]: row["reason"].split(":")[0] or row["verdict"] for row in manifest(folder)}


def test_every_picture_has_a_row_and_kept_ones_their_exact_pixels(photos: Path, tmp_path: Path) -> None:
    from colorbench.data.decode import fit

    folder = build(photos, tmp_path / "cache")
    rows = list(manifest(folder))
    assert {row["name"] for row in rows} == {f"{'a' if i % 2 else 'b'}/{i:02d}.png" for i in range(40)}
    for split in SPLITS:
        kept = [row for row in rows if row["split"] == split and row["verdict"] == "kept"]
        pixels = np.fromfile(folder / f"{split}.pixels", dtype=np.uint8).reshape(len(kept), 3, 8, 8)
        for row, stored in zip(kept, pixels, strict=True):
            with Image.open(photos / row["name"]) as image:
                np.testing.assert_array_equal(stored, fit(image.convert("RGB"), 8))


def test_each_reason_to_drop_a_picture_is_written_down(photos: Path, tmp_path: Path) -> None:
    photo(100).convert("L").save(photos / "gray.png")
    Image.new("RGB", (40, 40), (200, 30, 10)).save(photos / "flat.png")
    photo(101, 40, 7).save(photos / "tiny.png")
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff not a jpeg")
    photo(102, 1200, 1000).save(photos / "huge.png")
    shutil.copy(photos / "a/01.png", photos / "copy.png")
    Image.open(photos / "b/02.png").save(photos / "same pixels.tif")
    found = verdicts(build(photos, tmp_path / "cache"))
    expected = {"gray": "near-gray", "flat": "flat", "tiny": "tiny", "huge": "too large"}
    assert {name: found[f"{name}.png"] for name in expected} == expected
    assert found["broken.jpg"] == "unreadable"
    assert sorted([found["copy.png"], found["a/01.png"]]) == ["duplicate", "kept"]
    assert sorted([found["same pixels.tif"], found["b/02.png"]]) == ["duplicate", "kept"]
    meta = read_meta(build(photos, tmp_path / "cache"))
    assert sum(meta["kept"].values()) + sum(meta["dropped"].values()) == meta["listed"] == 47


def test_a_training_picture_never_equals_a_test_picture(tmp_path: Path) -> None:
    for split in SPLITS:
        for i in range(3):
            (tmp_path / "root" / split).mkdir(parents=True, exist_ok=True)
            photo(i).save(tmp_path / "root" / split / f"{split}{i}.png")
    photo(9).save(tmp_path / "root/train/own.png")
    found = verdicts(build(tmp_path / "root", tmp_path / "cache"))
    kept = ["test/test0.png", "test/test1.png", "test/test2.png", "train/own.png"]
    assert sorted(name for name in found if found[name] == "kept") == kept


def test_the_thresholds_can_be_switched_off(photos: Path, tmp_path: Path) -> None:
    photo(100).convert("L").save(photos / "gray.png")
    shutil.copy(photos / "a/01.png", photos / "copy.png")
    found = verdicts(build(photos, tmp_path / "cache", min_chroma=0.0, duplicates=True))
    assert set(found.values()) == {"kept"}


def test_an_existing_cache_is_only_read(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = build(photos, tmp_path / "cache")
    monkeypatch.setattr(Folder, "render", None)
    assert build(photos, tmp_path / "cache") == folder


@pytest.mark.parametrize("change", ["content", "new", "gone", "renamed"])
def test_a_changed_folder_makes_another_cache(photos: Path, tmp_path: Path, change: str) -> None:
    first = build(photos, tmp_path / "cache")
    path = photos / "a/01.png"
    if change == "content":
        photo(77, 41, 31).save(path)
    elif change == "new":
        photo(77).save(photos / "new.png")
    elif change == "gone":
        path.unlink()
    else:
        path.rename(photos / "other name.png")
    assert build(photos, tmp_path / "cache") != first


@pytest.mark.parametrize(
    "change",
    [{"size": 16}, {"min_chroma": 5.0}, {"duplicates": True}, {"limits": {"train": 3, "val": None, "test": None}}],
)
def test_another_recipe_makes_another_cache(photos: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    assert build(photos, tmp_path / "cache") != build(photos, tmp_path / "cache", **change)


def test_a_limit_keeps_the_first_pictures_of_the_full_cache(photos: Path, tmp_path: Path) -> None:
    full = build(photos, tmp_path / "cache")
    few = build(photos, tmp_path / "cache", limits={"train": 5, "val": None, "test": None})
    assert read_meta(few)["kept"] == read_meta(full)["kept"] | {"train": 5}
    assert (full / "train.pixels").read_bytes().startswith((few / "train.pixels").read_bytes())
    assert (full / "test.pixels").read_bytes() == (few / "test.pixels").read_bytes()


def test_workers_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "root"
    root.mkdir()
    for i in range(60):
        photo(i).save(root / f"{i}.png")
    (root / "bad.png").write_bytes(b"bad")
    monkeypatch.setattr(Folder, "chunk", 3)
    alone, together = build(root, tmp_path / "one"), build(root, tmp_path / "two", workers=2)
    assert contents(alone) == contents(together)


class Interrupting(Source):
    """Twelve computed pictures; raises when it is asked for a picture after ``budget`` of them."""

    parallel, chunk = False, 2

    def __init__(self, budget: int) -> None:
        self.budget = budget

    def items(self) -> Sequence[Item]:
        return [Item(f"{i}", "train") for i in range(12)]

    def render(self, items: Sequence[Item], size: int) -> Iterator[Rendered | Dropped]:
        for item in items:
            self.budget -= 1
            if self.budget < 0:
                raise RuntimeError("stopped")
            pixels = np.random.default_rng(int(item.name)).integers(0, 256, (3, size, size), dtype=np.uint8)
            yield Rendered(pixels, f"{int(item.name):064x}", size, size)

    def describe(self) -> Mapping[str, Any]:
        return {}


def test_a_build_that_stops_anywhere_goes_on_and_ends_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "JOURNAL_SECONDS", 0.0)
    whole = contents(find_or_build(Interrupting(99), "s", recipe(), tmp_path / "whole", 0, silent))
    for budget in (1, 3, 5, 8, 11):
        root = tmp_path / str(budget)
        with pytest.raises(RuntimeError, match="stopped"):
            find_or_build(Interrupting(budget), "s", recipe(), root, 0, silent)
        assert not [path for path in root.iterdir() if (path / "cache.json").exists()]
        for path in root.glob("*.building/*.pixels"):  # as a kill between two writes would leave them
            with open(path, "ab") as file:
                file.write(b"half a picture")
        remaining = Interrupting(12 - budget // 2 * 2)  # what the journal holds is not asked for again
        assert contents(find_or_build(remaining, "s", recipe(), root, 0, silent)) == whole


def stopped(root: Path, budget: int, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a build that was cut after ``budget`` pictures, its journal written after every chunk."""
    monkeypatch.setattr(cache_module, "JOURNAL_SECONDS", 0.0)
    with pytest.raises(RuntimeError, match="stopped"):
        find_or_build(Interrupting(budget), "s", recipe(), root, 0, silent)
    return next(root.glob("*.building"))


@pytest.mark.parametrize("name", ["train.pixels", "train.sha256", "manifest.csv"])
@pytest.mark.parametrize("left", [0.0, 0.5, None])
def test_a_loss_of_power_that_took_written_pictures_costs_time_and_no_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, left: float | None
) -> None:
    whole = contents(find_or_build(Interrupting(99), "s", recipe(), tmp_path / "whole", 0, silent))
    file = stopped(tmp_path / "cut", 7, monkeypatch) / name
    if left is None:
        file.unlink()
    else:
        os.truncate(file, int(file.stat().st_size * left))
    said: list[str] = []
    assert contents(find_or_build(Interrupting(99), "s", recipe(), tmp_path / "cut", 0, said.append)) == whole
    assert f"{name} is shorter than its journal says" in said[0]


@pytest.mark.parametrize("journal", ["", "{", "[]", '{"done": 4}', "\0\0\0\0"])
def test_a_damaged_journal_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, journal: str) -> None:
    whole = contents(find_or_build(Interrupting(99), "s", recipe(), tmp_path / "whole", 0, silent))
    (stopped(tmp_path / "cut", 7, monkeypatch) / "journal.json").write_text(journal)
    assert contents(find_or_build(Interrupting(99), "s", recipe(), tmp_path / "cut", 0, silent)) == whole


def test_the_journal_speaks_after_the_pictures_are_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds no more than was synced before it was written, whatever a loss of power takes."""
    synced: dict[str, int] = {}
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        fsync(descriptor)
        name = os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))
        synced[name] = os.fstat(descriptor).st_size

    written = []
    replace = os.replace

    def spoken(source: Any, target: Any) -> None:
        if Path(target).name == "journal.json":
            state = json.loads(Path(source).read_text())
            written.append(state["kept"]["train"])
            assert synced["train.pixels"] >= state["kept"]["train"] * 3 * 8 * 8
            assert synced["train.sha256"] >= state["kept"]["train"] * 32
            assert synced["manifest.csv"] >= state["manifest"]
        replace(source, target)

    monkeypatch.setattr(cache_module, "JOURNAL_SECONDS", 0.0)
    monkeypatch.setattr(os, "fsync", watched)
    monkeypatch.setattr(os, "replace", spoken)
    find_or_build(Interrupting(99), "s", recipe(), tmp_path, 0, silent)
    assert written[:3] == [2, 4, 6]


@pytest.mark.parametrize("name", ["cache.json", "val.pixels", "train.sha256", "test.ids", "train.offsets"])
@pytest.mark.parametrize("damage", ["empty", "gone", "garbage"])
def test_a_damaged_cache_is_prepared_again(photos: Path, tmp_path: Path, name: str, damage: str) -> None:
    whole = build(photos, tmp_path / "cache")
    before = contents(whole)
    if damage == "gone":
        (whole / name).unlink()
    else:
        (whole / name).write_bytes(b"" if damage == "empty" else b"\xff\0")
    assert contents(build(photos, tmp_path / "cache")) == before


BUILDER = """
import ast, sys, time
from dataclasses import asdict
from pathlib import Path
from colorbench.data.cache import Recipe, find_or_build
from colorbench.data.folder import Folder
real = Folder.render
def slow(self, items, size):
    for answer in real(self, items, size):
        time.sleep(float(sys.argv[3]))
        yield answer
Folder.render, Folder.chunk = slow, 1
source = Folder(root=sys.argv[1], **ast.literal_eval(sys.argv[4]))
recipe = Recipe(**ast.literal_eval(sys.argv[5]))
print(find_or_build(source, "folder", recipe, Path(sys.argv[2]), 0, lambda line: None))
"""


def start(*arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", BUILDER, *map(str, arguments), str(FOLDER), str(asdict(recipe()))]
    here = Path(__file__).resolve().parents[2]
    return subprocess.Popen(command, cwd=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_killed_build_goes_on_and_ends_the_same(photos: Path, tmp_path: Path) -> None:
    whole = contents(build(photos, tmp_path / "whole"))
    for _ in range(2):
        process = start(photos, tmp_path / "cache", 0.2)
        before = done_so_far(tmp_path / "cache")
        while process.poll() is None and done_so_far(tmp_path / "cache") < before + 3:
            time.sleep(0.02)
        assert process.poll() is None, process.communicate()[1]
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not list((tmp_path / "cache").glob("*/cache.json"))
    assert 6 <= done_so_far(tmp_path / "cache") < 40
    answer, _ = start(photos, tmp_path / "cache", 0.0).communicate()
    assert contents(Path(answer.strip())) == whole


def done_so_far(cache: Path) -> int:
    for journal in cache.glob("*.building/journal.json"):
        return int(json.loads(journal.read_text())["done"])
    return 0


@pytest.mark.slow
def test_of_two_processes_one_builds_and_the_other_waits(photos: Path, tmp_path: Path) -> None:
    first, second = (start(photos, tmp_path / "cache", 0.05) for _ in range(2))
    answers = [process.communicate(timeout=120)[0] for process in (first, second)]
    assert answers[0] == answers[1] != ""
    assert len(list((tmp_path / "cache").glob("folder-*/cache.json"))) == 1


def test_a_waiting_process_says_for_whom(photos: Path, tmp_path: Path) -> None:
    folder = build(photos, tmp_path / "cache")
    lock = Lock(folder.with_suffix(".lock"))
    shutil.rmtree(folder)
    lines: list[str] = []
    lock.take("12345")

    def hear(line: str) -> None:
        lines.append(line)
        lock.give_back()

    source = Folder(root=str(photos), **FOLDER)
    find_or_build(source, "folder", recipe(), tmp_path / "cache", 0, hear)
    assert lines[0].startswith("waiting for process 12345")


def test_a_cache_on_a_read_only_disk_is_used(photos: Path, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_data(config(photos), tell=silent)
    real = open

    def read_only(path: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
        if set(mode) & set("wax+"):
            raise OSError(30, "Read-only file system", str(path))
        return real(path, mode, *rest, **options)

    monkeypatch.setattr("builtins.open", read_only)  # root writes through permissions: refuse for everybody
    again = open_data(config(photos), tell=silent)
    assert again.fingerprint == first.fingerprint
    assert int(again.train.pixels[0].sum()) > 0
    with pytest.raises(UserError, match=r"data\.cache: cannot write .* \(Read-only file system\)"):
        open_data(config(photos, size=9), tell=silent)


def test_a_full_disk_is_one_clear_line_and_loses_nothing(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, pictures = cache_module._Files.picture, []

    def full(files: Any, split: str, picture: Rendered) -> None:
        pictures.append(picture)
        if len(pictures) > 35:
            raise OSError(28, "No space left on device")
        real(files, split, picture)

    monkeypatch.setattr(Folder, "chunk", 4)
    monkeypatch.setattr(cache_module, "JOURNAL_SECONDS", 0.0)
    monkeypatch.setattr(cache_module._Files, "picture", full)
    with pytest.raises(UserError, match=r"data\.cache: the disk of .* is full; free some space and run again to go on"):
        build(photos, tmp_path / "cache")
    monkeypatch.setattr(cache_module._Files, "picture", real)
    rendered: list[Item] = []
    render = Folder.render

    def counted(source: Folder, items: Sequence[Item], size: int) -> Iterator[Rendered | Dropped]:
        rendered.extend(items)
        return render(source, items, size)

    monkeypatch.setattr(Folder, "render", counted)
    again = build(photos, tmp_path / "cache")
    assert len(rendered) < 12
    assert contents(again) == contents(build(photos, tmp_path / "other"))


def test_a_cache_folder_that_cannot_be_made_is_one_clear_line(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"data\.cache: cannot write .*file.*; give another folder with data\.cache="):
        build(photos, tmp_path / "file" / "cache")


def test_a_handful_of_pictures_leaves_no_split_empty(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    for i in range(3):
        photo(i).save(tmp_path / "root" / f"{i}.png")
    assert read_meta(build(tmp_path / "root", tmp_path / "cache"))["kept"] == {"train": 1, "val": 1, "test": 1}


def test_names_of_any_bytes_come_back_from_the_manifest(photos: Path, tmp_path: Path) -> None:
    odd = {"new\nline.png", "carriage\rreturn.png", os.fsdecode(b"latin-\xe9.png"), 'comma,"quote".png'}
    for i, name in enumerate(sorted(odd)):
        photo(200 + i).save(photos / name)
    assert odd < set(verdicts(build(photos, tmp_path / "cache")))


def test_the_progress_of_a_limited_build_speaks_of_the_pictures_that_it_looks_at() -> None:
    items = [
        Item(f"{split}/{i}", split) for split, n in (("train", 4000), ("val", 300), ("test", 500)) for i in range(n)
    ]
    recipe = Recipe(32, {"train": 80, "val": None, "test": 100}, 0.0, 0.0, 1, True)
    assert cache_module._wanted(items, recipe) == 80 + 300 + 100


def test_gray_pictures_can_be_dropped_from_training_alone(tmp_path: Path, config: Config) -> None:
    root = tmp_path / "pictures"
    for split in ("train", "val", "test"):
        (root / split).mkdir(parents=True)
        for i in range(4):
            picture = photo(100 * len(split) + i)
            (picture.convert("L").convert("RGB") if i == 0 else picture).save(root / split / f"{split}{i}.png")
    node = config(root)
    node["source"]["splits"] = {"train": "train", "val": "val", "test": "test"}
    everywhere = open_data(node, tell=print)
    assert [len(p) for p in (everywhere.train, everywhere.val, everywhere.test)] == [3, 3, 3]
    training = open_data({**node, "filtered": "train"}, tell=print)
    assert [len(p) for p in (training.train, training.val, training.test)] == [3, 4, 4]
    assert open_data({**node, "filtered": "all"}, tell=print).folder == everywhere.folder
