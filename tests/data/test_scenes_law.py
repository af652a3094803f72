"""The color law of the scenes: its frequencies, densities and moments are the ones it states."""

import numpy as np
import pytest
from scipy import stats

from colorbench.data.scenes.law import CUT, INDEX, LEVELS, NAMES, WIDTH, Law, Seen, law_of
from colorbench.data.scenes.oracles import choose
from colorbench.data.scenes.world import World

levels = pytest.mark.parametrize("level", LEVELS)


def seen_of(*classes, context=frozenset()):
    return Seen(np.array([INDEX[c] for c in classes]), np.zeros(len(classes), int), context)


def frequencies(level, n, draw):
    """Smallest p-value (Bonferroni) of chi-square tests of the first object of each class in n scenes, which are
    independent; ``draw`` gives modes."""
    world, law = World(level), law_of(level)
    counts, expected = np.zeros((len(NAMES), WIDTH)), np.zeros((len(NAMES), WIDTH))
    for index in range(n):
        name = world.name("train", index)
        seen = world.seen(name)
        modes, q = draw(name, law, seen), law.marginal(seen)
        _, first = np.unique(seen.classes, return_index=True)
        counts[seen.classes[first], modes[first]] += 1
        expected[seen.classes[first]] += q[first]
    assert (counts[expected == 0] == 0).all()
    smallest = 1.0
    for k in np.flatnonzero(law.sizes > 1):
        usual = expected[k] >= 5
        if usual.sum() > 1:
            statistic = ((counts[k, usual] - expected[k, usual]) ** 2 / expected[k, usual]).sum()
            smallest = min(smallest, stats.chi2.sf(statistic, usual.sum() - 1))
    return smallest * len(NAMES)


def truth(name, law, seen):
    from colorbench.data.scenes.canvas import Dice
    from colorbench.noise import stable_id

    return law.draw(seen, Dice(stable_id(f"{name} truth")).array(1 + 3 * len(seen)))[1]


@pytest.mark.parametrize("level", ["simple", "standard", "hard"])
def test_modes_come_as_often_as_the_law_says(level):
    assert frequencies(level, 1500, truth) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("level", ["standard", "hard"])
def test_modes_come_as_often_as_the_law_says_over_20000_scenes(level):
    assert frequencies(level, 20_000, truth) > 1e-3


def test_the_frequency_test_would_notice_a_miscalibrated_law():
    rng = np.random.default_rng(0)
    assert (
        frequencies(
            "standard", 1500, lambda _, law, seen: choose("miscalibrated", law, seen, rng.random(1 + len(seen)))
        )
        < 1e-3
    )


def test_tied_objects_come_together_as_often_as_the_law_says():
    law, rng = law_of("standard"), np.random.default_rng(1)
    seen = seen_of("sky", "sea", "foliage", "foliage")
    prior, rates = law.given(seen)
    draws = np.array([law.draw(seen, rng.random(13))[1] for _ in range(6000)])
    for o, p in ((0, 1), (2, 3), (0, 2)):
        table = np.zeros((WIDTH, WIDTH))
        np.add.at(table, (draws[:, o], draws[:, p]), 1)
        expected = 6000 * np.einsum("z,zi,zj->ij", prior, rates[:, o], rates[:, p])
        assert (table[expected == 0] == 0).all()
        usual = expected >= 5
        assert stats.chisquare(table[usual], expected[usual] * table[usual].sum() / expected[usual].sum()).pvalue > 1e-3
    apart = np.outer(*(np.einsum("z,zi->i", prior, rates[:, o]) for o in (2, 3)))
    assert np.abs(expected / 6000 - apart).sum() > 0.0  # the pair (sky, foliage) is nearly free ...
    trees = np.einsum("z,zi,zj->ij", prior, rates[:, 2], rates[:, 3])
    assert np.abs(trees - apart).sum() / 2 > 0.2  # ... two trees are not


def test_shades_are_a_cut_normal_distribution():
    law, rng = law_of("standard"), np.random.default_rng(0)
    seen = seen_of(*["vehicle"] * 20_000)
    e = law.shades(seen, rng.random(40_000))
    sigma = law.spread[INDEX["vehicle"]]
    radius = np.hypot(*e.T)
    assert radius.max() <= CUT * sigma * (1 + 1e-5)
    share = (1 - np.exp(-(np.linspace(0, CUT, 9)[1:-1] ** 2) / 2)) / (1 - np.exp(-(CUT**2) / 2))
    for r, s in zip(np.linspace(0, CUT, 9)[1:-1], share, strict=True):
        assert abs((radius < r * sigma).mean() - s) < 0.012
    np.testing.assert_allclose(e.var(0), law.shade_variance[INDEX["vehicle"]], rtol=0.03)
    assert np.abs(e.mean(0)).max() < 0.06


def test_the_density_of_one_object_integrates_to_one():
    law, seen = law_of("standard"), seen_of("hill")
    step = 1.0
    grid = np.arange(-60, 60, step)
    total = sum(np.exp(law.log_density(seen, np.array([[a, b]]))) for a in grid for b in grid) * step**2
    assert total == pytest.approx(1.0, abs=0.02)


def test_the_density_of_several_objects_is_the_sum_over_latents_and_modes():
    law, rng = law_of("hard"), np.random.default_rng(3)
    seen = seen_of("sky", "foliage", "wall", context=frozenset({"litter"}))
    _, modes, shades = law.draw(seen, rng.random(10))
    colors = law.base[seen.classes, modes] + shades
    prior, rates = law.given(seen)
    slow = 0.0
    for z, weight in enumerate(prior):
        product = weight
        for o, k in enumerate(seen.classes):
            s2 = float(law.spread[k]) ** 2
            inner = 0.0
            for m in range(WIDTH):
                d2 = float(((colors[o] - law.base[k, m]) ** 2).sum())
                if d2 <= CUT**2 * s2:
                    inner += rates[z, o, m] * np.exp(-d2 / 2 / s2) / (2 * np.pi * s2 * (1 - np.exp(-(CUT**2) / 2)))
            product *= inner
        slow += product
    assert law.log_density(seen, colors) == pytest.approx(np.log(slow), rel=1e-6)
    assert law.log_density(seen, colors + 100) == -np.inf


def test_the_probability_of_modes_sums_to_one_over_all_of_them():
    law, seen = law_of("standard"), seen_of("sea", "foliage", "sail")
    every = np.stack(np.meshgrid(*[range(law.sizes[k]) for k in seen.classes], indexing="ij"), -1).reshape(-1, 3)
    assert sum(np.exp(law.log_modes(seen, modes)) for modes in every) == pytest.approx(1.0)


def test_what_is_known_of_one_object_tells_the_season_of_the_others():
    law, seen = law_of("standard"), seen_of("foliage", "foliage")
    orange, blossom = (
        law.posterior(seen, np.array([m, -1])) @ np.array([z[1] == season for z in law.latents], float)
        for m, season in ((2, "autumn"), (4, "spring"))
    )
    assert orange == pytest.approx(1.0)
    assert blossom == pytest.approx(1.0)
    assert law.posterior(seen, np.array([2, 4])).sum() == 0.0  # they clash


@levels
def test_moments_are_those_of_many_draws(level):
    law, rng = law_of(level), np.random.default_rng(5)
    seen = seen_of("vehicle", "sky", "meadow", context=frozenset({"low sun"}))
    mean, tilt, spread, _ = law.moments(seen)
    draws = [law.draw(seen, rng.random(10)) for _ in range(8000)]
    colors = np.array([law.base[seen.classes, m] + e for _, m, e in draws])
    slopes = np.array([law.slope[seen.classes, m] for _, m, _ in draws])
    error = np.sqrt(spread / 8000) * 4.5 + 1e-3
    assert (np.abs(colors.mean(0) - mean) < error).all()
    np.testing.assert_allclose(colors.var(0), spread, rtol=0.12, atol=0.3)
    np.testing.assert_allclose(slopes.mean(0), tilt, atol=1.5)


@levels
def test_the_law_is_well_formed(level):
    law: Law = law_of(level)
    np.testing.assert_allclose(law.rates.sum(-1), 1.0)
    for context in (frozenset(), frozenset({"low sun"}), frozenset({"high sun", "litter"})):
        assert law.prior(context).sum() == pytest.approx(1.0)
    for k, size in enumerate(law.sizes):  # modes can be told apart: their disks do not meet
        for m in range(size):
            for other in range(m):
                ends = [
                    np.linalg.norm(law.base[k, m] + g * law.slope[k, m] - law.base[k, other] - g * law.slope[k, other])
                    for g in (0, 1)
                ]
                assert max(ends) > 2 * CUT * law.spread[k], (NAMES[k], m, other)


def test_levels_grow_harder():
    def entropy(level):
        world, law, total = World(level), law_of(level), []
        for index in range(300):
            q = law.marginal(world.seen(world.name("test", index)))
            total.append(-(q * np.log(np.maximum(q, 1e-12))).sum())
        return np.mean(total)

    simple, standard, hard = map(entropy, ("simple", "standard", "hard"))
    assert simple < standard < hard
