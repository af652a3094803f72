"""Laws of the world of scenes: what can be seen of it never depends on its colors."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from colorbench import color
from colorbench.data.scenes.law import CUT, INDEX, LEVELS, NAMES, law_of
from colorbench.data.scenes.lookup import Lookup
from colorbench.data.scenes.source import Scenes
from colorbench.data.scenes.world import World
from colorbench.errors import UserError
from colorbench.registry import check

WORLD = World("standard")
DIGESTS = {"simple": "2c0353db8ecc619f", "standard": "13ecbcfce1bfefea", "hard": "f2bf19fa1cdde4de"}
levels = pytest.mark.parametrize("level", LEVELS)


def names(n, split="test", world=WORLD):
    return [world.name(split, index) for index in range(n)]


def lightness(scene, modes, shades):
    """L* after the picture became bytes."""
    lab = np.concatenate([scene.lightness[None], scene.color(modes, shades)])[None]
    return color.bytes_to_lab(color.to_bytes(color.lab_to_rgb(torch.from_numpy(lab))))[0, 0].numpy()


@levels
def test_every_color_of_every_class_is_inside_srgb_at_every_lightness(level):
    law = law_of(level)
    L = np.arange(4.0, 98.0, 0.5, dtype=np.float32)
    turn = np.linspace(0, 2 * np.pi, 9)
    rim = CUT * np.stack([np.cos(turn), np.sin(turn)], -1)
    for k, name in enumerate(NAMES):
        gain = law.gains(np.full(len(L), k), L)
        for m in range(law.sizes[k]):
            for g in (0.0, 0.3, 0.7, 1.0):
                c = law.base[k, m] + g * law.slope[k, m] + law.spread[k] * np.concatenate([rim, rim * 0.5])
                ab = torch.from_numpy(gain[None, :, None] * c[:, None]).float().permute(2, 0, 1)
                rgb = color.lab_to_rgb(torch.cat([torch.from_numpy(L).expand(1, len(c), -1), ab])[None])
                assert max(-rgb.min(), rgb.max() - 1) <= 0.004, (name, m, g)  # one step of 8 bits


def test_lightness_says_nothing_about_color_but_for_rounding():
    worst, sums = 0.0, []
    for name in names(25):
        scene = WORLD.scene(name, 64)
        seen = [lightness(scene, *scene.draw(f"stream {k}")[1:]) for k in range(3)]
        worst = max(worst, *(np.abs(s - scene.lightness).max() for s in seen))
        sums += [np.abs(s - scene.lightness).mean() for s in seen]
    assert worst < 0.6  # L* units; one step of a gray level is 0.4
    assert np.mean(sums) < 0.1


def test_rounding_biases_no_mode_of_an_ambiguous_class():
    law, bias = law_of("standard"), {}
    for name in names(60):
        scene = WORLD.scene(name, 64)
        _, modes, shades = scene.draw()
        off = lightness(scene, modes, shades) - scene.lightness
        for o in np.unique(scene.pure[scene.pure > 0]):
            here = off[scene.pure == o]
            if len(here) > 30:
                bias.setdefault((scene.classes[o], modes[o]), []).append(here.mean())
    means = {key: np.mean(values) for key, values in bias.items() if len(values) >= 8 and law.sizes[key[0]] > 1}
    assert len(means) > 10
    assert max(map(abs, means.values())) < 0.05


def test_the_same_scene_has_the_same_composition_at_every_resolution():
    for name in names(6):
        fine, coarse = WORLD.scene(name, 128), WORLD.scene(name, 64)
        assert np.array_equal(fine.classes, coarse.classes)
        shrunk = fine.lightness.reshape(64, 2, 64, 2).mean((1, 3))
        assert np.abs(shrunk - coarse.lightness).mean() < 2.0
        assert np.array_equal(fine.draw()[1], coarse.draw()[1])


@pytest.mark.parametrize("size", [32, 100, 256, pytest.param(512, marks=pytest.mark.slow)])
@levels
def test_scenes_can_be_drawn_at_any_size(level, size):
    world = World(level)
    pixels = world.picture(world.name("train", 3), size)
    assert pixels.shape == (3, size, size)
    assert pixels.std() > 20


def test_scenes_depend_on_split_index_and_level_only():
    pictures = [w.picture(w.name(s, i), 32) for w in (WORLD, World("hard")) for s in ("train", "test") for i in (0, 1)]
    assert len({p.tobytes() for p in pictures}) == len(pictures)
    assert np.array_equal(WORLD.picture(WORLD.name("train", 1), 32), pictures[1])


def test_scenes_are_the_same_in_another_process_with_other_thread_counts():
    code = (
        "import hashlib, torch; from colorbench.data.scenes.world import World; w = World('standard');"
        "print(torch.get_num_threads(),"
        " hashlib.sha256(b''.join(w.picture(w.name('val', i), 48).tobytes() for i in range(8))).hexdigest())"
    )
    digests = set()
    for threads in ("1", "2"):
        out = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "OMP_NUM_THREADS": threads},
            check=True,
            capture_output=True,
            text=True,
        )
        count, digest = out.stdout.split()
        assert count == threads
        digests.add(digest)
    assert len(digests) == 1


def test_the_world_of_version_1_stays_what_it_is():
    """Raise world.VERSION when this must change."""
    found = []
    for name in names(4, "train"):
        scene = WORLD.scene(name, 32)
        shown = [f"{NAMES[k]}:{m}" for k, m in zip(scene.classes[1:4], scene.draw()[1][1:4], strict=True)]
        found.append((scene.place, len(scene.classes), round(float(scene.lightness.mean()), 1), *shown))
    assert found == GOLDEN


def test_places_and_classes_all_occur():
    plans = [WORLD.plan(name) for name in names(400)]
    assert {plan.place for plan in plans} == {"coast", "country", "street", "table"}
    assert {c for plan in plans for c in plan.classes} == set(NAMES)
    assert max(len(plan.classes) for plan in plans) < 255


def test_an_anti_aliased_border_belongs_to_no_object():
    scene = WORLD.scene(names(1)[0], 64)
    mixed = scene.pure < 0
    assert 0.02 < mixed.mean() < 0.5
    K, G = scene.maps
    base = law_of("standard").base[scene.classes, 0]
    slope = law_of("standard").slope[scene.classes, 0]
    ab = scene.paint(base, slope)
    o = scene.pure[~mixed]
    exact = K[~mixed] * base[o].T + G[~mixed] * slope[o].T
    np.testing.assert_allclose(ab[:, ~mixed], exact, atol=1e-3)


def test_a_scene_is_found_by_its_gray_picture_after_rounding():
    table = Lookup("standard", 32)
    for name in (WORLD.name("test", 5), WORLD.name("val", 7)):
        pixels = torch.from_numpy(WORLD.picture(name, 32))[None]
        assert table.name(color.bytes_to_lab(pixels)[0, 0].numpy()) == name


def test_a_picture_that_is_no_scene_is_refused(monkeypatch):
    monkeypatch.setattr("colorbench.data.scenes.lookup.REACH", 100)
    with pytest.raises(UserError, match="no val or test scene"):
        Lookup("standard", 32).name(np.full((32, 32), 50.0, np.float32))


def test_the_source_lists_and_draws_its_scenes():
    source = Scenes(level="simple", train=3, val=2, test=1)
    items = list(source.items())
    assert [item.name for item in items if item.split == "val"] == [
        "scenes-simple-v1/val/000000",
        "scenes-simple-v1/val/000001",
    ]
    drawn = list(source.render(items, 32))
    assert len({d.sha256 for d in drawn}) == len(items) == 6
    assert source.describe()["level"] == "simple"


@pytest.mark.parametrize(
    ("change", "words"), [({"level": "hardd"}, "did you mean 'hard'"), ({"val": 0}, "data.source.val")]
)
def test_a_mistake_in_the_config_is_named(change, words):
    with pytest.raises(UserError, match=words):
        check(
            "source",
            {"source": "scenes", "level": "standard", "train": 1, "val": 1, "test": 1, **change},
            "data.source",
        )


def test_a_cue_moves_the_law():
    law = law_of("standard")
    red = law.rates[0, INDEX["vehicle"], :, 0]
    assert red[1] > 0.9 > 0.4 > red[0] > red[2]


GOLDEN = [
    ("street", 22, 60.5, "sky:1", "hill:1", "meadow:2"),
    ("coast", 13, 67.4, "sky:0", "hill:0", "sea:0"),
    ("street", 25, 59.7, "sky:2", "hill:3", "meadow:0"),
    ("country", 19, 65.4, "sky:0", "balloon:2", "wood:0"),
]


def test_the_pictures_of_every_level_are_the_ones_that_published_numbers_speak_of():
    """Digests of lightness, objects and blend, made before painting was vectorized; an edited brush needs a VERSION."""
    import hashlib

    seen = {}
    for level in LEVELS:
        digest, world = hashlib.sha256(), World(level)
        for name in names(24, "train", world):
            scene = world.scene(name, 32)
            for part in (scene.L.round(3), scene.objects, scene.blend.round(3)):
                digest.update(np.ascontiguousarray(part).tobytes())
        seen[level] = digest.hexdigest()[:16]
    assert seen == DIGESTS
