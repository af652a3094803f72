"""Prepared pictures and the training sequence: a pure function of (seed, images seen)."""

import itertools
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from colorbench import color
from colorbench.batch import Batch
from colorbench.data.dataset import DataSet, open_data
from colorbench.errors import UserError
from colorbench.noise import stable_id
from tests.data.conftest import Config

CPU = torch.device("cpu")


def silent(_: str) -> None: ...


@pytest.fixture
def data(photos: Path, config: Config) -> DataSet:
    return open_data(config(photos), tell=silent)


def some(data: DataSet, n: int, **options: Any) -> list[Batch]:
    batches = data.train_batches(**{"batch_size": 6, "seed": 0, "start": 0, "device": CPU} | options)
    return list(itertools.islice(batches, n))


def seen(batches: list[Batch]) -> list[tuple[int, int]]:
    return [pair for batch in batches for pair in zip(batch.visits.tolist(), batch.ids.tolist(), strict=True)]


def same(one: list[Batch], two: list[Batch]) -> bool:
    def joined(batches: list[Batch]) -> list[torch.Tensor]:
        return [torch.cat([getattr(batch, key) for batch in batches]) for key in ("L", "ab", "ids", "visits")]

    return all(torch.equal(a, b) for a, b in zip(joined(one), joined(two), strict=True))


def test_the_splits_share_no_picture_and_names_give_the_ids(data: DataSet) -> None:
    names = [name for split in (data.train, data.val, data.test) for name in split.names]
    assert len(set(names)) == len(names) == 40
    for split in (data.train, data.val, data.test):
        assert split.ids.tolist() == [stable_id(name) for name in split.names]
        assert split.pixels.shape == (len(split), 3, 8, 8)


def test_batches_of_a_split_are_all_pictures_in_order(data: DataSet) -> None:
    batches = list(data.train.batches(7, CPU))
    assert torch.equal(torch.cat([batch.ids for batch in batches]), data.train.ids)
    L, ab = color.encode_bytes(data.train.pixels)
    torch.testing.assert_close(torch.cat([batch.L for batch in batches]), L)
    torch.testing.assert_close(torch.cat([batch.ab for batch in batches]), ab)
    assert len(batches[-1]) == (len(data.train) - 1) % 7 + 1


def test_take_is_a_prefix_in_the_order_of_the_hash(data: DataSet) -> None:
    assert data.train.take(5).names == data.train.names[:5]
    assert list(data.train.ids) == sorted(data.train.ids)
    assert len(data.train.take(10**6)) == len(data.train)
    assert torch.equal(data.train.take(5).take(3).pixels, data.train.take(3).pixels)


def test_an_epoch_shows_each_picture_once_and_epochs_differ(data: DataSet) -> None:
    n = len(data.train)
    order = seen(some(data, 3 * n))[: 6 * n]
    epochs = [[i for visit, i in order if visit == epoch] for epoch in range(6)]
    for epoch in epochs:
        assert sorted(epoch) == sorted(data.train.ids.tolist())
    assert epochs[0] != epochs[1] != epochs[2]


def test_seeds_differ_and_seed_0_is_a_seed(data: DataSet) -> None:
    assert seen(some(data, 3, seed=0)) == seen(some(data, 3, seed=0)) != seen(some(data, 3, seed=1))


@pytest.mark.parametrize("start", [0, 6, 18, 30, 31, 600])
def test_resuming_anywhere_gives_the_same_batches(photos: Path, config: Config, start: int) -> None:
    augment = {"augmentation": "standard", "flip": 0.5, "rotation": 15.0, "crop": 0.8, "jitter": 0.3, "blur": 3}
    data = open_data(config(photos, augment=augment), tell=silent)
    run = data.train_batches(batch_size=1, seed=3, start=0, device=CPU)
    whole = list(itertools.islice(run, start, start + 12))
    assert same(whole, some(data, 2, seed=3, start=start))


def test_threads_change_nothing(photos: Path, config: Config, data: DataSet) -> None:
    threaded = open_data(config(photos, threads=3), tell=silent)
    cores = torch.get_num_threads()
    assert same(some(data, 20), some(threaded, 20))
    assert torch.get_num_threads() == cores


@pytest.mark.parametrize("world", [1, 2, 3])
def test_ranks_share_one_sequence_whatever_their_number(data: DataSet, world: int) -> None:
    whole = some(data, 8)
    parts = [some(data, 8, rank=rank, world=world) for rank in range(world)]
    together = [part[k] for k in range(8) for part in parts]
    assert same(whole, together)
    assert {len(batch) for batch in together} == {6 // world}


def test_a_batch_that_ranks_cannot_share_is_one_clear_line(data: DataSet) -> None:
    with pytest.raises(UserError, match="batch_size: 6 must be a multiple of the number of processes, 4"):
        some(data, 1, world=4)


def test_a_batch_may_be_larger_than_the_data(data: DataSet) -> None:
    (batch,) = some(data, 1, batch_size=100)
    assert len(batch) == 100
    assert batch.visits.max() == 99 // len(data.train)


def test_the_fingerprint_is_of_the_pictures_and_not_of_the_place(photos: Path, tmp_path: Path, config: Config) -> None:
    first = open_data(config(photos), tell=silent)
    shutil.copytree(photos, tmp_path / "elsewhere")
    moved = open_data(config(tmp_path / "elsewhere", cache=str(tmp_path / "other")), tell=silent)
    assert moved.fingerprint == first.fingerprint
    assert moved.folder.name != first.folder.name
    (tmp_path / "elsewhere/a/01.png").unlink()
    assert open_data(config(tmp_path / "elsewhere"), tell=silent).fingerprint != first.fingerprint
    assert open_data(config(photos, size=4), tell=silent).fingerprint != first.fingerprint


def test_a_limit_leaves_val_and_test_as_they_were(photos: Path, config: Config, data: DataSet) -> None:
    few = open_data(config(photos, limit=4), tell=silent)
    assert list(few.train.names) == data.train.names[:4]
    assert few.test.fingerprint == data.test.fingerprint
    assert few.val.fingerprint == data.val.fingerprint
    assert few.train.fingerprint == data.train.take(4).fingerprint != data.train.fingerprint
    assert len(open_data(config(photos, test_limit=1), tell=silent).test) == 1


def test_no_color_image_is_one_clear_line_with_the_reasons(tmp_path: Path, config: Config) -> None:
    from tests.data.conftest import photo

    (tmp_path / "gray").mkdir()
    for i in range(9):
        photo(i).convert("L").save(tmp_path / "gray" / f"{i}.png")
    for _ in range(2):  # also from the cache
        with pytest.raises(UserError, match=r"no color image is left for train of 9 listed \(9 near-gray; reasons in"):
            open_data(config(tmp_path / "gray"), tell=silent)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 0}, "data.size"),
        ({"size": "big"}, "data.size"),
        ({"limit": 0}, "data.limit"),
        ({"val_limit": -1}, "data.val_limit"),
        ({"cache": 3}, "data.cache"),
    ],
)
def test_an_impossible_value_is_one_line_that_names_the_key(
    photos: Path, config: Config, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        open_data(config(photos, **change), tell=silent)
    assert "\n" not in str(caught.value)


def test_a_misspelt_key_is_named_with_the_close_matches(photos: Path, config: Config) -> None:
    with pytest.raises(UserError, match=r"data\.limt.*did you mean 'limit'"):
        open_data({**config(photos), "limt": 3}, tell=silent)


def test_an_unknown_source_is_named_with_the_close_matches(photos: Path, config: Config) -> None:
    with pytest.raises(UserError, match=r"unknown source 'foldr'.*did you mean 'folder'"):
        open_data(config(photos, source={"source": "foldr"}), tell=silent)
