"""Verdicts: against each row that learned nothing, by enough to matter, and seldom wrong."""

import numpy as np
import pytest

from colorbench.report.statistics import Bootstrap
from colorbench.report.verdicts import BETTER, EQUIVALENT, INCONCLUSIVE, WORSE, Claim, claim, holm

IMAGES = 200
BOOTSTRAP = Bootstrap(IMAGES, resamples=500)


def scores(rng, mean, spread=1.0):
    return BOOTSTRAP.mean(mean + spread * rng.normal(size=IMAGES))


def word(one, others, delta=0.1, better="lower"):
    return holm({"x": claim(one, others, better, delta)})["x"]


def test_better_needs_every_trivial_row_and_names_the_closest():
    rng = np.random.default_rng(0)
    one, far, near = scores(rng, 5.0), scores(rng, 8.0), scores(rng, 5.1)
    assert word(one, {"gray": far}) == BETTER
    assert word(one, {"gray": far, "neighbors": near}) != BETTER
    assert claim(one, {"gray": far, "neighbors": near}, "lower", 0.1).closest == "neighbors"
    assert word(one, {"gray": far}, better="higher") == WORSE


def test_a_certain_difference_that_does_not_matter_is_equivalent_and_earns_no_yes():
    """A model that hardly does anything: 0.03 better on every picture, certainly."""
    rng = np.random.default_rng(1)
    gray = 16 + rng.normal(size=IMAGES)
    shy = BOOTSTRAP.mean(gray - 0.03 + 0.01 * rng.normal(size=IMAGES))
    assert (shy - BOOTSTRAP.mean(gray)).interval.excludes_zero
    assert word(shy, {"gray": BOOTSTRAP.mean(gray)}, delta=0.2) == EQUIVALENT
    assert word(shy, {"gray": BOOTSTRAP.mean(gray)}, delta=0.0) == BETTER


def test_what_few_pictures_cannot_tell_is_inconclusive():
    rng = np.random.default_rng(2)
    assert word(scores(rng, 5.0), {"gray": scores(rng, 5.05)}, delta=0.02) == INCONCLUSIVE


def test_a_row_is_equivalent_to_itself():
    rng = np.random.default_rng(3)
    gray = scores(rng, 5.0)
    assert word(gray, {"gray": gray}) == EQUIVALENT


def test_holm_stops_at_the_first_that_is_not_certain():
    claims = {name: Claim(BETTER, p, "gray") for name, p in (("a", 0.005), ("b", 0.013), ("c", 0.02), ("d", 0.001))}
    assert holm(claims) == {"d": BETTER, "a": BETTER, "b": INCONCLUSIVE, "c": INCONCLUSIVE}
    assert holm({"a": Claim(BETTER, 0.024, "gray")}) == {"a": BETTER}


@pytest.mark.parametrize("delta", [0.0, 0.2])
def test_a_wrong_better_in_any_of_six_columns_is_rare(delta):
    """Six columns at the very edge (an advantage of delta), 300 repetitions: at most 2.5 % wrong, here below 6 %."""
    rng, wrong = np.random.default_rng(4), 0
    for _ in range(300):
        claims = {}
        for column in range(6):
            base = rng.normal(size=IMAGES)
            one = BOOTSTRAP.mean(base - delta + 0.5 * rng.normal(size=IMAGES))
            claims[str(column)] = claim(one, {"gray": BOOTSTRAP.mean(base)}, "lower", delta)
        wrong += BETTER in holm(claims).values()
    assert wrong / 300 < 0.06


def test_power_a_difference_of_three_deltas_is_found():
    rng, found = np.random.default_rng(5), 0
    for _ in range(100):
        base = rng.normal(size=IMAGES)
        one = BOOTSTRAP.mean(base - 0.3 + 0.5 * rng.normal(size=IMAGES))
        found += word(one, {"gray": BOOTSTRAP.mean(base)}, delta=0.1) == BETTER
    assert found >= 95
