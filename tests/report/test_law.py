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
from colorbench.report.law.pictures import draw_calibration
from colorbench.report.law.standing import place, way
from colorbench.report.law.table import HEADS, markdown
from colorbench.report.law.words import sentence

PROTOCOL = Protocol("test", "test", 50, 64, 4, 0, "0", ())


def evaluation(energy, psnr=20.0, draws=4, flat=1.0):
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.5, 50)
    scores = {"psnr": np.full((50, draws), psnr) + noise[:, None] + np.arange(draws)}
    over = {ENERGY: energy + noise, "variogram": (energy - 8) / 2 + noise / 10}
    over |= {"flat": np.full(50, flat), "flat_true": np.ones(50)}
    return Evaluation(PROTOCOL, {"draws": draws}, [str(i) for i in range(50)], scores, over, {})


def examined(name, energy, flat=1.0, **changes):
    scores = {**dict.fromkeys(NUMBERS, 0.0), "rare": 1.0, "rare_expected": 40.0, **changes}
    zeros = dict.fromkeys(NUMBERS, 0.01)
    rows = evaluation(energy, flat=flat)
    return Examined(name, rows, LawScores(**scores), zeros, dict.fromkeys(NUMBERS, (0.02, 0.01, 0.03)))


def test_neighbors_stand_at_zero_the_law_at_one_gray_below_and_a_model_between():
    gray, zero, oracle, model = (evaluation(energy) for energy in (29.0, 19.0, 9.0, 14.0))
    ends = (gray, zero, oracle)
    assert place(zero, *ends).center == pytest.approx(0.0)
    assert place(oracle, *ends).center == pytest.approx(1.0)
    assert place(gray, *ends).center < -0.5
    between = place(model, *ends).interval
    assert between.mean == pytest.approx(0.5, abs=0.02)
    assert between.low <= between.mean <= between.high
    assert way(zero, gray, oracle).center == pytest.approx(0.5, abs=0.01)


def test_the_sentence_says_how_far_and_what_is_missing():
    model = examined("unetgan", 14.0, undecided=0.3, rare=0.0, tv_of={"sky": 0.1, "vehicle": 0.8})
    ends = [evaluation(energy) for energy in (29.0, 19.0, 9.0)]
    stands, ideal = (place(rows, *ends) for rows in (model.rows, evaluation(11.5)))
    words = sentence(model, stands, ideal)
    for piece in ("place of unetgan: 50 %", "neighbors", "stands at 75 %", "sky", "not for vehicle", "30 %", "never"):
        assert piece in words
    assert "ALARM" not in words


@pytest.mark.parametrize(("flat", "meaning"), [(2.6, "patchwork or confetti"), (0.1, "gray or sepia")])
def test_an_alarm_of_flat_variation_stands_in_the_sentence_and_beside_the_name(flat, meaning):
    model, ends = examined("ddim", 10.0, flat=flat), [evaluation(energy) for energy in (29.0, 19.0, 9.0)]
    stands = place(model.rows, *ends)
    assert f"ALARM, flat variation {flat:.2f}, expected 0.4 to 1.5: " in sentence(model, stands, stands)
    assert meaning in sentence(model, stands, stands)
    assert "| ddim (!) |" in markdown([model])


def test_the_table_has_every_score_of_every_row():
    table = markdown([examined("gray", 29.0), examined("oracle sampler", 9.0)], (ENERGY,))
    lines = table.splitlines()
    assert len(lines) == 6
    assert all(head in lines[0] for head in HEADS.values())
    assert len({line.count("|") for line in lines[:4]}) == 1
    assert "oracle sampler" in lines[3]


def test_photographs_have_no_known_law():
    with pytest.raises(UserError, match="needs a run on data=scenes"):
        world_of(SimpleNamespace(name="folder", source=object()))


def test_a_command_without_runs_says_what_it_needs():
    with pytest.raises(UserError, match="--oracles"):
        main([])


def test_the_calibration_picture_shows_the_law_as_the_diagonal_and_each_system_as_its_curve(tmp_path, monkeypatch):
    from matplotlib import pyplot as plt

    curve = ((0.1, 0.3, 5.0), (0.8, 0.6, 9.0))
    drawn = []
    monkeypatch.setattr(plt, "close", drawn.append)
    draw_calibration([examined("unet", 14.0, curve=curve)], tmp_path / "calibration.png")
    monkeypatch.undo()
    law, system = drawn[0].axes[0].lines
    plt.close(drawn[0])
    assert (law.get_label(), system.get_label()) == ("the law", "unet")
    assert law.get_xydata().tolist() == [[0.0, 0.0], [1.0, 1.0]]
    assert system.get_xydata().tolist() == [[0.1, 0.3], [0.8, 0.6]]
    assert (tmp_path / "calibration.png").stat().st_size > 1000
