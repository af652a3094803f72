"""The pictures of a plan, as another program gets them."""

import numpy as np
import torch
from PIL import Image

from colorbench.evaluation.submission import export


def test_a_plans_pictures_are_written_in_color_and_in_gray_by_name(make_plan, data, tmp_path):
    export(make_plan(), tmp_path)
    names = {f"{name.rsplit('.', 1)[0]}.png" for name in data.test.names}
    for kind in ("truth", "gray"):
        assert {str(file.relative_to(tmp_path / kind)) for file in (tmp_path / kind).rglob("*.png")} == names
    first = f"{data.test.names[0].rsplit('.', 1)[0]}.png"
    truth = torch.from_numpy(np.array(Image.open(tmp_path / "truth" / first))).permute(2, 0, 1)
    assert torch.equal(truth, data.test.pixels[0])
    gray = np.array(Image.open(tmp_path / "gray" / first)).astype(int)
    assert abs(gray - gray[..., :1]).max() <= 1
