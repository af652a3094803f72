"""Columns: what a number in a table means and how it is printed. The registry of metrics supplies most of them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from colorbench import registry


@dataclass(frozen=True)
class Column:
    """better: higher, lower or neither (described, not ranked)."""

    title: str
    better: str
    digits: int
    unit: str = ""
    note: str = ""

    @property
    def arrow(self) -> str:
        """Which way is good."""
        return {"higher": "↑", "lower": "↓"}.get(self.better, "")


@dataclass(frozen=True)
class Derived:
    """A column computed from the means of others over the set; its interval from the same resamples."""

    sources: tuple[str, ...]
    function: Callable[..., Any]
    column: Column


DERIVED = {
    "delta_colorfulness_of_means": Derived(
        ("colorfulness", "colorfulness_true"),
        lambda hat, true: abs(hat - true),
        Column("ΔCF", "lower", 2, "", "difference of the mean colorfulness of predictions and truths"),
    ),
    "delta_colorfulness_of_means_abs(ddcolor)": Derived(
        ("colorfulness_abs(ddcolor)", "colorfulness_abs(ddcolor)_true"),
        lambda hat, true: abs(hat - true),
        Column("ΔCF abs (ddcolor)", "lower", 2, "", "the literature's delta colorfulness"),
    ),
    "mean_drift": Derived(
        ("drift_a", "drift_b"),
        np.hypot,
        Column("drift", "lower", 2, "dE", "distance of the set's mean color from the truth's"),
    ),
    "spread_skill": Derived(
        ("spread2", "error2"),
        lambda spread, error: np.sqrt(spread / np.maximum(error, 1e-12)),
        Column("spread/skill", "neither", 2, "", "1 is calibrated, below 1 overconfident"),
    ),
    "flat_variation": Derived(
        ("flat", "flat_true"),
        lambda hat, true: hat / np.maximum(true, 1e-12),
        Column("flat variation", "neither", 2, "", "of color where gray looks the same, over the truth's"),
    ),
}
"""Columns of sets that rows suffice for."""

_DRAWS = {
    "energy": Column("energy", "lower", 2, "dE", "energy score of a*b*, per pixel"),
    "energy_field": Column("energy (field)", "lower", 2, "dE", "energy score of whole a*b* fields"),
    "variogram": Column("variogram", "lower", 3, "dE", "variogram score: do pixels differ as the truth's do"),
    "flat_score": Column("flat score", "lower", 3, "dE", "variogram score of pairs that look alike in gray"),
    "place": Column("place", "higher", 3, "", "from neighbors (0) to the true law (1)"),
    "diversity": Column("diversity", "neither", 2, "dE", "mean distance of two colorings of one picture"),
    "psnr_of_mean": Column("PSNR of mean", "higher", 2, "dB", "of the mean of the draws"),
    "ciede2000_of_mean": Column("CIEDE2000 of mean", "lower", 2, "dE", "of the mean of the draws"),
    "bits_per_cell": Column("bits/cell", "lower", 3, "", "exact, of the true color bins of the small map"),
    "bits_per_dim": Column("bits/dim", "lower", 3, "", "exact, of the true small map with a little noise, density"),
}
_TITLES = {
    "psnr": "PSNR",
    "ssim": "SSIM",
    "ssim_luma": "SSIM (L*)",
    "ms_ssim": "MS-SSIM",
    "ciede2000": "CIEDE2000",
    "delta_e_76": "dE76",
    "ab_l1": "ab L1",
    "delta_colorfulness": "ΔCF (per image)",
}


def column(name: str) -> Column:
    """Of any column name that an evaluation writes."""
    if name in _DRAWS:
        return _DRAWS[name]
    if name in DERIVED:
        return DERIVED[name].column
    if name.startswith(("fid(", "kid(", "kid_paired(")):
        title = name[:3].upper() + name[3:].replace("_paired", " paired")
        return Column(title, "lower", 2 if name.startswith("fid") else 5)
    stem = name.split("(")[0]
    known = _known()
    family = max((k for k in known if stem.startswith(k)), key=len, default="")
    better, digits, unit = known.get(family, ("neither", 3, ""))
    title = _TITLES.get(name) or name.replace("lpips_", "LPIPS ").replace("_", " ")
    return Column(title, better, digits, unit)


@cache
def _known() -> dict[str, tuple[str, int, str]]:
    classes: dict[str, Any] = {name: registry.lookup("metric", name) for name in registry.names("metric")}
    return {name: (c.better, c.digits, c.unit) for name, c in classes.items()}
