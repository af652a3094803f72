"""Augmentation: each picture its own, from its own stream, and every switch does what it says."""

from typing import Any

import pytest
import torch

from colorbench import color
from colorbench.data.augment import Standard
from colorbench.errors import UserError
from colorbench.noise import Noise
from colorbench.registry import check

SEEDS = {"flip": 0.5, "rotation": 15.0, "crop": 0.8, "jitter": 0.3, "blur": 3}
OFF: dict[str, Any] = {"flip": 0.0, "rotation": 0.0, "crop": 1.0, "jitter": 0.0, "blur": 0}


def standard(**changes: Any) -> Standard:
    return Standard(**OFF | changes)


def pictures(n: int = 64, size: int = 16) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def noise(n: int = 64, visit: int = 0) -> Noise:
    return Noise.of(0, torch.arange(n), visit)


def test_everything_off_changes_nothing() -> None:
    assert torch.equal(standard()(pictures(), noise()), pictures())
    assert standard(flip=0.5).flips_only


@pytest.mark.parametrize("key", ["rotation", "jitter"])
def test_draws_that_say_nothing_change_nothing(key: str) -> None:
    middle = Noise(torch.zeros(64, dtype=torch.int64))  # an angle of 0, factors of 1
    object.__setattr__(middle, "uniform", lambda purpose, *shape: torch.full((64, *shape), 0.5))
    assert torch.equal(standard(**{key: SEEDS[key]})(pictures(), middle), pictures())


def test_everything_at_once_is_everything_in_turn() -> None:
    """But for the rounding to 8 bits in between, which contrast and brightness enlarge."""
    once = standard(**SEEDS)(pictures(), noise())
    turn = pictures()
    for keys in (("flip",), ("rotation", "crop"), ("jitter",), ("blur",)):
        turn = standard(**{key: SEEDS[key] for key in keys})(turn, noise())
    assert (once.int() - turn.int()).abs().max() <= 3


@pytest.mark.parametrize("key", ["rotation", "crop", "jitter", "blur"])
def test_each_switch_alone_changes_pictures(key: str) -> None:
    augment = standard(**{key: SEEDS[key]})
    assert (augment(pictures(), noise()).int() - pictures().int()).abs().float().mean() > 2.5


def test_flips_mirror_about_their_share_of_the_pictures() -> None:
    before = pictures(400)
    after = standard(flip=0.25).flip_(before.clone(), noise(400))
    mirrored = [torch.equal(a, b.flip(-1)) for a, b in zip(after, before, strict=True)]
    kept = [torch.equal(a, b) for a, b in zip(after, before, strict=True)]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True))
    assert 0.18 < sum(mirrored) / 400 < 0.32


def test_a_picture_is_augmented_the_same_in_any_batch() -> None:
    augment = standard(**SEEDS)
    together = augment(pictures(8), noise(8))
    order = torch.tensor([5, 2, 7])
    alone = augment(pictures(8)[order], Noise.of(0, order))
    assert torch.equal(together[order], alone)


def test_pictures_of_a_batch_and_visits_of_a_picture_differ() -> None:
    same = pictures(1).expand(8, -1, -1, -1)
    augment = standard(**SEEDS)
    first, second = augment(same.clone(), noise(8)), augment(same.clone(), noise(8, visit=1))
    assert len({tuple(rgb.flatten().tolist()) for rgb in (*first, *second)}) == 16


def test_rotation_by_a_right_angle_is_exact() -> None:
    augment = standard(rotation=90.0)
    drawn = Noise(torch.zeros(32, dtype=torch.int64))
    object.__setattr__(drawn, "uniform", lambda purpose, *shape: torch.full((32, *shape), 1.0))
    turned = augment(pictures(32, 9), drawn)
    assert torch.equal(turned, torch.rot90(pictures(32, 9), 1, (2, 3)))


def test_a_crop_keeps_at_least_its_share_and_lies_inside() -> None:
    ramp = torch.arange(64).repeat(64, 1).mul(4).to(torch.uint8).expand(200, 3, 64, 64).clone()
    rgb = standard(crop=0.25)(ramp, noise(200)) / 4
    left, right = rgb[:, 0, 32, 0], rgb[:, 0, 32, -1]
    share = (right - left) / 63  # of the side
    assert share.min() >= 0.5 - 0.02
    assert share.max() <= 1.0
    assert left.min() >= 0
    assert right.max() <= 63
    assert (share**2).mean() == pytest.approx(0.625, abs=0.05)  # uniform in the area
    assert left.std() > 2  # at any place


def test_jitter_of_saturation_keeps_gray_gray() -> None:
    gray = torch.full((32, 3, 8, 8), 100, dtype=torch.uint8)
    rgb = standard(jitter=0.3)(gray, noise(32))
    assert torch.equal(rgb.amax(1), rgb.amin(1))
    assert 70 <= int(rgb.min()) < int(rgb.max()) <= 130


def test_blur_keeps_the_mean_and_lowers_the_contrast() -> None:
    before = color.from_bytes(pictures(64))
    after = color.from_bytes(standard(blur=3)(pictures(64), noise()))
    assert (after.mean((1, 2, 3)) - before.mean((1, 2, 3))).abs().max() < 0.03
    assert (after.std((1, 2, 3)) <= before.std((1, 2, 3)) + 1e-4).all()
    flat = torch.full((4, 3, 8, 8), 77, dtype=torch.uint8)
    assert torch.equal(standard(blur=5)(flat.clone(), noise(4)), flat)


@pytest.mark.parametrize("change", [{"flip": 1.5}, {"rotation": -1.0}, {"crop": 0.0}, {"jitter": 2.0}, {"blur": 4}])
def test_an_impossible_setting_names_its_key(change: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=f"data.augment.{next(iter(change))}"):
        check("augmentation", {"augmentation": "standard", **OFF, **change}, "data.augment")


@pytest.mark.parametrize(("channel", "luma"), [(0, 0.299), (1, 0.587), (2, 0.114)])
def test_a_picture_without_saturation_is_the_luma_of_its_channels(channel: int, luma: float) -> None:
    pixels = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    pixels[:, channel] = 255
    drawn = Noise(torch.zeros(1, dtype=torch.int64))
    factors = torch.tensor([[0.5, 0.5, 0.0]])  # brightness and contrast as they are, saturation 0
    object.__setattr__(drawn, "uniform", lambda purpose, *shape: factors)
    assert standard(jitter=1.0)(pixels, drawn).unique().tolist() == [round(255 * luma)]
