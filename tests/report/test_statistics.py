import numpy as np
import pytest

from colorbench.report.statistics import Bootstrap, combine, ranks


def test_the_interval_of_one_model_covers_the_truth_95_times_in_100() -> None:
    bootstrap, rng, hits = Bootstrap(150, resamples=400), np.random.default_rng(1), 0
    for _ in range(600):
        interval = bootstrap.mean(rng.standard_t(5, 150)).interval  # pictures differ, with heavy tails
        hits += interval.low <= 0 <= interval.high
    assert 0.92 <= hits / 600 <= 0.975


def test_paired_differences_cover_and_are_narrower_than_unpaired_ones() -> None:
    rng, bootstrap, hits = np.random.default_rng(2), Bootstrap(120, resamples=400), 0
    for _ in range(400):
        image = 3 * rng.standard_normal(120)
        one, other = (image + 0.3 * rng.standard_normal(120) for _ in range(2))
        gap = (bootstrap.mean(one) - bootstrap.mean(other)).interval
        hits += gap.low <= 0 <= gap.high
    assert 0.92 <= hits / 400 <= 0.98
    alone = bootstrap.mean(one).interval
    assert (gap.high - gap.low) < 0.3 * (alone.high - alone.low)


def test_ties_share_a_rank_and_the_next_rank_counts_them() -> None:
    rng, bootstrap = np.random.default_rng(3), Bootstrap(200)
    image = rng.standard_normal(200)
    tables = {"a": image, "b": image + 0.1 * rng.standard_normal(200), "c": image + 1.0, "d": image + 2.0}
    estimates = {name: bootstrap.mean(table) for name, table in tables.items()}
    assert ranks(estimates, "lower") == {"a": 1, "b": 1, "c": 3, "d": 4}
    assert ranks(estimates, "higher") == {"d": 1, "c": 2, "a": 3, "b": 3}


def test_the_same_rows_give_the_same_interval_whatever_else_is_judged() -> None:
    table = np.random.default_rng(4).standard_normal((3, 40))
    one, two = (Bootstrap(40).mean(table).interval for _ in range(2))
    assert one == two


def test_seeds_are_averaged_before_pictures_are_resampled() -> None:
    table = np.random.default_rng(4).standard_normal((3, 40))
    bootstrap = Bootstrap(40)
    assert bootstrap.mean(table).interval == bootstrap.mean(table.mean(0)).interval


def test_a_function_of_means_is_not_the_mean_of_a_function() -> None:
    x = np.array([1.0, -1.0] * 20)
    bootstrap = Bootstrap(40)
    assert combine(abs, bootstrap.mean(x)).center == 0.0
    assert bootstrap.mean(abs(x)).center == 1.0


def test_scores_of_other_images_are_refused() -> None:
    with pytest.raises(ValueError, match="weights of 10"):
        Bootstrap(10).mean(np.zeros(9))


def test_the_interval_of_a_linear_function_is_that_of_the_means() -> None:
    rng, bootstrap = np.random.default_rng(6), Bootstrap(30, resamples=200)
    a, b = rng.standard_normal((2, 3, 30))
    both = bootstrap.of(lambda x, y: 2 * x - y, a, b).replicates
    apart = 2 * bootstrap.mean(a).replicates - bootstrap.mean(b).replicates
    np.testing.assert_allclose(both, apart, atol=1e-6)
