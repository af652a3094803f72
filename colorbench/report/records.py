"""Records: the fewest processor seconds of training that reach a fixed place on scenes.

A claim is n retrainings of one recipe under seeds that nobody chose (a hash of the recipe's words gives them). It is
shown when their mean place lies above the track's by more than chance allows, one-sided:

    t = (mean place - place of the track) sqrt(n) / sigma,     p = P(T_m-1 > t) below the track's significance,

where sigma, the standard deviation of place from one retraining to the next, was measured once over m retrainings; so
Student's t has m - 1 degrees of freedom. All retrainings see as many images, and none stops early. (The rules of
modded-nanogpt's third track, with a t for its z, since sigma is an estimate.)
"""

import hashlib
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from scipy import stats

from colorbench.errors import UserError
from colorbench.evaluation.baselines import evaluate_baselines
from colorbench.evaluation.law import judge_oracle, world_of
from colorbench.evaluation.protocol import plan
from colorbench.evaluation.runs import evaluate_run
from colorbench.metrics.suite import Suite
from colorbench.report.law.standing import place
from colorbench.runs.config import compose, flatten, science
from colorbench.runs.run import Run, open_run


@dataclass(frozen=True)
class Track:
    """What is fixed: words of the configuration, the place (1 is the law), the largest p; and sigma, once measured,
    with the number of retrainings that it comes from."""

    words: tuple[str, ...]
    place: float
    significance: float
    sigma: float | None
    retrainings: int

    @classmethod
    def read(cls, file: Path) -> "Track":
        """UserError, naming the file, for one that is not a track."""
        try:
            found = yaml.safe_load(file.read_text(encoding="utf-8"))
            track = cls(
                tuple(map(str, found["words"])),
                float(found["place"]),
                float(found["significance"]),
                None if found["sigma"] is None else float(found["sigma"]),
                int(found["retrainings"]),
            )
        except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError) as error:
            raise UserError(f"{file}: not a track, or damaged ({type(error).__name__}: {error})") from error
        if track.sigma is not None and not (track.sigma > 0 and track.retrainings > 1):
            raise UserError(f"{file}: sigma: expected more than 0, from 2 retrainings or more")
        return track


SINCE = "# since then"
"""Begins the part of a recipe that was written after its record."""


@dataclass(frozen=True)
class Recipe:
    """What a record does: one file of comments and of words of the configuration, one a line. The first comment is its
    line in the table. Words below the comment ``# since then`` say what was the default when the record was made; they
    came later, so its seeds do not hang on them."""

    name: str
    said: str
    words: tuple[str, ...]
    since: tuple[str, ...] = ()

    @classmethod
    def read(cls, file: Path) -> "Recipe":
        """UserError, naming the file, if there is none, or no word in it."""
        try:
            lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{file}: no recipe of a record can be read there ({error})") from error
        turn = next((i for i, line in enumerate(lines) if line.startswith(SINCE)), len(lines))
        words, since = (
            tuple(line.partition(" #")[0].strip() for line in part if line and not line.startswith("#"))
            for part in (lines[:turn], lines[turn:])
        )
        if not words:
            raise UserError(f"{file}: not one KEY=VALUE in it")
        said = next((line.lstrip("# ") for line in lines if line.startswith("#")), file.stem)
        return cls(file.stem, said, words, since)

    def seeds(self, count: int) -> list[int]:
        """The first ``count`` seeds of its retrainings: other words, other seeds."""
        first = int(hashlib.sha256("\n".join(self.words).encode()).hexdigest()[:6], 16)
        return [first + i for i in range(count)]

    def command(self, track: Track, seed: int, output: str) -> list[str]:
        """The words that train it once; the track's come last, so they hold."""
        return [*self.words, *self.since, *track.words, f"seed={seed}", f"output={output}", f"study={self.name}"]


@dataclass(frozen=True)
class Retraining:
    """One run of a recipe: its seed, its place, what it cost, where."""

    seed: int
    place: float
    seconds: float
    images: int
    processor: str


@dataclass(frozen=True)
class Claim:
    """What n retrainings show."""

    recipe: Recipe
    track: Track
    runs: tuple[Retraining, ...]

    @property
    def mean(self) -> float:
        """Of place."""
        return statistics.fmean(run.place for run in self.runs)

    @property
    def p(self) -> float:
        """How often recipes whose true place is just the track's show so much."""
        if self.track.sigma is None:
            raise UserError("the track's sigma is not measured yet: colorbench records RUN... --sigma, of 20 runs")
        t = (self.mean - self.track.place) * len(self.runs) ** 0.5 / self.track.sigma
        return float(stats.t.sf(t, self.track.retrainings - 1))

    @property
    def shown(self) -> bool:
        return self.p < self.track.significance

    @property
    def seconds(self) -> float:
        """Median of processor seconds."""
        return statistics.median(run.seconds for run in self.runs)

    def row(self) -> str:
        """A line of the table of records, with its evidence in the cell."""
        spread = f"{min(r.seconds for r in self.runs):,.0f} to {max(r.seconds for r in self.runs):,.0f}"
        mark = "✓" if self.shown else "✗"
        cells = (
            f"{self.seconds:,.0f} ({spread})",
            f"{self.runs[0].images:,}",
            f"{100 * self.mean:.1f} (n={len(self.runs)}, p={self.p:.2g}) {mark}",
            self.recipe.said,
            f"[{self.recipe.name}]({self.recipe.name}.txt)",
            self.runs[0].processor,
        )
        return "| " + " | ".join(cells) + " |"


HEADER = (
    "| processor seconds (range) | images | place, % (evidence) | what it changed | file | processor |\n|" + "---|" * 6
)


def faster(claim: Claim, record: Claim) -> float:
    """p of the claim being no faster than the record: Welch's one-sided t-test on the logarithms of their seconds.
    UserError where these were not taken on the same processor."""
    places = {run.processor for each in (claim, record) for run in each.runs}
    if len(places) > 1:
        raise UserError(f"seconds of unlike processors do not compare: {'; '.join(sorted(places))}")
    if min(len(claim.runs), len(record.runs)) < 2:
        raise UserError("to compare seconds takes two retrainings of each recipe, or more")
    ours, theirs = ([torch.tensor(run.seconds).log().item() for run in each.runs] for each in (claim, record))
    return float(stats.ttest_ind(ours, theirs, equal_var=False, alternative="less").pvalue)


def sigma(runs: Sequence[Retraining]) -> tuple[float, float]:
    """(standard deviation of place over retrainings, its own standard error)."""
    if len(runs) < 2:
        raise UserError("sigma takes two retrainings or more; 20 are the rule")
    found = statistics.stdev(run.place for run in runs)
    return found, found / (2 * (len(runs) - 1)) ** 0.5


def check(recipe: Recipe, track: Track, runs: Sequence[Retraining]) -> Claim:
    """A claim that keeps the rules of seeds and images; UserError otherwise."""
    seeds = sorted(run.seed for run in runs)
    if seeds != recipe.seeds(len(runs)):
        raise UserError(
            f"{recipe.name}: its first {len(runs)} seeds are {recipe.seeds(len(runs))[0]} and on, and these are "
            f"{', '.join(map(str, seeds))}; all of them count, and no others (colorbench records --plan trains them)"
        )
    for what, found in (("images", {run.images for run in runs}), ("processors", {run.processor for run in runs})):
        if len(found) > 1:
            raise UserError(f"{recipe.name}: retrainings of unlike {what}: {', '.join(map(str, sorted(found)))}")
    return Claim(recipe, track, tuple(sorted(runs, key=lambda run: run.seed)))


def read(paths: Sequence[Path], recipe: Recipe, track: Track, *, device: torch.device) -> list[Retraining]:
    """Retrainings from run folders, judged under the track's protocol (those judged before are read).

    UserError for a run that is not the recipe's, is not finished, or was interrupted, so that its processor seconds are
    not known.
    """
    return [_read(path, recipe, track, device) for path in paths]


def _read(path: Path, recipe: Recipe, track: Track, device: torch.device) -> Retraining:
    run = open_run(path)
    asked = compose(recipe.command(track, run.config["seed"], str(path.resolve().parents[1])))
    if other := unlike(asked, run.config, [word.partition("=")[0] for word in recipe.since]):
        raise UserError(f"{path}: not a run of {recipe.name}: {other}")
    seconds, ended = run.status.get("processor_seconds"), run.status.get("ended_by")
    if run.status.get("state") not in ("trained", "finished"):
        raise UserError(f"{path}: {run.status.get('state', 'not begun')}; finish it with the same command")
    if seconds is None or ended != "budget":
        raise UserError(
            f"{path}: interrupted, or ended early, so that its processor seconds do not count; train it in one go "
            "(force=true)"
        )
    images = run.status["images_seen"]
    return Retraining(run.config["seed"], _place(run, asked, device), seconds, images, _machine(path))


def unlike(asked: Mapping[str, Any], found: Mapping[str, Any], since: Sequence[str] = ()) -> str | None:
    """The first key of what is learned, how, and how it is judged, whose value is another; None if there is none.
    ``auto`` is what the run made of it; a run that knows nothing of a key of ``since`` is older than that."""
    sides = []
    for config in (asked, found):
        kept = science(config, "run", "ranks", "data.cache")
        kept["data"] = {**kept["data"], "source": config["data"]["source"]}
        kept["protocol"] = {k: v for k, v in config["protocol"].items() if k not in ("gallery", "matters", "expect")}
        sides.append(dict(flatten(kept)))
    wanted, has = sides
    known = (wanted.keys() | has.keys()) - (set(since) - has.keys())
    keys = sorted(k for k in known if wanted.get(k) not in (has.get(k), "auto"))
    return f"{keys[0]} is {has.get(keys[0])!r}, not {wanted.get(keys[0])!r}" if keys else None


def _place(run: Run, asked: Mapping[str, Any], device: torch.device) -> float:
    output, data = run.path.resolve().parents[1], run.data()
    how = {key: asked[key] for key in ("metrics", "protocol")}
    rows = evaluate_run(run.path, device=device, overrides=how, output=output, precision=asked["precision"])
    planned = plan(how["protocol"], data, Suite.of(how["metrics"]))
    gray, zero = evaluate_baselines(data, planned, output=output, device=device, names=("gray", "neighbors"))
    _, law = judge_oracle("sample", planned, world_of(data), output=output, device=device)
    return place(rows, gray, zero, law).center


def _machine(path: Path) -> str:
    """Processor and threads that a run was trained with."""
    try:
        machine = json.loads((path / "env.json").read_text())["machine"]
        threads = machine["threads"]
        return f"{machine['processor']}, {threads} thread{'s' * (threads != 1)}"
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{path / 'env.json'}: missing or damaged ({error}); the run's processor is not known"
        ) from error
