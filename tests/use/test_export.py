"""Files for other runtimes answer like PyTorch."""

import numpy as np
import pytest
import torch
from torch import nn

from colorbench.colorizer import Colorizer
from colorbench.errors import UserError
from colorbench.export import export, fused, main

from .conftest import REGRESSION, colorful


def _lightness(count=8):
    small = torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return nn.functional.interpolate(small, (16, 16), mode="bicubic").clamp(-1, 1)


def test_fused_normalizations_change_nothing_and_are_gone():
    family = colorful(REGRESSION)
    for module in family.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.5, 2)
    quick = fused(family)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in quick.modules())
    assert any(isinstance(m, nn.BatchNorm2d) for m in family.modules())
    L = _lightness()
    with torch.no_grad():
        assert torch.allclose(quick.network(L), family.network(L), atol=1e-5)


@pytest.mark.parametrize("kind", ["onnx", "onnx-int8", "torch-export"])
def test_other_batches_and_sizes_than_the_traced_ones_agree(kind, models, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    model = Colorizer.from_pretrained(models("regression"), device="cpu")
    file = tmp_path / ("a.pt2" if kind == "torch-export" else "a.onnx")
    found = export(model, kind, file, _lightness())
    assert file.stat().st_size == found["bytes"]
    assert found["max_difference"] < (0.2 if kind == "onnx-int8" else 1e-5)
    assert found["ciede2000_mean"] < (5.0 if kind == "onnx-int8" else 1e-3)
    assert (tmp_path / f"{file.name}.json").is_file()
    assert np.isfinite(found["milliseconds"])


def test_what_cannot_be_exported_is_refused(models, tmp_path):
    for name in ("vae", "retrieval"):
        with pytest.raises(UserError, match="can be exported"):
            main([str(models(name)), "-o", str(tmp_path / "x.onnx")])
    with pytest.raises(UserError, match="--pictures"):
        main([str(models("regression")), "--format", "onnx-int8"])
