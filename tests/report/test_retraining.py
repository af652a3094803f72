"""What a further training would move is in the intervals: they cover the truth of the recipe, not of one training."""

import numpy as np
import pytest

from colorbench.report.retraining import Retraining
from colorbench.report.statistics import Bootstrap, Estimate

IMAGES = 100


def covered(*, seeds: tuple[int, ...], judged: int, spread: float = 0.4, repeats: int = 500, carried: bool = True):
    """How often the 95 % interval of row ``judged``, and that of its lead over the row before it, hold the true 0."""
    bootstrap, rng = Bootstrap(IMAGES, resamples=400), np.random.default_rng(1)
    hits = np.zeros(2)
    for _ in range(repeats):
        image = rng.standard_t(5, IMAGES)
        tables = [image + spread * rng.standard_normal((s, 1)) + 0.5 * rng.standard_normal((s, IMAGES)) for s in seeds]
        known = Retraining.pooled([list(t.mean(1)) for t in tables])
        rows = [bootstrap.mean(table) for table in tables]
        if carried:
            rows = [known.carry(row, [f"{r} {i}" for i in range(seeds[r])]) for r, row in enumerate(rows)]
        found = [estimate.interval for estimate in (rows[judged], rows[judged] - rows[judged - 1])]
        hits += [i.low <= 0 <= i.high for i in found]
    return hits / repeats


@pytest.mark.parametrize("seeds", [(3, 3, 1), (3, 1, 1), (2, 2, 2, 1), (5, 5)])
def test_intervals_of_every_row_cover_its_recipe_nearly_95_times_in_100(seeds: tuple[int, ...]) -> None:
    """Where retraining moves a mean three times more than resampling pictures does; a row of one seed as well."""
    assert (covered(seeds=seeds, judged=len(seeds) - 1) >= 0.92).all()


def test_without_it_a_row_of_one_seed_is_far_from_covered() -> None:
    assert (covered(seeds=(3, 3, 1), judged=2, carried=False) < 0.6).all()


def test_the_deviation_is_pooled_as_an_analysis_of_variance_pools() -> None:
    rows = [[1.0, 2.0, 3.0], [10.0, 14.0], [7.0]]
    known = Retraining.pooled(rows)
    assert known.freedom == 3
    assert known.deviation == pytest.approx(np.sqrt((2 * np.var(rows[0], ddof=1) + np.var(rows[1], ddof=1)) / 3))


def test_a_mean_that_pictures_do_not_move_has_the_interval_of_students_t() -> None:
    row = Estimate(5.0, np.full(4000, 5.0))
    one = Retraining(0.1, 4).carry(row, ["a"]).interval
    assert (one.low, one.high) == pytest.approx((5 - 2.77645 * 0.1, 5 + 2.77645 * 0.1), abs=1e-3)
    four = Retraining(0.1, 4).carry(row, list("abcd")).interval
    assert four.high - four.low == pytest.approx((one.high - one.low) / 2, rel=0.1)


def test_rows_of_one_training_move_together_and_of_two_apart() -> None:
    row, known = Estimate(0.0, np.zeros(1000)), Retraining(1.0, 4)
    fast, slow, other = (known.carry(row, [name]) for name in ("run", "run", "run-2"))
    assert not (fast - slow).replicates.any()
    assert (fast - other).replicates.std() == pytest.approx(np.sqrt(2) * fast.replicates.std(), rel=0.1)
