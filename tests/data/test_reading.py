"""Each score of the law is proved on oracles: the sampler is within the floor, and each broken one is caught."""

import numpy as np
import pytest
import torch

from colorbench import color
from colorbench.data.scenes import reading as law
from colorbench.data.scenes.law import law_of
from colorbench.data.scenes.oracles import BENT, DRAWN, FIXED, ORACLES, STOCHASTIC, answer, uniforms
from colorbench.data.scenes.world import World

WORLD = World("standard")
NAMES = [WORLD.name("test", index) for index in range(40)]


@pytest.fixture(scope="module")
def scenes():
    return [WORLD.scene(name, 64) for name in NAMES]


def rounded(scene, ab):
    """ab [K 2 h w] after the picture became bytes."""
    lab = np.concatenate([np.broadcast_to(scene.lightness, (len(ab), 1, *scene.lightness.shape)), ab], 1).astype(
        np.float32
    )
    return color.bytes_to_lab(color.to_bytes(color.lab_to_rgb(torch.from_numpy(lab))))[:, 1:].numpy()


def colorings(scene, oracle, draws, rng):
    return np.stack([answer(oracle, scene, rng.random(uniforms(oracle, len(scene.classes), 64))) for _ in range(draws)])


def scored(scenes, oracle, draws=3):
    rng = np.random.default_rng(0)
    return law.score([law.read(s, rounded(s, colorings(s, oracle, draws, rng))) for s in scenes])


def test_the_true_modes_are_read_back_from_the_bytes(scenes):
    for scene in scenes:
        _, modes, shades = scene.draw()
        reading = law.read(scene, rounded(scene, scene.color(modes, shades)[None]))
        assert len(reading.measured) >= 2
        assert np.array_equal(reading.modes[0], modes[reading.measured])
        assert reading.residual.max() < 1.5
        assert reading.off.max() < 0.01


def test_the_sampler_has_no_fault(scenes):
    rng = np.random.default_rng(1)
    readings = [law.read(s, rounded(s, colorings(s, "sample", 3, rng))) for s in scenes]
    s, floor = law.score(readings), law.floor(readings, 3, repeats=60)
    for name in ("tv", "tv_joint", "calibration", "rare"):
        mean, low, high = floor[name]
        assert low - (mean - low) <= getattr(s, name) <= high + (high - mean), name
    assert s.clash == 0.0
    assert s.undecided == 0.0
    assert s.incoherence < 0.5
    assert s.off_law < 0.002


def test_gray_is_off_the_law_and_shows_no_mode(scenes):
    s = law.score([law.read(scene, np.zeros((1, 2, 64, 64), np.float32)) for scene in scenes])
    assert s.undecided > 0.8
    assert s.off_law > 0.8
    assert s.tv > 0.9
    assert s.rare == 0.0


def test_the_conditional_mean_mixes_colors_that_no_object_has(scenes):
    s = scored(scenes, "mean", 1)
    assert s.undecided > 0.25
    assert s.off_law > 0.3


def test_the_most_probable_mode_is_on_the_law_but_has_its_frequencies_wrong(scenes):
    s = scored(scenes, "mode", 1)
    assert s.off_law < 0.002
    assert s.tv > 0.3
    assert s.rare == 0.0


def test_independent_pixels_are_incoherent(scenes):
    assert scored(scenes, "pixels", 1).incoherence > 10 * scored(scenes, "sample", 1).incoherence


POWER = {
    "incoherent": ("clash", "tv_joint"),
    "uniform": ("tv", "calibration", "rare"),
    "collapsed": ("tv", "calibration"),
    "miscalibrated": ("tv", "calibration", "rare"),
    "rare_blind": ("rare",),
}


@pytest.fixture(scope="module")
def power():
    """Of scores at 2 % false alarms, on 100 scenes with 4 draws, without pixels."""
    rows = []
    for index in range(100):
        seen = WORLD.seen(WORLD.name("test", index))
        rows.append((law_of("standard"), seen, np.flatnonzero(seen.classes > 0)[:11]))
    return law.power(rows, ["sample", *POWER], 4, repeats=12, level=0.02)


@pytest.mark.parametrize("oracle", POWER)
def test_every_broken_oracle_is_caught(power, oracle):
    for score in POWER[oracle]:
        # rare modes are few in the scenes of this fixture; experiments/02_known_law states the power of 200 scenes
        stated = 0.75 if oracle == "rare_blind" else 0.9
        assert power[oracle][score] >= stated, (oracle, score, power[oracle])


def test_the_law_itself_is_seldom_accused(power):
    assert all(share <= 0.25 for share in power["sample"].values())  # 2 % stated; 12 repeats


def test_objects_drawn_alone_have_right_frequencies_so_only_scene_scores_see_them(power):
    assert power["incoherent"]["tv"] <= 0.25
    assert power["incoherent"]["clash"] == 1.0


def test_errors_shrink_with_more_scenes():
    rng = np.random.default_rng(0)
    rows = []
    for index in range(120):
        seen = WORLD.seen(WORLD.name("test", index))
        rows.append((law_of("standard"), seen, np.flatnonzero(seen.classes > 0)[:11]))
    readings = law.simulate(rows, "sample", 2, rng)
    few, many = law.deviations(readings[:30], 60), law.deviations(readings, 60)
    assert 0 < many["calibration"] < few["calibration"]


def test_scenes_without_readable_objects_are_refused(scenes):
    empty = law.read(scenes[0], np.zeros((1, 2, 64, 64), np.float32))
    bare = type(empty)(
        **{
            **vars(empty),
            "measured": empty.measured[:0],
            "modes": empty.modes[:, :0],
            "residual": empty.residual[:, :0],
            "weight": empty.weight[:0],
        }
    )
    with pytest.raises(ValueError, match="large enough"):
        law.score([bare])


# ---- the finding: a perfect sampler loses on error metrics ----


def test_the_mean_has_the_least_square_error_and_the_sampler_twice_as_much(scenes):
    rng = np.random.default_rng(2)
    error = {o: [] for o in ("mean", "sample", "mode", "median")}
    for scene in scenes:
        truths = colorings(scene, "sample", 6, rng)
        for oracle, found in error.items():
            x = colorings(scene, oracle, 1, rng)
            found.append(((x - truths) ** 2).sum(1).mean())
    means = {o: np.mean(v) for o, v in error.items()}
    assert min(means, key=means.get) == "mean"
    assert means["sample"] / means["mean"] == pytest.approx(2.0, abs=0.25)


def test_the_median_has_the_least_absolute_error_of_all(scenes):
    rng = np.random.default_rng(3)
    error = {o: [] for o in ("mean", "sample", "mode", "median")}
    for scene in scenes[:20]:
        truths = colorings(scene, "sample", 12, rng)
        for oracle, found in error.items():
            found.append(np.abs(colorings(scene, oracle, 1, rng) - truths).mean())
    means = {o: np.mean(v) for o, v in error.items()}
    assert min(means, key=means.get) == "median"


def test_every_oracle_is_named_once():
    assert set(ORACLES) == set(FIXED) | set(STOCHASTIC)
    assert set(DRAWN) == {"incoherent", *BENT}
