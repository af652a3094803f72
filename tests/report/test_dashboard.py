"""The W&B report and the table's run are read back from disk; no account, no network."""

import csv
import io
import json
from pathlib import Path

import pytest
import yaml

from colorbench.commands.dashboard import main
from colorbench.errors import UserError
from colorbench.evaluation.baselines import evaluate_baselines
from colorbench.report.sheet import sheets
from colorbench.report.table import csv_text

pytest.importorskip("wandb_workspaces", reason="pip install 'colorbench[sweeps]'")


@pytest.fixture
def study(judge, make_plan, data, cpu, tmp_path: Path, monkeypatch) -> Path:
    """Two models, two seeds each, in one study; nobody is logged in."""
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "WANDB_CONFIG_DIR", "WANDB_CACHE_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    evaluate_baselines(data, make_plan(), output=tmp_path, device=cpu, names=("gray",))
    for name, factor in (("good", 0.8), ("poor", 0.3)):
        for seed in (0, 1):
            judge(tmp_path, name, factor, seed=seed)
            run = tmp_path / "default" / f"{name}-{seed}"
            config = {"run": {"model": name}, "seed": seed, "optim": {"lr": 1e-3}, "output": "o"}
            (run / "config.yaml").write_text(yaml.safe_dump(config))
            (run / "status.json").write_text(json.dumps({"state": "finished"}))
    return tmp_path / "default"


def test_without_a_key_the_report_is_a_file_and_the_table_an_offline_run(study: Path, capsys) -> None:
    main([str(study), "--project", "p"])
    out = capsys.readouterr().out
    assert "wandb sync" in out

    report = json.loads((study / "dashboard.json").read_text())
    assert report["displayName"] == "colorbench: default"
    text = json.dumps(report)
    assert "Protocol" in text
    assert "| good" in text
    grids = [b["metadata"] for b in report["spec"]["blocks"] if b["type"] == "panel-grid"]
    runs = grids[0]["runSets"][0]
    assert {"section": "run", "name": "group"} in [f["key"] for f in runs["filters"]["filters"]]
    assert runs["grouping"] == [{"section": "config", "name": "run.value.model"}]  # seeds are one line
    axes = {panel["config"]["xAxis"] for panel in grids[0]["panelBankSectionConfig"]["panels"]}
    assert axes == {"images_seen"}

    (file,) = study.glob("wandb/offline-run-*/files/media/table/results_*.table.json")
    table = json.loads(file.read_text())
    heads, *lines = csv.reader(io.StringIO(csv_text(sheets([study])[0])))
    assert table["columns"] == heads
    assert [row[1] for row in table["data"]] == [line[1] for line in lines] == ["gray", "good", "poor"]
    at = heads.index("psnr")
    assert [row[at] for row in table["data"]] == [float(line[at]) for line in lines]


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no runs here"):
        main([str(tmp_path)])
