"""What a vote says, as a table in Markdown and as a figure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from colorbench import atomic
from colorbench.report.sheet import Sheet
from colorbench.report.statistics import Estimate
from colorbench.report.vote.ballot import TRUTH
from colorbench.report.vote.strengths import VOTERS, People, agreement, odds, pairs_needed

NEEDED = "To tell a preference of {} from chance (95 %, power 80 %) a pair needs {} votes."
_SHARES = (0.8, 0.7, 0.6, 0.55)


def agreements(found: People, sheet: Sheet | None) -> dict[str, Estimate]:
    """{column's title: rank correlation with the people's order}, the closest first."""
    if sheet is None:
        return {}
    scored = {
        what.title: a
        for name, what in sheet.columns.items()
        if (a := agreement(found, sheet.estimates[name], what.better)) is not None
    }
    return dict(sorted(scored.items(), key=lambda item: -item[1].center))


def needed() -> str:
    """How many votes a difference needs, in one sentence a share."""
    return " ".join(NEEDED.format(f"{100 * s:.0f}:{100 - 100 * s:.0f}", f"{pairs_needed(s):,}") for s in _SHARES)


def text(found: People, sheet: Sheet | None = None) -> str:
    """Strengths with intervals and ties, the voters' checks, metrics' rank correlations, votes that lack."""
    lines = [
        "| system | place | strength [95 %] | chosen over the truth | over the next: chosen, votes, votes needed |",
        "|---|---|---|---|---|",
    ]
    for i, name in enumerate(found.systems):
        truth = "" if name == TRUTH or TRUTH not in found.strengths else f"{100 * found.share(name, TRUTH):.0f} %"
        if truth and found.tied(name, TRUTH):
            truth += " (tied)"
        below = ""
        if i + 1 < len(found.systems):
            share = found.share(name, found.systems[i + 1])
            votes = int(found.wins[i, i + 1] + found.wins[i + 1, i])
            below = f"{100 * share:.0f} %, {votes}, {_many(pairs_needed(share))}"
        strength = odds(found.strengths[name].interval)
        lines.append(f"| {name} | {found.places[name]} | {strength} | {truth} | {below} |")
    counted = [v for v in found.voters if v.attentive]
    whose = (
        "bootstrap over voters and photographs"
        if len(counted) >= VOTERS
        else f"bootstrap over photographs: they speak of {'this voter' if len(counted) == 1 else 'these voters'} only"
    )
    lines += [
        "",
        f"{int(found.wins.sum())} votes. Strengths are log odds (Bradley-Terry), of mean 0; intervals: {whose}. "
        "Systems whose difference may be 0 share a place.",
        f"Tied with the truth: {', '.join(found.like_truth) or 'none'}." if TRUTH in found.strengths else "",
        needed(),
    ]
    for v in found.voters:
        lines.append(
            f"Voter {v.name}: {v.votes} votes, truth chosen over gray {v.checks[0]} of {v.checks[1]} times, "
            f"the same answer to {v.again[0]} of {v.again[1]} repeated questions"
            + ("." if v.attentive else "; LEFT OUT: too many checks are wrong.")
        )
    correlated = agreements(found, sheet)
    if correlated:
        lines += ["", "| metric | rank correlation with the people's order [95 %] |", "|---|---|"]
        lines += [f"| {title} | {odds(e.interval)} |" for title, e in correlated.items()]
    return "\n".join(lines) + "\n"


def draw(found: People, file: Path, sheet: Sheet | None = None) -> Path:
    """Strengths with their intervals and, beside them, each metric's rank correlation: a PNG."""
    from matplotlib.figure import Figure

    correlated = agreements(found, sheet)
    rows = max(len(found.systems), len(correlated))
    figure = Figure(figsize=(9.0 if correlated else 4.8, 1.2 + 0.28 * rows), layout="constrained")
    left: Any = figure.add_subplot(1, 2 if correlated else 1, 1)
    _forest(left, {name: found.strengths[name] for name in found.systems})
    left.set_xlabel("strength, log odds (people's choices)")
    if TRUTH in found.strengths:
        left.axvline(found.strengths[TRUTH].center, color="#8b8f97", lw=0.8, ls="--", zorder=0)
    if correlated:
        right: Any = figure.add_subplot(1, 2, 2)
        _forest(right, correlated)
        right.set_xlim(-1.05, 1.05)
        right.axvline(0, color="#8b8f97", lw=0.8, zorder=0)
        right.set_xlabel("rank correlation with the people's order")
    with atomic.replacing(file) as part:
        figure.savefig(part, format="png", dpi=150)
    return file


def _forest(axes: Any, found: Mapping[str, Estimate]) -> None:
    for y, estimate in enumerate(found.values()):
        i = estimate.interval
        axes.plot([i.low, i.high], [-y, -y], color="#0072b2", lw=2, solid_capstyle="round")
        axes.plot(i.mean, -y, "o", color="#0072b2", ms=4)
    axes.set_yticks([-y for y in range(len(found))], list(found), fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _many(count: int) -> str:
    return f"{count:,}" if count < 100_000 else "too many"
