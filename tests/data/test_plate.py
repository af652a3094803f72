"""Glass plates: three exposures of a known picture, laid together again."""

import numpy as np
import pytest
from skimage import data
from skimage.transform import resize

from colorbench.data.plate import Misfit, compose, exposures, overlay, shift

Shift = tuple[int, int]


def scene(height: int, width: int) -> np.ndarray:
    """float [h w 3]: a colorful photograph (scikit-image's own), larger than what the plate shows of it."""
    return resize(data.astronaut()[:, 30:480], (height, width), anti_aliasing=True)


def plate(red: Shift, green: Shift, blue: Shift, *, height: int = 340, width: int = 400, seed: int = 0) -> np.ndarray:
    """uint8 [3 h, w]: through blue, green and red from the top; each exposure moved by (down, right) in its frame, the
    frame black and the glass around it light, with grain."""
    picture = scene(height + 60, width + 60)
    glass = []
    for channel, (down, right) in ((2, blue), (1, green), (0, red)):
        exposure = picture[30 - down : 30 - down + height, 30 - right : 30 - right + width, channel].copy()
        bars = (slice(0, 9), slice(height - 7, height)), (slice(0, 14), slice(width - 11, width))
        for bar in bars[0]:
            exposure[bar] = 0.04
        for bar in bars[1]:
            exposure[:, bar] = 0.95
        glass.append(exposure)
    grain = 0.01 * np.random.default_rng(seed).standard_normal((3 * height, width))
    return ((np.concatenate(glass) + grain).clip(0, 1) * 255).round().astype(np.uint8)


@pytest.mark.parametrize(
    ("red", "green", "blue"),
    [((0, 0), (0, 0), (0, 0)), ((9, -4), (0, 0), (-7, 3)), ((17, 5), (6, 2), (-8, -3)), ((-12, 11), (3, -2), (14, -9))],
)
def test_the_shifts_of_three_exposures_are_found_to_the_pixel(red: Shift, green: Shift, blue: Shift) -> None:
    b, g, r = exposures(plate(red, green, blue) / 255)
    for exposure, moved in ((r, red), (b, blue)):
        back = np.subtract(green, moved)
        assert np.abs(np.subtract(shift(g, exposure), back)).max() <= 1


def test_exposures_of_unlike_density_still_fit() -> None:
    b, g, r = exposures(plate((8, -3), (0, 0), (-6, 4)) / 255)
    assert shift(g, 0.15 + 0.4 * r**1.8) == (-8, 3)
    assert shift(g, 0.9 * b**0.6) == (6, -4)


def test_a_large_scan_is_aligned_from_coarse_to_fine() -> None:
    b, g, _ = exposures(plate((0, 0), (0, 0), (-19, 23), height=1000, width=1150) / 255)
    assert shift(g, b) == (19, -23)


def test_the_picture_is_the_scene_without_a_frame() -> None:
    made = compose(plate((9, -4), (0, 0), (-7, 3))).astype(float)
    picture = scene(400, 460) * 255
    height, width = made.shape[:2]
    assert 280 <= height < 340
    assert 340 <= width < 400
    offsets = [(y, x) for y in range(30, 400 - height) for x in range(30, 460 - width)]
    errors = [np.abs(picture[y : y + height, x : x + width] - made).mean() for y, x in offsets]
    assert min(errors) < 4.0  # the grain alone is 2
    assert np.abs(np.diff(made[:3].mean(axis=1), axis=0)).max() < 40  # no bar is left at the top


def test_sixteen_bits_make_the_same_picture() -> None:
    eight = plate((3, 2), (0, 0), (-2, 1))
    assert np.abs(compose(eight).astype(int) - compose(eight.astype(np.uint16) * 257)).max() <= 1


def test_exposures_of_unlike_scenes_do_not_fit_and_say_so() -> None:
    rng = np.random.default_rng(0)
    stranger = (rng.random((1020, 400)) * 255).astype(np.uint8)
    with pytest.raises(Misfit, match="do not fit"):
        compose(stranger)
    with pytest.raises(Misfit, match="three exposures"):
        compose(stranger[:60])


def test_what_an_exposure_does_not_cover_is_cut_off() -> None:
    b, g, r = exposures(plate((10, 0), (0, 0), (0, -6)) / 255)
    _, (rows, columns) = overlay(g, {"red": r, "blue": b})
    assert (rows.start, rows.stop, columns.start, columns.stop) == (0, 330, 6, 400)
