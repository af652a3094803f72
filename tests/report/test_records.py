"""Records: what is claimed follows from retrainings under seeds that nobody chose, and chance rarely makes a claim."""

import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from colorbench.api import train
from colorbench.commands.records import main
from colorbench.errors import UserError
from colorbench.report.records import Claim, Recipe, Retraining, Track, check, faster, read, sigma, unlike
from colorbench.runs.config import compose

RECORDS = Path(__file__).resolve().parents[2] / "experiments/07_records"
TRACK = Track(("data=scenes",), -0.5, 0.05, 0.1, 4)
RECIPE = Recipe("small", "a small network", ("model=gan", "budget.images=16"))


def retrainings(places, recipe=RECIPE, seconds=100.0):
    seeds = recipe.seeds(len(places))
    return [
        Retraining(seed, float(x), seconds + i, 16, "a core")
        for i, (seed, x) in enumerate(zip(seeds, places, strict=True))
    ]


def test_a_recipe_that_just_reaches_the_place_is_called_a_record_as_seldom_as_the_track_says():
    """Also where sigma comes from four retrainings only, whose own chance a z-test would leave out (it says 10 %)."""
    rng = np.random.default_rng(0)
    shown = 0
    for _ in range(2000):
        track = replace(TRACK, sigma=float(rng.normal(0, 0.1, 4).std(ddof=1)))
        shown += Claim(RECIPE, track, tuple(retrainings(rng.normal(-0.5, 0.1, 3)))).shown
    assert 0.035 < shown / 2000 < 0.065


def test_more_retrainings_show_a_smaller_lead():
    rng = np.random.default_rng(1)
    track = replace(TRACK, sigma=0.1, retrainings=20)

    def power(n):
        return np.mean([Claim(RECIPE, track, tuple(retrainings(rng.normal(-0.4, 0.1, n)))).shown for _ in range(300)])

    assert power(2) < 0.6
    assert power(8) > 0.75
    assert not Claim(RECIPE, track, tuple(retrainings(rng.normal(-0.7, 0.1, 8)))).shown


def test_sigma_is_the_spread_over_retrainings_and_says_how_well_it_is_known():
    found = [sigma(retrainings(np.random.default_rng(i).normal(0, 0.2, 20))) for i in range(200)]
    values, errors = np.array(found).T
    assert values.mean() == pytest.approx(0.2, rel=0.05)
    assert errors.mean() == pytest.approx(values.std(), rel=0.2)
    with pytest.raises(UserError, match="two retrainings"):
        sigma(retrainings([0.1]))


def test_seeds_belong_to_the_words_and_all_of_them_count():
    other = replace(RECIPE, words=(*RECIPE.words, "optim.lr=1e-3"))
    assert replace(RECIPE, said="words of the table", name="x").seeds(3) == RECIPE.seeds(4)[:3]
    assert not {*RECIPE.seeds(20)} & {*other.seeds(20)}
    runs = retrainings([0.1, 0.2, 0.3])
    assert check(RECIPE, TRACK, runs[::-1]).mean == pytest.approx(0.2)
    chosen = replace(runs[0], seed=7)
    for wrong in ([runs[0], runs[2]], [runs[0], runs[0], runs[1]], [chosen, *runs[1:]]):
        with pytest.raises(UserError, match="all of them count"):
            check(RECIPE, TRACK, wrong)


def test_what_was_a_default_then_is_trained_with_and_changes_no_seed(tmp_path):
    words = "# a line of the table\nmodel=energy\nbudget.images=3000\n"
    (tmp_path / "then.txt").write_text(words)
    (tmp_path / "now.txt").write_text(words + "# since then energy counts more\nmodel.weights.gap=3\n")
    then, now = (Recipe.read(tmp_path / f"{name}.txt") for name in ("then", "now"))
    assert now.seeds(3) == then.seeds(3)
    assert now.said == then.said == "a line of the table"
    assert now.command(TRACK, 1, "x")[:3] == ["model=energy", "budget.images=3000", "model.weights.gap=3"]


def test_a_run_from_before_a_key_is_one_of_the_recipe_and_one_of_another_value_is_not():
    words, since = ["model=energy", "model.enlarge=guided"], ["model.enlarge"]
    asked, older, other = compose(words), compose(words), compose([*words[:1], "model.enlarge=learned"])
    del older["model"]["enlarge"]
    assert unlike(asked, older, since) is None
    assert "model.enlarge is None" in str(unlike(asked, older))
    assert "model.enlarge is 'learned'" in str(unlike(asked, other, since))


@pytest.mark.parametrize("recipe", sorted(RECORDS.glob("energy*.txt")), ids=lambda file: file.stem)
def test_a_record_is_trained_by_what_energy_was_when_it_was_made(recipe):
    model = compose(Recipe.read(recipe).command(Track.read(RECORDS / "track.yaml"), 1, "x"))["model"]
    assert model["weights"] == {"pixel": 1, "block": 1, "field": 1, "gap": 3, "flat": 0}
    assert model["enlarge"] == "guided"


def test_retrainings_stop_together_and_on_one_processor():
    runs = retrainings([0.1, 0.2])
    with pytest.raises(UserError, match="unlike images: 12, 16"):
        check(RECIPE, TRACK, [runs[0], replace(runs[1], images=12)])
    with pytest.raises(UserError, match="unlike processors"):
        check(RECIPE, TRACK, [runs[0], replace(runs[1], processor="another")])


def test_faster_is_faster_than_chance_and_on_the_same_processor():
    record, claim = (Claim(RECIPE, TRACK, tuple(retrainings([0] * 4, seconds=s))) for s in (100.0, 80.0))
    assert faster(claim, record) < 0.001
    assert faster(record, claim) > 0.99
    assert faster(record, record) == pytest.approx(0.5)
    elsewhere = replace(record, runs=tuple(replace(run, processor="another") for run in record.runs))
    with pytest.raises(UserError, match="a core; another"):
        faster(claim, elsewhere)


def test_the_row_says_seconds_images_place_and_evidence():
    row = Claim(RECIPE, replace(TRACK, sigma=0.1, retrainings=20), tuple(retrainings([-0.1, -0.1]))).row()
    assert row.startswith("| 100 (100 to 101) | 16 | -10.0 (n=2, p=")
    assert "✓ | a small network | [small](small.txt) | a core |" in row


@pytest.mark.parametrize(
    ("text", "words"),
    [("place: 0", "not a track.*'words'"), ("[1", "not a track"), (None, "not a track.*FileNotFound")],
)
def test_a_damaged_track_is_one_line(tmp_path, text, words):
    file = tmp_path / "track.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UserError, match=words):
        Track.read(file)


def test_before_sigma_is_measured_nothing_is_claimed(tmp_path):
    file = tmp_path / "track.yaml"
    file.write_text("words: [data=scenes]\nplace: -0.5\nsignificance: 0.001\nsigma: null\nretrainings: 0\n")
    with pytest.raises(UserError, match="sigma is not measured"):
        Claim(RECIPE, Track.read(file), tuple(retrainings([0.5]))).row()


def test_a_run_of_other_words_is_told_by_its_key():
    from colorbench.runs.config import compose

    asked = compose(["data=scenes", "model=unet", "protocol.limit=150"])
    assert unlike(asked, compose(["data=scenes", "model=unet", "protocol.limit=150", "logger=[none]"])) is None
    for word, key in (
        ("optim.lr=0.5", "optim.lr"),
        ("protocol.limit=9", "protocol.limit"),
        ("data.level=hard", "data"),
    ):
        other = compose(["data=scenes", "model=unet", "protocol.limit=150", word])
        assert unlike(asked, other).startswith(key)


TINY = """\
# a tiny network
model=gan
model.generator.width=8
data.cache={cache}
data.source.train=16
data.source.val=8
data.source.test=12
batch_size=8
budget.images=16
monitor.images=4
monitor.previews=2
"""


def test_planned_commands_train_what_is_then_judged(tmp_path, capsys):
    file = tmp_path / "small.txt"
    file.write_text(TINY.format(cache=tmp_path / "cache"))
    words = "[data=scenes, data.size=32, protocol.draws=2, metrics=fast, device=cpu, precision=fp32, evaluate=false]"
    track = tmp_path / "track.yaml"
    track.write_text(f"words: {words}\nplace: -1000\nsignificance: 0.01\nsigma: 0.1\nretrainings: 20\n")
    main(["--recipe", str(file), "--plan", "2", "--output", str(tmp_path / "out")])
    lines = capsys.readouterr().out.splitlines()
    for line in lines:
        program, *words = shlex.split(line)
        assert program == "colorbench"
        train(*words)
    capsys.readouterr()
    runs = sorted(str(path.parent) for path in (tmp_path / "out" / "small").glob("*/config.yaml"))
    assert len(runs) == 2
    assert main([*runs, "--recipe", str(file)]) == 0
    said = capsys.readouterr().out
    assert "| 16 | " in said
    assert "(n=2, p=" in said
    track.write_text(track.read_text().replace("-1000", "0.99"))
    assert main([*runs, "--recipe", str(file)]) == 1
    file.write_text(file.read_text() + "optim.lr=0.5\n")
    with pytest.raises(UserError, match=r"not a run of small: optim\.lr is"):
        main([*runs, "--recipe", str(file)])


def test_a_run_that_was_interrupted_does_not_count(tmp_path, monkeypatch):
    from types import SimpleNamespace

    from colorbench.report import records
    from colorbench.runs.config import compose

    config = compose(RECIPE.command(TRACK, 3, "out"))
    status = {"state": "finished", "processor_seconds": None, "images_seen": 16, "ended_by": "budget"}
    monkeypatch.setattr(records, "open_run", lambda path: SimpleNamespace(config=config, status=status))
    with pytest.raises(UserError, match="interrupted"):
        read([tmp_path], RECIPE, TRACK, device=torch.device("cpu"))
    status |= {"processor_seconds": 5.0, "ended_by": "early stopping"}
    with pytest.raises(UserError, match="ended early"):
        read([tmp_path], RECIPE, TRACK, device=torch.device("cpu"))
    status |= {"state": "running"}
    with pytest.raises(UserError, match="running; finish it"):
        read([tmp_path], RECIPE, TRACK, device=torch.device("cpu"))
