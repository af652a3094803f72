"""The cache is listed with sizes and emptied by a verb, never under whoever builds it."""

import pytest

from colorbench.commands import cache
from colorbench.data.kept import empty, kept
from colorbench.errors import UserError
from colorbench.lock import Lock


@pytest.fixture
def root(tmp_path):
    for name, size in (("scenes-1", 3000), ("folder-2", 5000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cache.json").write_text("{}")
        (tmp_path / name / "train.pixels").write_bytes(bytes(size))
    return tmp_path


def test_the_largest_stands_first_and_all_can_be_deleted(root, capsys):
    assert [(entry.path.name, entry.size) for entry in kept(root)] == [("folder-2", 5002), ("scenes-1", 3002)]
    cache.main(["--folder", str(root)])
    assert "folder-2  prepared pictures" in capsys.readouterr().out
    cache.main(["empty", "--folder", str(root)])
    assert kept(root) == []
    assert "2 entries deleted" in capsys.readouterr().out


def test_one_is_deleted_by_its_name_and_a_misspelt_one_is_not(root):
    with pytest.raises(UserError, match="did you mean 'scenes-1'"):
        empty(root, ["scenes-2"])
    empty(root, ["scenes-1"])
    assert [entry.path.name for entry in kept(root)] == ["folder-2"]


def test_what_is_being_built_stays(root):
    lock = Lock(root / "folder-2.lock")
    lock.take()
    gone, busy = empty(root)
    lock.give_back()
    assert [e.path.name for e in gone] == ["scenes-1"]
    assert [e.path.name for e in busy] == ["folder-2"]
    assert (root / "folder-2" / "train.pixels").is_file()
