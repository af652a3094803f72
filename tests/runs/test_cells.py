"""An experiment lists its cells: each is what its words are, typed by hand."""

import pytest
import yaml

from colorbench.commands.train import main
from colorbench.errors import UserError
from colorbench.runs import cells, config

FOLDERS = [config.conf_dir()]
FAMILIES = cells.listed(["experiment=families"], FOLDERS)


@pytest.fixture
def own(tmp_path):
    """A folder of people's own yaml, with an experiment of two cells."""
    file = tmp_path / "conf" / "experiment" / "mine.yaml"
    file.parent.mkdir(parents=True)
    listed = {"small": "model=unet batch_size=8", "large": "model=unet batch_size=16 seed=3"}
    file.write_text("# @package _global_\n" + yaml.safe_dump({"cells": listed}))
    return tmp_path / "conf"


@pytest.mark.parametrize("name", FAMILIES)
def test_a_cell_is_what_its_words_are_typed_by_hand(name):
    here = config.compose(["experiment=families", f"cell={name}", "budget.images=7"])
    assert here == config.compose(["experiment=families", *FAMILIES[name].split(), "budget.images=7"])
    assert not {"cell", "cells"} & set(here)
    assert config.choices(["experiment=families", f"cell={name}"])["model"] == name


def test_a_sweep_runs_over_every_cell_unless_some_are_chosen():
    words = ["experiment=families", "seed=0,1"]
    assert cells.swept(words, FOLDERS) == [*words, f"cell={','.join(FAMILIES)}"]
    assert cells.swept([*words, "cell=unet,gan"], FOLDERS) == [*words, "cell=unet,gan"]
    assert cells.swept(["experiment=smoke"], FOLDERS) == ["experiment=smoke"]


def test_what_is_typed_beside_a_cell_comes_after_its_words(own):
    words = ["experiment=mine", "cell=large", "seed=5"]
    assert cells.expanded(words, [own]) == ["model=unet", "batch_size=16", "seed=3", "experiment=mine", "seed=5"]
    assert config.compose(words, [str(own)])["seed"] == 5
    assert cells.expanded(["experiment=mine", "cell=small,large"], [own])[1] == "cell=small,large"


def test_a_cell_nobody_lists_is_named_with_those_there_are(own):
    with pytest.raises(UserError, match=r"cell=smal: this experiment lists no such cell; did you mean 'small'"):
        cells.expanded(["experiment=mine", "cell=smal"], [own])
    (own / "experiment" / "mine.yaml").write_text("cells: [model=unet]\n")
    with pytest.raises(UserError, match=r"mine\.yaml: cells: expected \{NAME: words"):
        cells.listed(["experiment=mine"], [own])


def test_an_experiment_of_cells_alone_is_no_run(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["experiment=families"])
    assert stop.value.code == 2
    assert "add -m, or choose one: cell=" in capsys.readouterr().err


@pytest.mark.slow
def test_a_sweep_of_cells_leaves_the_runs_of_their_words(cli, overrides, own, tmp_path):
    cells_ = {"one": "seed=1", "other": "seed=3 optim.lr=0.0005"}
    (own / "experiment" / "mine.yaml").write_text("# @package _global_\n" + yaml.safe_dump({"cells": cells_}))
    words = overrides("experiment=mine", "budget.images=16", "evaluate=false")
    found = cli("-m", "--config-dir", str(own), *words)
    assert found.returncode == 0, found.stderr
    files = sorted((tmp_path / "outputs").rglob("config.yaml"))
    read = [yaml.safe_load(file.read_text()) for file in files if (file.parent / "status.json").is_file()]
    assert sorted((c["seed"], c["optim"]["lr"] == 0.0005) for c in read) == [(1, False), (3, True)]
