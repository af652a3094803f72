"""Perceptual distances against the lpips package, on the same random trunk."""

from pathlib import Path

import pytest
import torch

from colorbench import color, registry
from colorbench.batch import Batch
from colorbench.errors import UserError
from colorbench.trunks.classifiers import classifier, gray_classifier
from colorbench.trunks.lpips import NETS
from colorbench.trunks.weights import checkpoint_follows

WEIGHTS = Path(__file__).parents[3] / "shared/weights/squeezenet1_1_deepscale_features_tvnorm.safetensors"


def pictures(seed, size=64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("net", ["squeeze", "alex"])
def test_lpips_equals_the_published_code_on_the_same_trunk(net, tmp_path):
    import lpips

    torch.manual_seed(0)
    name, _ = NETS[net]
    trunk = classifier(name, "none")
    torch.save(trunk.state_dict(), tmp_path / "trunk.pth")
    ours = registry.build(
        "distance",
        {
            "distance": "lpips",
            "net": net,
            "weights": str(tmp_path / "trunk.pth"),
            "heads": "published",
        },
    )
    theirs = lpips.LPIPS(net=net, pnet_rand=True, verbose=False).eval()
    values = list(trunk.features.state_dict().values())
    for parameter, value in zip(theirs.net.state_dict().values(), values, strict=True):
        parameter.copy_(value)
    x, y = pictures(0), pictures(1)
    L, ab = color.split(color.bytes_to_lab(x))
    _, ab_hat = color.split(color.bytes_to_lab(y))
    with torch.no_grad():
        expected = theirs(color.decode(L, ab_hat) * 2 - 1, color.decode(L, ab) * 2 - 1).flatten()
        torch.testing.assert_close(ours(L, ab_hat, ab), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "config",
    [
        {"distance": "lpips", "net": "squeeze", "weights": "none", "heads": "published"},
        {"distance": "vgg_feature", "weights": "none"},
    ],
    ids=lambda c: c["distance"],
)
def test_it_is_per_image_has_finite_slopes_at_gray_and_nothing_to_train_or_save(config):
    distance = registry.build("distance", config)
    batch = Batch.of_bytes(pictures(0, 32), torch.arange(2))
    ab_hat = torch.zeros_like(batch.ab).requires_grad_()
    d = distance(batch.L, ab_hat, batch.ab)
    assert d.shape == (2,)
    assert (d > 0).all()
    assert distance(batch.L, batch.ab, batch.ab).abs().max() < 1e-6
    (slope,) = torch.autograd.grad(d.sum(), ab_hat)
    assert slope.isfinite().all()
    assert slope.abs().sum() > 0
    assert not list(distance.parameters())
    assert not distance.state_dict()
    assert not distance.train().slices.training


def test_absent_weights_are_named_with_their_folder(monkeypatch, tmp_path):
    def offline(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(UserError, match=r"put vgg16-397923af\.pth into .*checkpoints.*perceptual=none"):
        registry.build("distance", {"distance": "vgg_feature", "weights": "imagenet"})
    with pytest.raises(UserError, match=r"absent\.pth is not there"):
        registry.build("distance", {"distance": "vgg_feature", "weights": str(tmp_path / "absent.pth")})


def test_a_model_opened_from_a_checkpoint_needs_no_weights_and_never_trains_on_random_ones(tmp_path):
    config = {"distance": "lpips", "net": "squeeze", "weights": str(tmp_path / "absent.pth"), "heads": "published"}
    with checkpoint_follows():
        distance = registry.build("distance", config)
    batch = Batch.of_bytes(pictures(0, 32), torch.arange(2))
    with pytest.raises(UserError, match="without its frozen networks"):
        distance(batch.L, batch.ab, batch.ab)


@pytest.mark.skipif(not WEIGHTS.exists(), reason="the SqueezeNet file is not here")
def test_trained_squeezenet_weights_load_and_see_color():
    distance = registry.build(
        "distance",
        {
            "distance": "lpips",
            "net": "squeeze",
            "weights": str(WEIGHTS),
            "heads": "published",
        },
    )
    batch = Batch.of_bytes(pictures(0), torch.arange(2))
    near, far = (distance(batch.L, batch.ab * k, batch.ab) for k in (0.9, 0.0))
    assert (near < far).all()


@pytest.mark.skipif(not WEIGHTS.exists(), reason="the SqueezeNet file is not here")
def test_a_gray_stem_answers_as_three_equal_channels_do():
    gray = gray_classifier("squeezenet1_1", str(WEIGHTS)).features
    rgb = classifier("squeezenet1_1", str(WEIGHTS)).features
    x = torch.randn(2, 1, 48, 48)
    torch.testing.assert_close(gray(x), rgb(x.expand(-1, 3, -1, -1)), rtol=1e-3, atol=1e-4)


def test_a_file_of_another_network_is_refused(tmp_path):
    torch.save(classifier("squeezenet1_1", "none").state_dict(), tmp_path / "squeeze.pth")
    with pytest.raises(UserError, match="does not hold torchvision's resnet18") as refused:
        classifier("resnet18", str(tmp_path / "squeeze.pth"))
    assert "Missing key(s)" in str(refused.value)
    assert "Unexpected key(s)" not in str(refused.value)  # torch lists both; the first says enough for one line
