"""Scenes painted by several processes are the scenes that one paints, and a painter that is lost is no picture less."""

import shutil
import time

import numpy as np
import pytest

from colorbench.data.scenes import source
from colorbench.data.scenes.painters import Painters
from colorbench.data.scenes.world import World

WORLD = World("standard")
NAMES = [WORLD.name("train", index) for index in range(5)]


def all_ready(painters, helpers):
    for _ in range(600):
        if len(painters.ready) == helpers:
            return painters
        time.sleep(0.1)
    raise AssertionError("no painter started within a minute")


def test_whoever_paints_a_scene_it_is_the_same_and_nobody_is_left_behind():
    alone = [WORLD.picture(name, 16) for name in NAMES]
    with Painters(WORLD, helpers=2) as painters:
        all_ready(painters, 2)
        for names in (NAMES, NAMES[:1], []):  # fewer scenes than painters, too
            found = painters.paint(names, 16)
            assert len(found) == len(names)
            for a, b in zip(found, alone, strict=False):
                np.testing.assert_array_equal(a, b)
    assert all(helper.poll() is not None for helper in painters.starting)


def test_a_painter_that_is_lost_is_an_error_and_no_missing_picture():
    with Painters(WORLD, helpers=1) as painters:
        all_ready(painters, 1)
        painters.ready[0].kill()
        painters.ready[0].wait()
        with pytest.raises(RuntimeError, match="a painter of scenes ended with -9"):
            painters.paint(NAMES, 16)


def test_a_painter_that_cannot_start_is_an_error_and_no_slower_build(monkeypatch):
    monkeypatch.setattr("colorbench.data.scenes.painters.sys.executable", shutil.which("false"))
    with Painters(WORLD, helpers=1) as painters:
        for _ in range(600):
            if painters.lost:
                break
            time.sleep(0.1)
        with pytest.raises(RuntimeError, match="could not start and ended with 1"):
            painters.paint(NAMES, 16)


def test_a_source_has_painters_for_many_scenes_on_several_cores_and_only_while_it_builds(monkeypatch):
    monkeypatch.setattr(source, "WORTH_HELP", 6)
    few, many = (source.Scenes(level="standard", train=n, val=1, test=1) for n in (3, 4))
    with few.building(2), many.building(1):
        assert not few.painters.starting
        assert not many.painters.starting
    with many.building(3):
        crew = many.painters
        assert len(crew.starting) == 2
    assert not many.painters.starting
    assert all(helper.poll() is not None for helper in crew.starting)
