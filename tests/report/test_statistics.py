import numpy as np
import pytest

from colorbench.report.statistics import Bootstrap, combine, expansion, ranks


def covered(images: int, seeds: int, *, seed_spread: float, repeats: int, resamples: int = 400) -> float:
    """How often the 95 % interval of a crossed design holds the true mean 0."""
    bootstrap = Bootstrap(images, resamples=resamples)
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(repeats):
        image = rng.standard_t(5, images)  # pictures differ, with heavy tails
        seed = seed_spread * rng.standard_normal((seeds, 1))
        table = image + seed + 0.5 * rng.standard_normal((seeds, images))
        interval = bootstrap.mean(table).interval
        hits += interval.low <= 0 <= interval.high
    return hits / repeats


def test_the_interval_of_one_model_covers_the_truth_95_times_in_100() -> None:
    assert 0.92 <= covered(150, 1, seed_spread=0.0, repeats=600) <= 0.975


@pytest.mark.parametrize("seeds", [3, 5])
def test_the_interval_over_few_seeds_covers_at_least_nearly_95_times_in_100(seeds: int) -> None:
    """Where retraining moves the mean three times more than resampling pictures does."""
    assert covered(100, seeds, seed_spread=0.4, repeats=400) >= 0.92


def test_without_the_expansion_few_seeds_would_not_be_covered(monkeypatch) -> None:
    monkeypatch.setattr("colorbench.report.statistics.expansion", lambda seeds, level: 1.0)
    assert covered(100, 3, seed_spread=1.0, repeats=400) < 0.85


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


def test_expansion_is_what_students_t_says() -> None:
    assert expansion(2) == pytest.approx(np.sqrt(2) * 12.7062 / 1.95996, rel=1e-4)
    assert expansion(10) == pytest.approx(np.sqrt(10 / 9) * 2.26216 / 1.95996, rel=1e-4)


def test_ties_share_a_rank_and_the_next_rank_counts_them() -> None:
    rng, bootstrap = np.random.default_rng(3), Bootstrap(200)
    image = rng.standard_normal(200)
    tables = {"a": image, "b": image + 0.1 * rng.standard_normal(200), "c": image + 1.0, "d": image + 2.0}
    estimates = {name: bootstrap.mean(table, i) for i, (name, table) in enumerate(tables.items())}
    assert ranks(estimates, "lower") == {"a": 1, "b": 1, "c": 3, "d": 4}
    assert ranks(estimates, "higher") == {"d": 1, "c": 2, "a": 3, "b": 3}


def test_the_same_rows_give_the_same_interval_whatever_else_is_judged() -> None:
    table = np.random.default_rng(4).standard_normal((3, 40))
    one, two = (Bootstrap(40).mean(table, 2).interval for _ in range(2))
    assert one == two
    assert Bootstrap(40).mean(table, 3).interval != one  # another system's seeds are resampled independently


def test_a_function_of_means_is_not_the_mean_of_a_function() -> None:
    x = np.array([1.0, -1.0] * 20)
    bootstrap = Bootstrap(40)
    assert combine(abs, bootstrap.mean(x)).center == 0.0
    assert bootstrap.mean(abs(x)).center == 1.0


def test_scores_of_other_images_are_refused() -> None:
    with pytest.raises(ValueError, match="weights of 10"):
        Bootstrap(10).mean(np.zeros(9))


def test_a_ratio_of_few_unlike_seeds_stays_a_number_where_ratios_lie() -> None:
    """The seeds' expansion of each mean alone went below 0, and the root of a negative spread is no number."""
    rng, bootstrap = np.random.default_rng(5), Bootstrap(12)
    spread = np.stack([rng.uniform(0.1, 0.3, 12), rng.uniform(2.0, 3.0, 12)])
    error = np.stack([rng.uniform(3.0, 4.0, 12), rng.uniform(3.5, 4.5, 12)])
    with np.errstate(all="raise"):
        ratio = bootstrap.of(lambda s, e: np.sqrt(s / e), spread, error).within(0.0, np.inf)
    assert ratio.finite
    assert 0 <= ratio.interval.low < ratio.center < ratio.interval.high
    assert bootstrap.mean(spread).interval.low < 0  # a mean alone is not told what it can be
    assert bootstrap.mean(spread).within(0.0, np.inf).interval.low == 0


def test_the_interval_of_a_linear_function_is_that_of_the_means() -> None:
    rng, bootstrap = np.random.default_rng(6), Bootstrap(30, resamples=200)
    a, b = rng.standard_normal((2, 3, 30))
    both = bootstrap.of(lambda x, y: 2 * x - y, a, b, stream=4).replicates
    apart = 2 * bootstrap.mean(a, 4).replicates - bootstrap.mean(b, 4).replicates
    np.testing.assert_allclose(both, apart, atol=1e-6)
