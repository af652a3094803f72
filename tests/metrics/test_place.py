"""Place puts the oracles, the bottlenecks and the samplers that learn nothing in the order in which eyes put them.

The fast test knows 24 scenes, 4 draws and a memory of 300; the slow one what a table has: 150 scenes (of the validation
split), 8 draws and the whole training split.
"""

import itertools
from functools import cache

import numpy as np
import pytest
import torch

from colorbench import color
from colorbench.batch import Batch
from colorbench.data.scenes.world import World
from colorbench.metrics.draws import energy_scores, score_draws
from colorbench.metrics.flat import alarm
from colorbench.metrics.place import PARTS, joint, place
from colorbench.metrics.variogram import variogram_score
from colorbench.noise import Noise
from colorbench.registry import build
from colorbench.runs import config

WORLD = World("standard")
ORDER = ("law", "law through 1/4", "law through 1/8", "neighbors", "marginal", "confetti", "gray")
"""Each stands above the next."""
BELOW_THE_LAW = ("patchwork", "collapsed", "mean", "pixels")
SUBTLE = ("incoherent", "miscalibrated", "rare_blind")


def batch(split: str, count: int) -> Batch:
    names = [WORLD.name(split, index) for index in range(count)]
    return Batch.of_bytes(torch.from_numpy(np.stack([WORLD.picture(n, 64) for n in names])), torch.arange(count))


@cache
def scored(scenes: int, memory: int, draws: int) -> dict[str, np.ndarray]:
    """{row: the columns of place, then energy, flat and flat_true, [5, scenes]}."""
    asked, train = batch("val", scenes), batch("train", memory)
    true = color.to_bytes(asked.rgb)
    models = {"gray": "gray", "law": "oracle", "neighbors": "neighbors", "marginal": "marginal", "confetti": "confetti"}
    rows: dict = {name: (model, {}) for name, model in models.items()}
    rows |= {name: ("oracle", {"answer": name}) for name in (*BELOW_THE_LAW, *SUBTLE)}
    rows |= {f"law through 1/{scale}": ("oracle", {"chroma_scale": scale}) for scale in (4, 8)}
    found, composed = {}, cache(lambda model: config.compose(["data=scenes", f"model={model}"])["model"])
    for name, (model, changes) in rows.items():
        family = build("family", {**composed(model), **changes}, "model")
        family.prepare(train.split(100))
        hats = []
        for k in range(draws if family.stochastic else 1):
            ab = family.colorize(asked.L, Noise.of(0, asked.ids, k)).float()
            hats.append(color.to_bytes(color.decode(asked.L, ab)))
        scores = score_draws(hats, true)
        found[name] = np.stack([scores[part].double().numpy() for part in (*PARTS, "energy", "flat", "flat_true")])
    return found


def resampled(rows: dict[str, np.ndarray], times: int = 1000) -> dict[str, tuple[float, np.ndarray]]:
    """{row: place, and what it is in resamples of the scenes}."""
    count = rows["gray"].shape[1]
    weights = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=times) / count
    ends = ("gray", "neighbors", "law")
    means = {name: x.mean(1) for name, x in rows.items()}
    spread = {name: x @ weights.T for name, x in rows.items()}
    return {
        name: (
            float(place(means[name], *(means[end] for end in ends))),
            place(spread[name], *(spread[end] for end in ends)),
        )
        for name in rows
    }


def certain(places: dict[str, tuple[float, np.ndarray]], above: str, below: str) -> float:
    """Share of resamples in which the first stands above the second: the power of the comparison."""
    return float((places[above][1] > places[below][1]).mean())


def judged(places: dict[str, tuple[float, np.ndarray]], power: float) -> None:
    assert places["law"][0] == pytest.approx(1.0)
    assert places["neighbors"][0] == pytest.approx(0.0)
    for above, below in itertools.pairwise(ORDER):
        assert certain(places, above, below) >= power, (above, below)
    for name in BELOW_THE_LAW:
        assert certain(places, "law", name) >= power, name
        assert certain(places, name, "marginal") >= power, name


def test_the_order_of_the_oracles_and_of_the_samplers_that_learn_nothing() -> None:
    """Each neighbor in this order with a power of 0.95 or more, at 24 scenes and 4 draws."""
    judged(resampled(scored(24, 300, 4)), 0.95)


def test_confetti_and_patchwork_stand_above_gray_by_energy_and_an_alarm_rings_for_each() -> None:
    rows = scored(24, 300, 4)
    energy, variation = ({}, {})
    for name, x in rows.items():
        energy[name], variation[name] = x[2].mean(), x[3].sum() / x[4].sum()
    for name in ("confetti", "patchwork"):
        assert energy[name] < energy["gray"]
        assert "patchwork or confetti" in alarm(variation[name])
    assert not alarm(variation["law"])
    assert "gray or sepia" in alarm(variation["gray"])


def test_subtle_faults_are_not_for_place() -> None:
    """Their scores (rare, TV joint, calibration) are tested in test_law.py; place hardly moves."""
    places = resampled(scored(24, 300, 4))
    for name in SUBTLE:
        assert places[name][0] > 0.85, name


@pytest.mark.slow
@pytest.mark.timeout(1800)  # two minutes of one quiet core
def test_the_order_at_the_size_of_a_table() -> None:
    places = resampled(scored(150, 4000, 8))
    judged(places, 0.99)
    for name in SUBTLE:
        assert abs(places[name][0] - 1) < 0.05, name
    for above, below in (("law through 1/4", "patchwork"), ("patchwork", "pixels"), ("pixels", "neighbors")):
        assert certain(places, above, below) >= 0.99, (above, below)


def test_place_is_linear_between_its_ends() -> None:
    gray, zero, law = (np.array(x) for x in ((30.0, 16.0), (16.0, 3.5), (12.0, 0.6)))
    assert place((zero + law) / 2, gray, zero, law) == pytest.approx(0.5)
    assert place(gray, gray, zero, law) < -3


def test_confetti_pleases_the_energy_of_pixels_and_not_the_joint_score():
    """Truths of two halves, each of one color that a law draws: a forecast by that law, and one with every pixel drawn
    by itself."""
    generator = torch.Generator().manual_seed(0)
    halves = (40 * torch.randn(5, 64, 2, 1, 2, generator=generator)).repeat_interleave(12, dim=4)
    truth, *draws = halves.expand(-1, -1, -1, 24, -1)
    confetti = 40 * torch.randn(4, 64, 2, 24, 24, generator=generator)
    gray = whole(torch.zeros(1, 64, 2, 24, 24), truth)
    scores = {name: whole(x, truth) for name, x in {"coherent": torch.stack(draws), "confetti": confetti}.items()}
    assert scores["confetti"]["energy"] == pytest.approx(scores["coherent"]["energy"], rel=0.05)
    one, other = (joint([s[part] for part in PARTS], [gray[part] for part in PARTS]) for s in scores.values())
    assert other > 1.3 * one
    assert joint([1.0, 2.0], [1.0, 2.0]) == 1.0


def whole(draws, truth) -> dict[str, float]:
    """Means over pictures."""
    found = {**energy_scores(draws, truth), "variogram": variogram_score(draws, truth)}
    return {name: float(value.mean()) for name, value in found.items()}
