"""Starting from another run's weights."""

from pathlib import Path

import torch
import yaml

from colorbench.engine.checkpoint import Checkpoints
from colorbench.families.mean import Mean
from colorbench.training.train import _warm_start


def test_a_warm_start_takes_the_averaged_weights_which_the_runs_pictures_were_made_with(tmp_path: Path) -> None:
    config = {"model": {"family": "mean"}, "run": {"model": "mean"}, "engine": {"patience": None}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    raw, average = torch.tensor([0.1, 0.2]), torch.tensor([0.3, 0.4])
    Checkpoints(tmp_path / "checkpoints").save(8, {"ab": raw}, {"ab": average}, {"images": 8})
    family = Mean()
    _warm_start(family, str(tmp_path))
    assert torch.equal(family.ab, average)
