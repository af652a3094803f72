"""Chroma on skin and textiles: the regions by a published chart, the ratio over a set by hand."""

import numpy as np
import pytest
import torch

from colorbench import color
from colorbench.metrics.dullness import DERIVED, REGIONS, RegionChroma, region
from colorbench.metrics.metric import Pair
from colorbench.report.columns import column

CHART = {  # the ColorChecker's 8-bit sRGB (McCamy, Marcus & Davidson 1976; X-Rite's values)
    "dark skin": (115, 82, 68),
    "light skin": (194, 150, 130),
    "blue sky": (98, 122, 157),
    "foliage": (87, 108, 67),
    "orange": (214, 126, 44),
    "moderate red": (193, 90, 99),
    "red": (175, 54, 60),
    "yellow": (231, 199, 31),
    "magenta": (187, 86, 149),
    "green": (70, 148, 73),
    "white": (243, 243, 242),
    "neutral": (122, 122, 121),
    "black": (52, 52, 52),
}


def flat(*colors: tuple[int, int, int]) -> torch.Tensor:
    """uint8 [1 3 1 n]."""
    return torch.tensor(colors, dtype=torch.uint8).T[None, :, None, :]


def test_the_regions_hold_the_patches_of_the_chart_that_they_are_named_for() -> None:
    lab = color.bytes_to_lab(flat(*CHART.values()))
    found = {r: {name for name, inside in zip(CHART, region(lab, r)[0, 0], strict=True) if inside} for r in REGIONS}
    assert found["skin"] == {"dark skin", "light skin"}
    assert found["textiles"] == {"orange", "moderate red", "red", "yellow", "magenta"}


def scores(hat: torch.Tensor, true: torch.Tensor, name: str) -> list[np.ndarray]:
    return [RegionChroma(region=name, of=of)(Pair(hat, true)).numpy() for of in ("hat", "true")]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", REGIONS)
def test_the_truth_is_1_gray_is_0_and_half_the_chroma_is_a_half(name: str) -> None:
    true = flat((194, 150, 130), (115, 82, 68), (175, 54, 60), (187, 86, 149), (122, 122, 121)).expand(2, 3, 4, 5)
    lab = color.bytes_to_lab(true)
    derived = DERIVED[f"dullness_{name}"].function
    for factor, tolerance in ((1.0, 1e-9), (0.5, 0.02), (0.0, 0.02)):
        hat = color.to_bytes(color.lab_to_rgb(torch.cat([lab[:, :1], lab[:, 1:] * factor], dim=1)))
        of_hat, of_true = scores(hat, true, name)
        assert derived(of_hat.mean(), of_true.mean()) == pytest.approx(factor, abs=tolerance)


def test_the_ratio_is_of_sums_so_a_picture_with_two_such_pixels_does_not_decide() -> None:
    red, dull, gray = (175, 54, 60), (130, 90, 90), (122, 122, 121)
    true = torch.cat([flat(red, *[gray] * 7), flat(*[red] * 8)])
    hat = torch.cat([flat(red, *[gray] * 7), flat(*[dull] * 8)])
    of_hat, of_true = scores(hat, true, "textiles")
    chroma = color.bytes_to_lab(flat(red, dull))[0, 1:, 0].norm(dim=0)
    expected = float((chroma[0] + 8 * chroma[1]) / (9 * chroma[0]))
    assert DERIVED["dullness_textiles"].function(of_hat.mean(), of_true.mean()) == pytest.approx(expected, abs=1e-4)


def test_a_set_without_such_pixels_has_no_number() -> None:
    of_hat, of_true = scores(flat((175, 54, 60)), flat((122, 122, 121)), "textiles")
    assert np.isnan(DERIVED["dullness_textiles"].function(of_hat.mean(), of_true.mean()))


def test_only_the_ratio_stands_in_a_table() -> None:
    for name in REGIONS:
        assert column(f"chroma_{name}").part
        assert column(f"chroma_{name}_true").part
        assert (column(f"dullness_{name}").better, column(f"dullness_{name}").part) == ("neither", False)
