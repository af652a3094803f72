"""Pictures under labels."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from colorbench.report.gallery import draw_columns


def test_a_long_label_stays_over_its_own_column(tmp_path: Path) -> None:
    pictures = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    labels = [f"autoregressive, draw {k}" for k in (1, 2, 3)]
    file = draw_columns(dict.fromkeys(labels, pictures), tmp_path / "columns.png", across=1)
    head = np.asarray(Image.open(file).convert("L"))[:24]
    for column in range(1, 3):
        gap = 6 + column * (128 + 6)
        assert head[:, gap - 6 : gap].min() == 255
    assert head.min() < 100
