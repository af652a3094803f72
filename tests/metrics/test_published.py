"""A trunk is torchvision's when its hash begins as torchvision's file name ends."""

import pytest

from colorbench.metrics import perceptual


@pytest.mark.parametrize(
    ("digest", "name"), [("7be5be79" + 56 * "0", "lpips_alex"), ("12345678" + 56 * "0", "lpips_alex(mine)")]
)
def test_lpips_has_its_published_name_only_on_torchvisions_own_weights(digest, name, monkeypatch, tmp_path):
    file = tmp_path / "weights.pth"
    file.write_bytes(b"")
    monkeypatch.setattr(perceptual, "file_digest", lambda path: digest)
    metric = perceptual.LPIPS(net="alex", weights=str(file), label="mine")
    assert metric.name == name
    assert metric.weights == f"{name} sha256:{digest[:16]}"
