"""The table of systems on scenes: ordinary metrics, where they stand, and their law scores."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from colorbench.evaluation.law import ENERGY, Examined
from colorbench.metrics.flat import EXPECTED, alarm
from colorbench.report.columns import column
from colorbench.report.law.standing import flat_variation
from colorbench.report.statistics import Bootstrap, Estimate

HEADS = {
    "tv": "TV",
    "tv_joint": "TV joint",
    "clash": "clash",
    "calibration": "calibration",
    "rare": "rare (1 is right)",
    "undecided": "undecided",
    "incoherence": "incoherence",
    "off_law": "off-law px",
}


def markdown(
    lines: Sequence[Examined],
    metrics: Sequence[str] = ("psnr", "ssim", "ciede2000", ENERGY),
    shares: Mapping[str, Mapping[str, Estimate]] = MappingProxyType({}),
) -> str:
    """Ordinary metrics with 95 % intervals, then the law scores with standard errors, as one Markdown table.

    shares: {head: {name: estimate}}, for columns in percent: place, how far it is from gray to the law. An alarm of
    flat variation stands beside the name.
    """
    shown = [m for m in metrics if all(m in line.rows.per_image for line in lines)]
    heads = [
        "",
        "draws",
        *shares,
        *(f"{column(m).title} {column(m).arrow}".strip() for m in shown),
        "best of K PSNR ↑",
        *HEADS.values(),
        "flat variation",
    ]
    text = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for line in lines:
        bootstrap = Bootstrap(len(line.rows.names))
        variation = flat_variation(line)
        cells = [f"{line.name} (!)" if alarm(variation) else line.name, str(line.draws)]
        for column_of in shares.values():
            share = column_of[line.name].interval
            cells.append(f"{100 * share.mean:.0f} [{100 * share.low:.0f}, {100 * share.high:.0f}]")
        for m in shown:
            interval = bootstrap.mean(line.rows.per_image[m]).interval
            digits = column(m).digits
            cells.append(f"{interval.mean:.{digits}f} [{interval.low:.{digits}f}, {interval.high:.{digits}f}]")
        best = bootstrap.mean(line.rows.scores["psnr"].max(1)).interval if "psnr" in line.rows.scores else None
        cells.append(f"{best.mean:.2f} [{best.low:.2f}, {best.high:.2f}]" if best else "n/a")
        for name in HEADS:
            value, error, floor = getattr(line.scores, name), line.errors[name], line.floor[name]
            free = f" (law {floor[0]:.2f})" if name in ("tv", "tv_joint") else ""
            cells.append(f"{value:.3f} ± {1.96 * error:.3f}{free}")
        text.append("| " + " | ".join([*cells, f"{variation:.2f}"]) + " |")
    low, high = EXPECTED
    rule = f"(!) flat variation outside {low:g} to {high:g}: patchwork or confetti above, gray or sepia below."
    return "\n".join([*text, "", rule]) + "\n"
