"""Files are the old ones or the new ones, whatever refuses while they are written."""

import errno
import json
import os
import resource
from contextlib import contextmanager

import pytest
import torch

from colorbench import atomic
from colorbench.errors import UserError


@contextmanager
def at_most(size):
    """No file may grow beyond ``size`` bytes: a refusal of the operating system itself, for Rust and C++ as well."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


TENSORS = {"a": torch.arange(50_000.0), "b": torch.ones(30_000)}
WRITERS = {
    "text": lambda file: atomic.write_text(file, "x" * 300_000),
    "json": lambda file: atomic.write_json(file, ["x"] * 100_000),
    "tensors": lambda file: atomic.write_tensors(file, TENSORS),
    "state": lambda file: atomic.write_state(file, {"optimizer": TENSORS, "images": 3}),
}


@pytest.mark.parametrize("size", [0, 100, 4096, 100_000, 200_500, 250_000])
@pytest.mark.parametrize("name", WRITERS)
def test_a_refused_write_says_why_and_leaves_the_old_file_alone(name, size, tmp_path):
    file = tmp_path / "file.bin"
    file.write_text("old")
    with at_most(size), pytest.raises(OSError, match="File too large") as caught:
        WRITERS[name](file)
    assert caught.value.errno == errno.EFBIG
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]
    WRITERS[name](file)
    assert file.stat().st_size > 200_000
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_and_its_folder_are_synced_around_the_rename(tmp_path, monkeypatch):
    order = []
    sync, replace = atomic.sync, os.replace
    monkeypatch.setattr(atomic, "sync", lambda path: (order.append(("sync", path)), sync(path)))
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append(("rename", b)), replace(a, b)))
    atomic.write_text(tmp_path / "file", "new")
    (part, rename, folder) = order
    assert part[0] == "sync"
    assert part[1].parent == tmp_path
    assert rename == ("rename", tmp_path / "file")
    assert folder == ("sync", tmp_path)


def test_a_line_is_added_whole_or_not_at_all(tmp_path):
    file = tmp_path / "journal"
    atomic.append(file, "first\n")
    with at_most(9), pytest.raises(OSError, match="File too large"):
        atomic.append(file, "second\n")
    assert file.read_text() == "first\n"
    atomic.append(file, "third\n")
    assert file.read_text() == "first\nthird\n"


def test_a_failure_in_the_block_leaves_nothing_behind(tmp_path):
    def half():
        with atomic.replacing(tmp_path / "picture.png") as part:
            part.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_as_readable_as_any_other(tmp_path):
    (tmp_path / "plain").write_text("")
    for name, write in WRITERS.items():
        write(tmp_path / name)
        assert (tmp_path / name).stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_what_killed_processes_left_is_removed_and_what_live_ones_write_is_not(tmp_path):
    mine, dead = tmp_path / atomic._part(), tmp_path / atomic._part().replace(f"-{os.getpid()}-", "-99999999-")
    for part in (mine, dead):
        part.write_text("half")
    atomic.clear(tmp_path)
    assert list(tmp_path.iterdir()) == [mine]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full; free some space and go on"),
        (errno.EROFS, "Read-only file system"),
    ],
)
def test_what_a_disk_says_is_one_line_and_other_errors_pass(number, words):
    with pytest.raises(UserError, match=words), atomic.told("here", "go on"):
        raise OSError(number, os.strerror(number))
    with pytest.raises(ConnectionError), atomic.told("here", "go on"):
        raise ConnectionResetError(errno.ECONNRESET, "reset")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), [{"a": (1.5, float("nan"))}], 3])
def test_json_is_json_for_every_reader(value, tmp_path):
    atomic.write_json(tmp_path / "file.json", {"value": value, "path": tmp_path})

    def refuse(word):
        raise AssertionError(word)

    read = json.loads((tmp_path / "file.json").read_text(), parse_constant=refuse)
    assert read["path"] == str(tmp_path)
    assert read["value"] == (str(value) if isinstance(value, float) else [{"a": [1.5, "nan"]}] if value != 3 else 3)
