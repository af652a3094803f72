"""The command that places a model between gray and the oracle."""

from types import SimpleNamespace

import numpy as np
import pytest

from colorbench.commands.law import main
from colorbench.data.scenes.reading import NUMBERS, LawScores
from colorbench.errors import UserError
from colorbench.evaluation.law import ENERGY, Examined, world_of
from colorbench.evaluation.protocol import Protocol
from colorbench.evaluation.rows import Evaluation
from colorbench.report import law

PROTOCOL = Protocol("test", "test", 50, 64, 4, 0, "0", ())


def evaluation(energy, psnr=20.0, draws=4):
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.5, 50)
    scores = {"psnr": np.full((50, draws), psnr) + noise[:, None] + np.arange(draws)}
    return Evaluation(PROTOCOL, {"draws": draws}, [str(i) for i in range(50)], scores, {ENERGY: energy + noise}, {})


def examined(name, energy, **changes):
    scores = {**dict.fromkeys(NUMBERS, 0.0), "rare": 1.0, "rare_expected": 40.0, **changes}
    zeros = dict.fromkeys(NUMBERS, 0.01)
    return Examined(name, evaluation(energy), LawScores(**scores), zeros, dict.fromkeys(NUMBERS, (0.02, 0.01, 0.03)))


def test_gray_stands_at_zero_the_oracle_at_one_and_a_model_between():
    gray, oracle, model = evaluation(29.0), evaluation(9.0), evaluation(19.0)
    assert law.place(gray, gray, oracle).center == pytest.approx(0.0)
    assert law.place(oracle, gray, oracle).center == pytest.approx(1.0)
    between = law.place(model, gray, oracle).interval
    assert between.mean == pytest.approx(0.5, abs=0.01)
    assert between.low <= between.mean <= between.high


def test_the_sentence_says_how_far_and_what_is_missing():
    model = examined("unetgan", 19.0, undecided=0.3, rare=0.0, tv_of={"sky": 0.1, "vehicle": 0.8})
    words = law.sentence(model, examined("gray", 29.0), [examined("sampler", 9.0), examined("mean", 14.0)])
    for piece in ("unetgan goes 50 %", "would reach 75 %", "sky", "not for vehicle", "30 % of the objects", "never"):
        assert piece in words


def test_the_table_has_every_score_of_every_row():
    table = law.markdown([examined("gray", 29.0), examined("oracle sampler", 9.0)], (ENERGY,))
    lines = table.splitlines()
    assert len(lines) == 4
    assert all(head in lines[0] for head in law.HEADS.values())
    assert len({line.count("|") for line in lines}) == 1
    assert "oracle sampler" in lines[3]


def test_the_reachable_optimum_is_the_best_oracle_in_the_metric_s_own_direction():
    low, high = examined("sampler", 9.0), examined("mean", 14.0)
    assert law.optimum([low, high], ENERGY, "lower")[0] == "sampler"
    assert law.optimum([low, high], ENERGY, "higher")[0] == "mean"


def test_photographs_have_no_known_law():
    with pytest.raises(UserError, match="needs a run on data=scenes"):
        world_of(SimpleNamespace(name="folder", source=object()))


def test_a_command_without_runs_says_what_it_needs():
    with pytest.raises(UserError, match="--oracles"):
        main([])
