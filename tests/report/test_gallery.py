"""Pictures under labels; best and worst pictures of a run, and maps of their errors."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from colorbench.commands.gallery import main
from colorbench.errors import UserError
from colorbench.evaluation.rows import Evaluation
from colorbench.report.extremes import MOST, error_map
from colorbench.report.gallery import draw_columns
from colorbench.runs import config
from colorbench.training.train import train


def test_the_extremes_of_all_test_pictures_are_drawn_with_their_errors(overrides, tmp_path, capsys):
    words = overrides("metrics=fast", "protocol.gallery=0", "budget.images=16")
    run = train(config.compose(words), model="unetgan", experiment="default", overrides=words).path
    rows = Evaluation.read(next(run.glob("eval/*")))
    main([str(run), "--by", "psnr", "--count", "2", "-o", str(tmp_path / "out"), "--device", "cpu"])
    names = {file.name for file in (tmp_path / "out").iterdir()}
    order = np.argsort(-rows.scores["psnr"][:, 0], kind="stable")
    ends = {f"error-{rows.names[i].rpartition('.')[0]}.png" for i in (*order[:2], *order[-2:])}
    assert names == {"best-psnr.png", "worst-psnr.png", *ends}
    errors = [
        np.asarray(Image.open(tmp_path / "out" / f"error-{rows.names[i].rpartition('.')[0]}.png"))
        for i in order[[0, -1]]
    ]
    assert errors[0].mean() < errors[1].mean()
    with pytest.raises(UserError, match="no such column"):
        main([str(run), "--by", "psnrr"])


def test_an_error_map_is_black_where_nothing_errs():
    true = torch.full((1, 3, 4, 4), 128, dtype=torch.uint8)
    wrong = true.clone()
    wrong[:, 0, 0, 0] = 255
    found = error_map(wrong, true)
    assert not found[:, :, 1:].any()
    assert found[0, 0, 0, 0] == 255 * min(1.0, 40 / MOST)


def test_a_long_label_stays_over_its_own_column(tmp_path: Path) -> None:
    pictures = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    labels = [f"autoregressive, draw {k}" for k in (1, 2, 3)]
    file = draw_columns(dict.fromkeys(labels, pictures), tmp_path / "columns.png", across=1)
    head = np.asarray(Image.open(file).convert("L"))[:24]
    for column in range(1, 3):
        gap = 6 + column * (128 + 6)
        assert head[:, gap - 6 : gap].min() == 255
    assert head.min() < 100
