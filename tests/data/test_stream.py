"""Tar shards: nothing twice in an epoch, exact resumption, ranks that share one sequence, members that misbehave."""

import contextlib
import io
import itertools
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from colorbench.batch import Batch
from colorbench.data.dataset import DataSet, open_data
from colorbench.data.shards import Shards, _members
from colorbench.data.source import Dropped, Rendered
from colorbench.data.streamed import StreamedFeed
from colorbench.errors import UserError
from tests.data.conftest import Config, photo
from tests.data.test_dataset import same, seen

pytest.importorskip("webdataset")
CPU = torch.device("cpu")


def silent(_: str) -> None: ...


def encoded(seed: int) -> bytes:
    file = io.BytesIO()
    photo(seed).save(file, "PNG")
    return file.getvalue()


def write(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


@pytest.fixture
def shards(tmp_path: Path) -> str:
    """One held-out shard of 8 and six of 7, of which one member each is gray and one is no image."""
    for shard in range(7):
        members = {f"{shard}{i}.png": encoded(10 * shard + i) for i in range(8 if shard == 0 else 5)}
        if shard:
            gray = io.BytesIO()
            photo(99).convert("L").save(gray, "PNG")
            members |= {f"gray{shard}.png": gray.getvalue(), f"bad{shard}.jpg": b"no image", f"{shard}.json": b"{}"}
        write(tmp_path / f"set-{shard:02d}.tar", members)
    return str(tmp_path / "set-{00..06}.tar")


def source(shards: str, tmp_path: Path, **changes: Any) -> dict[str, Any]:
    return {
        "source": "shards",
        "shards": shards,
        "held_out": 1,
        "sample": 1,
        "lanes": 4,
        "shuffle": 3,
        "spool": str(tmp_path / "spool"),
        "stretch": False,
        "max_pixels": 10**6,
    } | changes


def opened(shards: str, tmp_path: Path, config: Config, **changes: Any) -> DataSet:
    node = config(tmp_path, source=source(shards, tmp_path, **changes))
    del node["root"]
    return open_data(node | {"shards": shards}, silent)


def built(shards: str, tmp_path: Path) -> Shards:
    return Shards(**{key: value for key, value in source(shards, tmp_path).items() if key != "source"})


def some(data: DataSet, n: int, **options: Any) -> list[Batch]:
    batches = data.train_batches(**{"batch_size": 4, "seed": 0, "start": 0, "device": CPU} | options)
    found = list(itertools.islice(batches, n))
    batches.close()  # type: ignore[attr-defined]
    return found


def test_val_and_test_come_from_the_held_out_shard_only(shards: str, tmp_path: Path, config: Config) -> None:
    data = opened(shards, tmp_path, config)
    held_out = {*data.val.names, *data.test.names}
    assert held_out == {f"set-00/0{i}.png" for i in range(8)}
    assert set(data.train.names) == {f"set-01/1{i}.png" for i in range(5)}  # the sample


def test_no_picture_comes_twice_in_an_epoch_and_all_good_ones_come(shards: str, tmp_path: Path, config: Config) -> None:
    data = opened(shards, tmp_path, config)
    shown = seen(some(data, 60))
    assert max(Counter(shown).values()) == 1
    from colorbench.noise import stable_id

    everything = {stable_id(f"set-{shard:02d}/{shard}{i}.png") for shard in range(1, 7) for i in range(5)}
    for epoch in (0, 1, 2):
        assert {i for visit, i in shown if visit == epoch} == everything
    order = [[i for visit, i in shown if visit == epoch] for epoch in (0, 1, 2)]
    assert order[0] != order[1] != order[2]


@pytest.mark.parametrize("start", [0, 1, 4, 13, 60, 119, 400])
def test_resuming_anywhere_gives_the_same_pictures(shards: str, tmp_path: Path, config: Config, start: int) -> None:
    data = opened(shards, tmp_path, config)
    fresh = seen(some(data, 3, start=start))  # before anything is remembered
    whole = seen(some(data, start + 12, batch_size=1))[start:]
    assert fresh == whole
    assert seen(some(data, 3, start=start)) == whole  # with everything remembered
    assert len(list((tmp_path / "cache").glob("census-*/*.npy"))) >= (6 if start > 60 else 1)


@pytest.mark.parametrize("world", [2, 4])
def test_ranks_share_one_sequence_whatever_their_number(
    shards: str, tmp_path: Path, config: Config, world: int
) -> None:
    data = opened(shards, tmp_path, config)
    whole = seen(some(data, 10, batch_size=8))
    parts = [some(data, 10, batch_size=8, rank=rank, world=world) for rank in range(world)]
    assert {len(batch) for part in parts for batch in part} == {8 // world}
    for k in range(10):
        assert sorted(pair for part in parts for pair in seen([part[k]])) == sorted(whole[8 * k : 8 * k + 8])


def test_the_same_seed_gives_the_same_batches_bit_by_bit(shards: str, tmp_path: Path, config: Config) -> None:
    data = opened(shards, tmp_path, config)
    assert same(some(data, 5, seed=3), some(data, 5, seed=3))
    assert seen(some(data, 5, seed=3)) != seen(some(data, 5, seed=4))


def test_ranks_that_cannot_share_the_lanes_are_one_clear_line(shards: str, tmp_path: Path, config: Config) -> None:
    data = opened(shards, tmp_path, config)
    with pytest.raises(UserError, match=r"data\.source\.lanes: 4 lanes cannot be shared by 3 processes"):
        some(data, 1, batch_size=12, world=3)


def test_members_that_point_out_of_the_shard_are_only_labels(tmp_path: Path) -> None:
    write(
        tmp_path / "a.tar",
        {"/etc/x.png": encoded(0), "../../y.png": encoded(1), "./z.png": encoded(2), "z.png": encoded(3)},
    )
    with tarfile.open(tmp_path / "a.tar", "a") as tar:
        for kind, name in ((tarfile.SYMTYPE, "link.png"), (tarfile.LNKTYPE, "hard.png"), (tarfile.CHRTYPE, "dev.png")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    write(tmp_path / "b.tar", {"w.png": encoded(4)})
    shards = built(f"{tmp_path}/a.tar {tmp_path}/b.tar", tmp_path)
    items = [item for item in shards.items() if item.name.startswith("a/")]
    assert [item.name for item in items] == ["a/etc/x.png", "a/y.png", "a/z.png", "a/z.png~2"]
    assert [type(answer) for answer in shards.render(items, 4)] == [Rendered] * 4
    assert {path.name for path in tmp_path.iterdir()} == {"a.tar", "b.tar"}  # nothing was unpacked


def test_a_shard_that_changes_while_it_is_prepared_is_noticed(shards: str, tmp_path: Path) -> None:
    stream = built(shards, tmp_path)
    items = list(stream.items())
    write(tmp_path / "set-00.tar", {"other.png": encoded(7)})
    answers = list(stream.render(items, 4))
    changed = [answer for item, answer in zip(items, answers, strict=True) if item.name.startswith("set-00/")]
    assert all(isinstance(answer, Dropped) for answer in changed)


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_or_vanished_shard_ends_in_one_clear_line(
    shards: str, tmp_path: Path, config: Config, damage: str
) -> None:
    data = opened(shards, tmp_path, config)
    path = tmp_path / "set-03.tar"
    whole = path.read_bytes()
    if damage == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    else:
        path.unlink()
    with pytest.raises(UserError, match=r"cannot read .*set-03\.tar") as caught:
        some(data, 30)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("pipe:cat", "pipe: addresses are not read"),
        ("/nowhere/{0..3}.tar", "/nowhere/0.tar does not"),
        ("", "0 shards"),
    ],
)
def test_a_wrong_address_is_one_clear_line(tmp_path: Path, word: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        list(built(word, tmp_path).items())


def test_a_remote_shard_is_fetched_once_and_whole_or_not_at_all(
    shards: str, tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    import webdataset

    fetched: list[str] = []

    def remote(address: str) -> Any:
        fetched.append(address)
        return open(tmp_path / address.rsplit("/", 1)[1], "rb")

    monkeypatch.setattr(webdataset, "gopen", remote)
    far = "https://example.org/set-{00..06}.tar"
    local, data = opened(shards, tmp_path, config), opened(far, tmp_path, config)
    assert sorted(fetched) == ["https://example.org/set-00.tar", "https://example.org/set-01.tar"]
    assert data.fingerprint == local.fingerprint
    assert opened(far, tmp_path, config).fingerprint == local.fingerprint
    assert len(fetched) == 2
    assert seen(some(data, 8)) == seen(some(local, 8))


def test_a_remote_set_that_gives_nothing_is_one_clear_line(
    tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    import webdataset

    monkeypatch.setattr(webdataset, "gopen", lambda address: io.BytesIO(b""))
    with pytest.raises(UserError, match=r"data\.shards: cannot read https://example.org/set-00.tar"):
        opened("https://example.org/set-{00..06}.tar", tmp_path, config)
    assert not list((tmp_path / "spool").iterdir())


def test_a_set_with_no_usable_picture_ends(tmp_path: Path, config: Config) -> None:
    write(tmp_path / "a.tar", {f"{i}.png": encoded(i) for i in range(8)})
    write(tmp_path / "b.tar", {f"{i}.png": encoded(i + 20) for i in range(3)})
    write(tmp_path / "c.tar", {"x.png": b"no image"})
    data = opened(f"{tmp_path}/a.tar {tmp_path}/b.tar {tmp_path}/c.tar", tmp_path, config)
    assert isinstance(data.feed, StreamedFeed)
    with pytest.raises(UserError, match=r"no usable picture in c\.tar"):
        some(data, 3)


@pytest.mark.parametrize("pattern", ["pipe:touch${IFS}ran", "{pipe:touch${IFS}ran,a.tar}", "*", "file:a.tar pipe:*"])
def test_no_address_runs_a_command(pattern: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For real: by a pipe's address, by one that braces make, by files that are called so."""
    monkeypatch.chdir(tmp_path)
    for i, name in enumerate(("a.tar", "pipe:touch ran; cat a.tar", "pipe:touch ran#.tar")):
        write(tmp_path / name, {f"{k}.png": encoded(10 * i + k) for k in range(4)})
    with contextlib.suppress(UserError):
        shards = built(pattern, tmp_path)
        assert len(list(shards.items())) >= 4
        for address in shards.shards:
            assert len(list(_members(address))) == 4
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "ran#.tar").exists()
