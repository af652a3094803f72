"""Who leads when: the crossing lies where the curves do, and its interval where the pictures let it."""

import json

import numpy as np
import pytest

from colorbench.report.answer import standing
from colorbench.report.race import draw_race, leads, told
from colorbench.report.statistics import Estimate
from colorbench.runs.looks import Looks, Moments, read_moments

X = np.linspace(0, 100, 11)


def moments(start, end, *, spread=1.0, pictures=64, seed=0):
    """A straight line from start to end, the pictures around it."""
    rng = np.random.default_rng(seed)
    around = spread * rng.standard_normal(pictures)
    line = np.interp(X, [0, 100], [start, end])[:, None]
    return Moments(10 * X, X, line + around - around.mean() if pictures > 1 else line)


def test_the_slow_starter_overtakes_where_the_lines_cross():
    found = {"fast": moments(10, 8), "slow": moments(14, 4, seed=1)}
    first, second = leads(found, "seconds")
    assert (first.who, first.over) == ("fast", "")
    assert (second.who, second.over) == ("slow", "fast")
    assert second.start == pytest.approx(50)
    assert second.where.low < 50 < second.where.high
    assert second.share == 1.0
    assert leads(found, "images")[1].start == pytest.approx(500)


def test_an_interval_is_wider_where_pictures_differ_more():
    def width(spread):
        found = {"fast": moments(10, 8, spread=spread), "slow": moments(14, 4, spread=spread, seed=1)}
        where = leads(found, "seconds")[1].where
        return where.high - where.low

    assert 0 < width(0.2) < width(1.0) / 3


def test_paired_pictures_leave_no_doubt_about_a_crossing():
    found = {"fast": moments(10, 8, spread=5), "slow": moments(14, 4, spread=5)}  # the same pictures are hard for both
    where = leads(found, "seconds")[1].where
    assert where.high - where.low < 1e-6


def test_means_alone_have_a_crossing_without_an_interval():
    found = {"fast": moments(10, 8, pictures=1), "slow": moments(14, 4, pictures=1)}
    assert leads(found, "seconds")[1].where is None
    assert "At 50 seconds: slow overtakes fast." in told(found)


def test_who_is_never_overtaken_leads_from_the_beginning(tmp_path):
    found = {"good": moments(5, 3), "bad": moments(9, 8, seed=1)}
    assert [lead.who for lead in leads(found, "seconds")] == ["good"]
    assert leads({"good": found["good"]}, "seconds") == []
    assert draw_race(found, tmp_path / "race.png", {"rung 1": 50.0}).stat().st_size > 5000


def test_moments_are_read_back_with_their_seconds_and_the_later_of_two_looks(tmp_path):
    rows = [
        {"images_seen": 10, "train/seconds": 1.0},
        {"images_seen": 20, "train/seconds": 3.0},
        {"images_seen": 15, "val/joint": 2.0},
        {"images_seen": 20, "val/joint": 1.0},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    means = read_moments(tmp_path)
    assert means.pictures == 1
    assert means.seconds.tolist() == [2.0, 3.0]
    kept = Looks(tmp_path)
    for images, energy in ((15, [9.0, 9.0]), (15, [1.0, 3.0]), (20, [0.5, 1.5]), (99, [7.0, 7.0])):
        kept.add(images, energy)
    with (tmp_path / "looks.jsonl").open("a") as file:
        file.write('{"images_se')
    found = read_moments(tmp_path)
    assert found.score.tolist() == [[1.0, 3.0], [0.5, 1.5]]
    assert read_moments(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [(0.3, 0.9, "behind"), (-0.1, 0.15, "equivalent"), (-0.1, 0.9, "not told apart"), (0.05, 0.15, "equivalent")],
)
def test_a_gap_is_behind_equivalent_or_not_told_apart(low, high, word):
    gap = Estimate((low + high) / 2, np.linspace(low, high, 41) if low < high else np.array([low]))
    assert standing(gap, 0.2) == word
