"""A sheet: the results of all systems under ONE protocol, with intervals, ranks and verdicts, ready to be printed.

Runs that differ only by their training seed are one row; where some row has several, what they deviate by is carried
into every interval (:mod:`colorbench.report.retraining`). Cells hold the mean, its 95 % interval, the rank among the
models (ties share it) and the verdict against the rows that learned nothing (:mod:`colorbench.report.verdicts`): proper
scores are compared with all of them, scores of single pictures with those that answer once. What could not be computed
says why.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from colorbench.column import Column
from colorbench.errors import UserError
from colorbench.evaluation.archive import find_archives, read_archive
from colorbench.evaluation.baselines import ONCE, SAMPLERS
from colorbench.evaluation.protocol import Protocol
from colorbench.evaluation.rows import Evaluation, find, readable
from colorbench.metrics import place as measure
from colorbench.metrics.flat import alarm
from colorbench.registry import suggest
from colorbench.report.columns import DERIVED, column, of_set
from colorbench.report.retraining import Retraining
from colorbench.report.statistics import Bootstrap, Estimate, Interval, Table, combine, ranks
from colorbench.report.verdicts import BETTER, EQUIVALENT, INCONCLUSIVE, WORSE, Claim, claim, holm
from colorbench.runs.labels import labels

HEADLINE = (
    "ciede2000",
    "psnr",
    "ssim",
    "lpips",
    "trunk_distance",
    "kid",
    "fid",
    "energy",
    "joint",
    "place",
    "spread_skill",
    "flat_variation",
    "chroma_ratio",
    "dullness_skin",
    "dullness_textiles",
)
"""Columns shown unless others are asked for, where there are any; ``lpips`` stands for whatever LPIPS the protocol has,
``kid`` and ``fid`` for those that could be computed."""
ENDS = ("gray", "neighbors", "oracle")
"""The trivial rows that place needs; joint needs the first."""
LEGEND = (
    "Bold: the best model, italic: second, bold italic: third; models that tie share a mark, a column in which all tie "
    "has none."
)
_FETCH = "weights not found: colorbench fetch-weights "
_UNFIT = "not a finite number for every resample of some row"
_TRIVIAL_ORDER = (*ONCE, *SAMPLERS, "oracle", "truth")


@dataclass(frozen=True)
class Line:
    """One row: a system, over its training seeds."""

    label: str
    kind: str  # model, folder or trivial
    evaluations: tuple[Evaluation, ...]

    @property
    def seeds(self) -> int:
        """How many trainings."""
        return len(self.evaluations)

    @property
    def record(self) -> Mapping[str, Any]:
        """Of the first seed."""
        return self.evaluations[0].record

    def table(self, name: str) -> Table | None:
        """[seeds, images] of one metric; None when a seed lacks it."""
        if any(name not in e.per_image for e in self.evaluations):
            return None
        return np.stack([e.per_image[name] for e in self.evaluations])

    @property
    def trainings(self) -> list[str]:
        """A name for each, the same in every row drawn from it."""
        return [
            str(r.get("drawn_from") or r.get("run") or f"{r.get('group', r['name'])}-{r.get('seed')}")
            for r in (e.record for e in self.evaluations)
        ]

    def cost(self, key: str) -> float | None:
        """Mean over seeds of a number in the record, or of one that follows: minutes, teraflops of the training."""
        values = [_cost(e.record, key) for e in self.evaluations]
        return float(np.mean(values)) if all(isinstance(v, int | float) for v in values) else None


COSTS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], Any]] = {
    "images_seen": lambda run, before: run["images_seen"] + before.get("images_seen", 0),
    "minutes": lambda run, before: (run["seconds"] + before.get("seconds", 0.0)) / 60,
    "teraflops": lambda run, before: (run["flops"] * run["images_seen"] + before.get("operations", 0.0)) / 1e12,
}
"""Of a training, with those of the runs that it started from (``before``); every other cost stands in the record."""


def _cost(record: Mapping[str, Any], key: str) -> Any:
    try:
        return COSTS[key](record, record.get("before", {})) if key in COSTS else record.get(key)
    except (KeyError, TypeError):
        return None


@dataclass(frozen=True)
class Cell:
    """interval, or why there is none. rank: among models, 0 if unranked. verdict: better, equivalent,
    inconclusive or worse than the trivial rows, or empty; against: the closest of them.
    plain: a number of the set that has no interval (FID, KID), with its deviation over subsets."""

    interval: Interval | None
    reason: str = ""
    rank: int = 0
    verdict: str = ""
    against: str = ""
    plain: tuple[float, float | None] | None = None


@dataclass(frozen=True)
class Sheet:
    """All lines under one protocol. ``cells[label][column]``."""

    protocol: Protocol
    lines: tuple[Line, ...]
    columns: Mapping[str, Column]
    cells: Mapping[str, Mapping[str, Cell]]
    bootstrap: Bootstrap = field(repr=False)
    estimates: Mapping[str, Mapping[str, Estimate]] = field(repr=False)
    alarms: Mapping[str, str] = field(default_factory=dict)
    retraining: Mapping[str, Retraining] = field(default_factory=dict)
    """{column: how a mean deviates between training seeds}, where some model has several; the intervals hold it."""

    @property
    def caption(self) -> str:
        """n, protocol, seeds, intervals."""
        p = self.protocol
        seeds = sorted({line.seeds for line in self.lines if line.kind == "model"})
        many = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}" if seeds else "no"
        stochastic = any(e.record["draws"] > 1 for line in self.lines for e in line.evaluations)
        draws = f", {p.draws} draws of stochastic models" if stochastic else ""
        spread = "" if self.retraining else " (one seed: intervals do not contain the spread of retraining)"
        over = " and the deviation between training seeds" if self.retraining else ""
        return (
            f"Protocol {p.id} ({p.name}): n = {p.images} {p.split} pictures at {p.size} px{draws}, "
            f"{many} training seed{'' if seeds == [1] else 's'}{spread}. Mean [95 % interval], "
            f"bootstrap over images, {self.bootstrap.resamples} resamples{over}; ranks, verdicts: paired differences."
        )

    @cached_property
    def notes(self) -> list[str]:
        """What a reader must know: unequal budgets, missing columns."""
        notes = []
        budgets = {line.label: line.cost("images_seen") for line in self.lines if line.kind == "model"}
        known = [b for b in budgets.values() if b]
        if known and max(known) > 1.02 * min(known):
            seen = ", ".join(f"{label} {b:,.0f}" for label, b in budgets.items() if b)
            notes.append(f"Unequal budgets (images seen): {seen}. Differences between these models are partly budgets.")
        taught = [
            f"{line.label} ({line.record['before']['images_seen']:,} of its images)"
            for line in self.lines
            if line.record.get("before")
        ]
        if taught:
            notes.append(f"Started from another run, whose cost is counted too: {', '.join(taught)}.")
        if self.retraining:
            several = [line for line in self.lines if _retrained(line)]
            freedom = max(known.freedom for known in self.retraining.values())
            found = ", ".join(
                f"{self.columns[name].title} {known.deviation:.2g}"
                + (f" ({known.freedom} degrees)" if known.freedom < freedom else "")
                for name, known in self.retraining.items()
            )
            notes.append(
                f"Between training seeds, pooled over {', '.join(f'{x.label} ({x.seeds})' for x in several)}, "
                f"{freedom} degree{'' if freedom == 1 else 's'} of freedom, a mean deviates by: {found}. "
                "Intervals of all models hold it."
            )
        unfinished = [
            line.label
            for line in self.lines
            if any(e.record.get("state", "finished") not in ("finished", "trained") for e in line.evaluations)
        ]
        if unfinished:
            notes.append(f"Unfinished training: {', '.join(unfinished)}.")
        splits = {str(t) for line in self.lines if line.kind == "trivial" and (t := line.record.get("training"))}
        if len(splits) > 1:
            notes.append(
                f"Trivial rows of {len(splits)} training splits: verdicts and place are against those of "
                f"{max(splits)[:8]}, whatever split a model learned from."
            )
        if any(cell.rank for row in self.cells.values() for cell in row.values()):
            notes.append(LEGEND)
        judged = {n: self.protocol.smallest(n) for n in self.columns if any(c[n].verdict for c in self.cells.values())}
        if judged:
            least = ", ".join(f"{self.columns[name].title} {delta:g}" for name, delta in judged.items())
            notes.append(
                "Verdicts: against every trivial row (errors of single pictures: those that answer once), the closest "
                f"in parentheses; smallest differences that matter: {least}; Holm over the columns."
            )
        notes += [f"ALARM {label}: {words}." for label, words in self.alarms.items()]
        titles: dict[str, list[str]] = {}  # what one cure serves stands in one note
        for name, what in self.columns.items():
            for reason in sorted({cells[name].reason for cells in self.cells.values() if cells[name].reason}):
                titles.setdefault(reason, []).append(what.title)
        lost = {reason: titles.pop(reason) for reason in list(titles) if reason.startswith(_FETCH)}
        if lost:
            some = ", ".join(title for group in lost.values() for title in group)
            titles[f"{_FETCH}{' '.join(reason.removeprefix(_FETCH) for reason in lost)}"] = [some]
        return [*notes, *(f"{', '.join(group)}: n/a ({reason})." for reason, group in titles.items())]

    def verdict(self, label: str) -> str:
        """``better: PSNR (mean), energy (neighbors) · worse: SSIM (gray)``, the closest trivial row in parentheses, of
        the ranked columns; '' for trivial rows."""
        found: dict[str, list[str]] = {word: [] for word in (BETTER, EQUIVALENT, INCONCLUSIVE, WORSE)}
        for name, cell in self.cells[label].items():
            if cell.verdict:
                found[cell.verdict].append(f"{self.columns[name].title} ({cell.against})")
        return " · ".join(f"{word}: {', '.join(titles)}" for word, titles in found.items() if titles)


def sheets(
    roots: Sequence[Path], *, metrics: Sequence[str] = (), resamples: int = 2000, protocol: str | None = None
) -> list[Sheet]:
    """One sheet for each protocol found under ``roots``, most models first. protocol: the start of an id."""
    groups = by_protocol([e for e in gather(roots) if e.protocol.id.startswith(protocol or "")])
    return [sheet(group, metrics=metrics, resamples=resamples) for group in groups]


def sheets_of_runs(
    folders: Sequence[Path], *, metrics: Sequence[str] = (), resamples: int = 2000, protocol: str | None = None
) -> list[Sheet]:
    """Sheets whose rows are these runs, each by itself and called by its folder, with their trivial rows."""
    alone = [
        replace(e, record={**e.record, "name": (named := e.folder.resolve().parents[1].name), "group": named})
        if e.record["kind"] != "trivial" and e.folder is not None
        else e
        for e in gather(folders)
        if e.protocol.id.startswith(protocol or "")
    ]
    return [sheet(group, metrics=metrics, resamples=resamples) for group in by_protocol(alone)]


def gather(roots: Sequence[Path]) -> list[Evaluation]:
    """The evaluations under ``roots``, packed ones too, and the trivial rows of their protocols from the baselines
    folder beside them."""
    folders = find(roots)
    seen = {folder.resolve() for folder in folders}
    for folder in list(folders):
        for parent in folder.resolve().parents:
            baselines = parent / "baselines" / folder.name
            if baselines.is_dir():
                folders += [f for f in find([baselines]) if f.resolve() not in seen]
                seen |= {f.resolve() for f in folders}
                break
    return [*readable(folders, Evaluation.read), *readable(find_archives(roots), read_archive)]


def by_protocol(evaluations: Sequence[Evaluation]) -> list[list[Evaluation]]:
    """Unlike protocols never share a table."""
    groups: dict[str, list[Evaluation]] = {}
    for evaluation in evaluations:
        groups.setdefault(evaluation.protocol.id, []).append(evaluation)

    def systems(group: list[Evaluation]) -> int:
        return sum(e.record["kind"] != "trivial" for e in group)

    useful = [group for group in groups.values() if systems(group)] or list(groups.values())
    return sorted(useful, key=systems, reverse=True)


def sheet(evaluations: Sequence[Evaluation], *, metrics: Sequence[str] = (), resamples: int = 2000) -> Sheet:
    """Judge evaluations of one protocol against each other."""
    protocol = evaluations[0].protocol
    if {e.protocol.id for e in evaluations} != {protocol.id}:
        raise ValueError("unlike protocols never share a table")
    if any(e.names != evaluations[0].names for e in evaluations):
        raise ValueError("evaluations of one protocol list unlike images")
    lines = tuple(lines_of(evaluations))
    columns = {name: column(name) for name in _choose(evaluations, protocol, metrics)}
    bootstrap = Bootstrap(protocol.images, resamples=resamples)
    cells: dict[str, dict[str, Cell]] = {line.label: {} for line in lines}
    trivial = _trivial(lines)
    claims: dict[str, dict[str, Claim]] = {line.label: {} for line in lines}
    computed = {
        name: _OF_WHOLE[name](lines, trivial, bootstrap) if name in _OF_WHOLE else estimate(lines, name, bootstrap)
        for name in columns
    }
    estimates = {name: {k: v for k, v in found.items() if v.finite} for name, found in computed.items()}
    retraining = _retraining(lines, trivial, estimates)
    for name, known in retraining.items():
        for line in (x for x in lines if x.kind == "model" and x.label in estimates[name]):
            moved = known.carry(estimates[name][line.label], line.trainings)
            estimates[name][line.label] = moved.within(columns[name].low, columns[name].high)
    for name, what in columns.items():
        found = estimates[name]
        ranked = {line.label: found[line.label] for line in lines if line.kind != "trivial" and line.label in found}
        places = ranks(ranked, what.better) if what.better != "neither" and len(ranked) > 1 else {}
        places = places if set(places.values()) != {1} else {}  # all are tied: none stands out
        for line in lines:
            if line.label not in found:
                unfit = line.label in computed[name]
                cells[line.label][name] = Cell(None, _UNFIT) if unfit else _plain(line, name, protocol)
                continue
            others = {n: found[trivial[n]] for n in compared(what) if n in trivial and trivial[n] in found}
            if others and line.kind != "trivial" and what.better != "neither":
                claims[line.label][name] = claim(found[line.label], others, what.better, protocol.smallest(name))
            cells[line.label][name] = Cell(found[line.label].interval, "", places.get(line.label, 0))
    for label, row in claims.items():
        for name, word in holm(row).items():
            cells[label][name] = replace(cells[label][name], verdict=word, against=row[name].closest)
    variation = estimate(lines, "flat_variation", bootstrap)
    learned = {line.label for line in lines if line.kind != "trivial"}  # gray is too even by its nature: no news
    alarms = {label: words for label, flat in variation.items() if label in learned and (words := alarm(flat.center))}
    return Sheet(protocol, lines, columns, cells, bootstrap, estimates, alarms, retraining)


def _retrained(line: Line) -> bool:
    return line.kind == "model" and line.seeds > 1


def _retraining(
    lines: Sequence[Line], trivial: Mapping[str, str], columns: Mapping[str, Mapping[str, Estimate]]
) -> dict[str, Retraining]:
    """{column: what it deviates by between the seeds of those models that have several, and the column}."""
    several = [line for line in lines if _retrained(line)]
    if not several:
        return {}
    fixed = [line for line in lines if line.kind == "trivial"]
    alone = [replace(x, label=f"{x.label} {i}", evaluations=(e,)) for x in several for i, e in enumerate(x.evaluations)]
    means = Bootstrap(len(several[0].evaluations[0].names), resamples=1)
    pooled = {}
    for name, known in columns.items():
        whole = _OF_WHOLE.get(name)
        of_each = whole([*fixed, *alone], trivial, means) if whole else estimate(alone, name, means)
        rows = [[of_each[f"{x.label} {i}"].center for i in range(x.seeds)] for x in several if x.label in known]
        if rows:
            pooled[name] = Retraining.pooled(rows)
    return pooled


def _trivial(lines: Sequence[Line]) -> dict[str, str]:
    """{name: label} of the trivial rows that others are compared with: of unlike training splits, one for all."""
    trivial = [line for line in lines if line.kind == "trivial"]
    trivial.sort(key=lambda line: str(line.record.get("training", "")))
    return {str(line.record["name"]): line.label for line in trivial}


def placed(lines: Sequence[Line], trivial: Mapping[str, str], bootstrap: Bootstrap) -> dict[str, Estimate]:
    """{label: place}, where the law's own rows (oracle) are among the trivial ones: on scenes."""
    return _against(measure.of_parts, ENDS, lines, trivial, bootstrap)


def jointly(lines: Sequence[Line], trivial: Mapping[str, str], bootstrap: Bootstrap) -> dict[str, Estimate]:
    """{label: joint score}, where gray is among the trivial rows."""
    return _against(measure.joint_of_parts, ENDS[:1], lines, trivial, bootstrap)


_OF_WHOLE = {"joint": jointly, "place": placed}
"""Columns that other rows are needed for."""


def _against(
    function: Callable[..., Any],
    ends: Sequence[str],
    lines: Sequence[Line],
    trivial: Mapping[str, str],
    bootstrap: Bootstrap,
) -> dict[str, Estimate]:
    parts = [estimate(lines, part, bootstrap) for part in measure.PARTS]
    others = [found[trivial[name]] for name in ends for found in parts]
    return {
        label: combine(function, *(found[label] for found in parts), *others) for label in parts[0] if label in parts[1]
    }


def compared(what: Column) -> tuple[str, ...]:
    """The trivial rows that a column's verdicts are against."""
    return (*ONCE, *SAMPLERS) if what.proper else ONCE


def estimate(lines: Sequence[Line], name: str, bootstrap: Bootstrap) -> dict[str, Estimate]:
    """{label: estimate} of a column, for the lines that have it."""
    found, what = {}, column(name)
    sources, function = (DERIVED[name].sources, DERIVED[name].function) if name in DERIVED else ((name,), lambda x: x)
    for line in lines:
        tables = [table for source in sources if (table := line.table(source)) is not None]
        if len(tables) == len(sources):
            found[line.label] = bootstrap.of(function, *tables).within(what.low, what.high)
    return found


def _plain(line: Line, name: str, protocol: Protocol) -> Cell:
    """A cell without rows: a number of the set, or the reason why there is none."""
    found = [e.sets[name] for e in line.evaluations if name in e.sets]
    values = [entry["value"] for entry in found if "value" in entry]
    if not all(np.isfinite(value) for value in values):
        return Cell(None, _UNFIT)
    if values and len(values) == line.seeds:
        deviation = float(np.std(values, ddof=1)) if len(values) > 1 else found[0].get("deviation")
        return Cell(None, plain=(float(np.mean(values)), deviation))
    reason = found[0].get("reason", "") if found else protocol.unavailable.get(name, "")
    return Cell(None, reason)


def _choose(evaluations: Sequence[Evaluation], protocol: Protocol, metrics: Sequence[str]) -> list[str]:
    present = list(dict.fromkeys(name for e in evaluations for name in e.per_image))
    present += [name for name, d in DERIVED.items() if all(source in present for source in d.sources)]
    rows = {e.record["name"] for e in evaluations if e.record["kind"] == "trivial"}
    if set(measure.PARTS) <= set(present):
        present += [name for name, ends in (("joint", ENDS[:1]), ("place", ENDS)) if set(ends) <= rows]
    present += list(dict.fromkeys(n for e in evaluations for n in e.sets if of_set(n)))
    known = present + [name for name in protocol.unavailable if name not in present]
    if list(metrics) == ["all"]:
        shown = [name for name in known if not column(name).part]
        order = {head: i for i, head in enumerate(HEADLINE)}
        return sorted(shown, key=lambda name: order.get(word(name, column(name)), len(HEADLINE)))
    chosen = []
    for wanted in metrics or HEADLINE:
        matches = [name for name in known if wanted in (name, word(name, column(name)))]
        if not metrics:  # a number of the set is shown unasked only where it could be computed
            matches = [name for name in matches if name in present or column(name).kind != "set"]
        if not matches and metrics:
            raise UserError(f"--metrics {wanted}: no such column{suggest(wanted, known)}")
        chosen += matches
    return chosen


def word(name: str, what: Column) -> str:
    """What asks for a column: its group's word, or its own name."""
    return what.group or name


def lines_of(evaluations: Sequence[Evaluation]) -> list[Line]:
    """The rows of one protocol, labeled: trivial ones first, seeds of one configuration together."""
    groups: dict[str, list[Evaluation]] = {}
    for e in evaluations:
        groups.setdefault(str(e.record.get("group", e.record["name"])), []).append(e)
    lines = []
    for group in groups.values():
        by_seed = {e.record.get("seed"): e for e in group}  # one of each seed
        kind = str(group[0].record["kind"])
        lines.append((kind, tuple(by_seed.values())))
    words = labels([members[0].record for _, members in lines])
    labeled = [Line(label, kind, members) for label, (kind, members) in zip(words, lines, strict=True)]

    def order(line: Line) -> tuple[int, Any, Any]:
        if line.kind == "trivial":
            name = str(line.record["name"])
            return 0, _TRIVIAL_ORDER.index(name) if name in _TRIVIAL_ORDER else len(_TRIVIAL_ORDER), name
        return 1, 0, line.label

    return sorted(labeled, key=order)
