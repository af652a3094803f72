"""Starting from another run's weights."""

import json
from pathlib import Path

import torch
import yaml

from colorbench.engine.checkpoint import Checkpoints
from colorbench.families.mean import Mean
from colorbench.training.train import _warm_start, spent_before


def test_a_warm_start_takes_the_averaged_weights_which_the_runs_pictures_were_made_with(tmp_path: Path) -> None:
    config = {"model": {"family": "mean"}, "run": {"model": "mean"}, "engine": {"patience": None}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    raw, average = torch.tensor([0.1, 0.2]), torch.tensor([0.3, 0.4])
    Checkpoints(tmp_path / "checkpoints").save(8, {"ab": raw}, {"ab": average}, {"images": 8})
    family = Mean()
    _warm_start(family, str(tmp_path))
    assert torch.equal(family.ab, average)


def test_what_a_run_starts_from_is_counted_with_all_that_it_started_from(tmp_path: Path) -> None:
    config = {"model": {"family": "mean"}, "run": {"model": "mean"}, "engine": {"patience": None}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    status = {"images_seen": 100, "seconds": 5.0, "flops": 2.0, "before": {"images_seen": 50, "seconds": 1.0}}
    (tmp_path / "status.json").write_text(json.dumps(status))
    costs = spent_before(str(tmp_path))["before"]
    assert costs == {"images_seen": 150, "seconds": 6.0, "operations": 200.0}
    assert spent_before(None) == {}
    assert spent_before("starter") == {}
