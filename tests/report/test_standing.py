"""Several runs on scenes, placed between gray and the law by one command."""

import json

import pytest

from colorbench.commands.law import main
from colorbench.errors import UserError

TINY = [
    "data=scenes",
    "data.size=32",
    "data.source.train=16",
    "data.source.val=8",
    "data.source.test=12",
    "batch_size=8",
    "budget.images=16",
    "monitor.images=4",
    "monitor.previews=2",
    "protocol.draws=2",
    "metrics=fast",
    "device=cpu",
]


def test_runs_on_scenes_share_one_table_and_one_picture_the_nearest_to_the_law_first(cli, tmp_path, capsys):
    trained = cli("-m", "model=mean,oracle", *TINY, f"data.cache={tmp_path / 'cache'}", f"output={tmp_path / 'out'}")
    assert trained.returncode == 0, trained.stderr
    runs = sorted(str(path.parent) for path in (tmp_path / "out" / "default").glob("*/config.yaml"))
    main([*runs, "--to", str(tmp_path / "law"), "--device", "cpu"])
    rows = [line.split("|")[1:4] for line in (tmp_path / "law" / "table.md").read_text().splitlines()[2:]]
    places = {row[0].strip().removesuffix(" (!)"): row[2].split()[0] for row in rows if len(row) > 2}
    learned_nothing = ["gray", "confetti", "marginal", "neighbors"]
    assert [*places] == [*learned_nothing, "mean", "oracle", "conditional mean", "oracle sampler"]
    assert [places[name] for name in ("neighbors", "oracle", "oracle sampler")] == ["0", "100", "100"]
    said = capsys.readouterr().out
    assert said.index("place of oracle: 100 %") < said.index("place of mean: ")
    assert {file.name for file in (tmp_path / "law").iterdir()} == {"table.md", "law.png", "calibration.png"}


def test_a_run_is_drawn_from_in_another_way_and_its_own_picture_stays(cli, tmp_path, capsys):
    small = ["model.network.encoder.widths=[8,8,8]", "model.network.widths=[8,8,8]"]
    trained = cli("model=bins", *small, *TINY, f"data.cache={tmp_path / 'cache'}", f"output={tmp_path / 'out'}")
    assert trained.returncode == 0, trained.stderr
    (run,) = (path.parent for path in (tmp_path / "out" / "default").glob("*/config.yaml"))
    (run / "law.png").write_text("of its own draws")
    main([str(run), "--set", "model.decode=sample", "--device", "cpu"])
    assert "place of bins: " in capsys.readouterr().out
    assert (run / "law.png").read_text() == "of its own draws"
    assert (tmp_path / "out" / "law" / "law.png").is_file()
    (again,) = run.glob("eval-drawing-*/*/law.json")
    record = json.loads((again.parent / "record.json").read_text())
    assert record["drawn_from"] == run.name != record["run"]  # one training: its deviation does not part the two


def test_an_oracle_is_not_drawn_from_in_another_way():
    with pytest.raises(UserError, match="an oracle draws from the law"):
        main(["--oracles", "--set", "sampler.steps=2"])


def test_runs_under_unlike_protocols_are_refused_by_name(cli, tmp_path):
    common = [*TINY, f"data.cache={tmp_path / 'cache'}", f"output={tmp_path / 'out'}", "model=gray"]
    assert cli(*common).returncode == 0
    assert cli(*common, "protocol.draws=3", "seed=1").returncode == 0
    runs = sorted(str(path.parent) for path in (tmp_path / "out" / "default").glob("*/config.yaml"))
    with pytest.raises(UserError, match="unlike protocols"):
        main([*runs, "--device", "cpu"])
