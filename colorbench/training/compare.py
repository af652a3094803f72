"""A comparison: which family is best for these pictures at this budget, by successive halving.

Rungs as in Jamieson & Talwalkar 2016, "Non-stochastic Best Arm Identification", algorithm 1: each rung gets the same
share of the budget, shared evenly by the families still in it; the better half by the joint score of validation
pictures (colorbench/metrics/place.py) goes on from where it stands. Every family is one run, whose budget is what a
finalist gets, with a rate that is constant until the last fifth of it; a rung is a pause of that run, so nothing is
trained twice and a finalist's folder is like any other. Only the finalists are judged on test pictures, once, after the
last rung.

The families of a rung train one after another, or side by side by the launcher of a sweep (``hydra/launcher=workers
hydra.launcher.n_jobs=2``); seconds are those of each training, whoever trains beside it.

``<output>/<study>/compare.json`` holds the plan and what every rung found; stopped anywhere, the same words go on, and
by another launcher if asked.
"""

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from colorbench import atomic
from colorbench.data.dataset import open_data
from colorbench.engine.engine import Interrupted
from colorbench.errors import UserError
from colorbench.lock import held
from colorbench.registry import suggest
from colorbench.report.answer import Answer, Entry, write_answer
from colorbench.runs import config as configuration
from colorbench.runs.looks import read_moments
from colorbench.runs.run import open_run
from colorbench.training import schema
from colorbench.training.launch import launch, split
from colorbench.training.train import train


@dataclass(frozen=True)
class Rung:
    """count: families in it. seconds: of training that each has had at its end."""

    count: int
    seconds: float


def rungs(families: int, seconds: float, finalists: int) -> list[Rung]:
    """The rungs that spend ``seconds`` on so many families, down to the finalists."""
    counts = [families]
    while counts[-1] > finalists:
        counts.append(max(finalists, -(-counts[-1] // 2)))
    had, found = 0.0, []
    for count in counts:
        had += seconds / len(counts) / count
        found.append(Rung(count, round(had, 2)))
    return found


def compare(words: Sequence[str], models: Sequence[str] = (), finalists: int | None = None) -> Path:
    """Run the comparison that the words of a training ask for; its page. models: names, or none for all that train.
    finalists: how many are judged; None: conf/compare.yaml says.

    Raises UserError, before anything trains, for what cannot be composed; Interrupted when it was stopped.
    """
    words, launcher = split(words)
    for word in words:
        if word.partition("=")[0].lstrip("+") in ("model", "init_from", "force", "evaluate"):
            raise UserError(f"{word}: a comparison sets it itself; models=a,b,c chooses among the families")
    options = yaml.safe_load((configuration.conf_dir() / "compare.yaml").read_text(encoding="utf-8"))
    options |= {"finalists": finalists} if finalists else {}
    brief = options.pop("brief")  # words, not part of what a comparison is
    asked, words = words, [*options["words"], *words]
    common = configuration.compose(words)
    seconds = common["budget"]["seconds"]
    if seconds is None:
        raise UserError("budget.seconds: say how long the whole comparison may train, as in budget.seconds=3600")
    configs, left_out = _candidates(words, models, options["decay"])
    ladder = rungs(len(configs), seconds, options["finalists"])
    data = open_data(common["data"])
    for part, pictures in (("val", data.val), ("test", data.test)):
        if len(pictures) < options["least"]:
            raise UserError(
                f"data: {len(pictures)} pictures in {part}, at least {options['least']} decide; data.source.share=0.2"
                " gives it more, or put pictures into folders named train, val and test"
            )
    plan = {"words": list(words), "models": list(configs), "pictures": data.fingerprint, "options": options}
    study = common["study"] or f"compare-{configuration.digest(plan)}"
    folder = Path(common["output"]) / study
    state = _State(folder / "compare.json", plan)
    for line in left_out:
        print(f"left out: {line}")
    first = ladder[0].seconds
    if len(ladder) > 1 and first < brief:
        print(
            f"brief: {first:.0f} s for each of {len(configs)} families in the first rung say who starts fast, not who"
            f" is best; name fewer (models=a,b,c), or budget.seconds={math.ceil(seconds * brief / first)}"
        )
    alive = list(configs)
    for number, rung in enumerate(ladder):
        last = number == len(ladder) - 1
        print(f"rung {number + 1} of {len(ladder)}: {len(alive)} families to {rung.seconds:,.1f} s each")
        climbs = {
            model: _Climb(
                _run(configs[model], study, ladder[-1].seconds, judged=last), model, tuple(words), rung.seconds, last
            )
            for model in alive
            if state.entry(number, model) is None
        }
        if launcher and climbs:
            launch([[f"model={model}", *words] for model in climbs], partial(_job, state, number, climbs), launcher)
        else:
            for climb in climbs.values():
                state.add(number, climb())
        found = [e for model in alive if (e := state.entry(number, model)) is not None and not e.failed]
        if not found:
            raise UserError(f"{folder}: every family failed; the first: {state.rungs[number][0].failed}")
        ranked = sorted(found, key=lambda e: (e.score, e.model))
        alive = [e.model for e in (ranked if last else ranked[: ladder[number + 1].count])]
        print("  " + ", ".join(f"{e.model} {e.score:.3f}" for e in ranked))
    answer = Answer(
        words=tuple(asked),
        training=len(data.train),
        size=common["data"]["size"],
        seconds=seconds,
        ends=tuple(rung.seconds for rung in ladder),
        rungs=tuple(tuple(r) for r in state.rungs),
        left_out=tuple(left_out),
        pictures=options["pictures"],
        longer=options["longer"],
    )
    return write_answer(answer, folder)


def _candidates(
    words: Sequence[str], models: Sequence[str], decay: Mapping[str, Any]
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """({model: its configuration}, why others are left out). Named ones must be fit: UserError."""
    known = configuration.options("model")
    found: dict[str, dict[str, Any]] = {}
    left_out = []
    for model in models or known:
        if model not in known:
            raise UserError(f"models: no model {model!r}{suggest(model, known)}")
        try:
            config = configuration.compose([*words, f"model={model}"])
            config = {**config, "optim": {**config["optim"], "decay": dict(decay)}}
            schema.check(config)
            trains = bool(schema.on_paper(config["model"]).trainable())
        except UserError as error:
            if models:
                raise
            left_out += [f"{model}: {error}"] if _learns(model) else []
            continue
        if trains:
            found[model] = config
        elif models:
            raise UserError(f"models: {model} has nothing to train; every table carries the trivial rows by itself")
    if not found:
        raise UserError("models: none can be trained on these words")
    return found, left_out


def _learns(model: str) -> bool:
    """Has it something to train, by its own yaml?"""
    try:
        return bool(schema.on_paper(configuration.compose([f"model={model}"])["model"]).trainable())
    except UserError:
        return True


def _run(config: Mapping[str, Any], study: str, seconds: float, *, judged: bool) -> dict[str, Any]:
    budget = {**config["budget"], "images": None, "epochs": None, "seconds": seconds}
    return {**config, "study": study, "budget": budget, "evaluate": judged}


@dataclass(frozen=True)
class _Climb:
    """One family to the end of a rung. A family that fails is out; it does not take the others with it."""

    config: dict[str, Any]
    model: str
    words: tuple[str, ...]
    seconds: float
    last: bool

    def __call__(self) -> Entry:
        started, words = time.perf_counter(), [*self.words, f"model={self.model}"]
        try:
            chosen = configuration.choices(words)
            more = {} if self.last else {"pause": self.seconds}
            done = train(self.config, model=self.model, experiment="compare", overrides=words, choices=chosen, **more)
            moments = read_moments(done.path)
            if moments is None:
                raise UserError(f"{done.path}: no look at its validation pictures was kept")
        except (Interrupted, KeyboardInterrupt):
            raise
        except Exception as error:
            return Entry(self.model, "", 0.0, 0, 0.0, 0, 0.0, failed=f"{type(error).__name__}: {error}")
        status = open_run(done.path).status
        return Entry(
            self.model,
            str(done.path),
            float(moments.score[-1].mean()),
            int(status["images_seen"]),
            float(status["seconds"]),
            int(status["evaluations"]),
            time.perf_counter() - started,
        )


def _job(state: "_State", number: int, climbs: Mapping[str, _Climb], tree: Any) -> None:
    """A launcher's job: the climb of its own model, noted on the disk."""
    from hydra.core.hydra_config import HydraConfig

    try:
        state.add(number, climbs[HydraConfig.get().runtime.choices["model"]]())
    except Interrupted as stop:  # Hydra would go on to the next
        raise KeyboardInterrupt(str(stop)) from stop


class _State:
    """compare.json, read and written anew after every training, by any of the processes that share the work."""

    def __init__(self, file: Path, plan: Mapping[str, Any]) -> None:
        """UserError where the file is of another comparison."""
        self.file, self.plan = file, json.loads(json.dumps(plan))
        self.file.parent.mkdir(parents=True, exist_ok=True)
        if self.file.is_file() and self._held()["plan"] != self.plan:
            raise UserError(f"{file}: holds another comparison; give this one another study=NAME")

    @property
    def rungs(self) -> list[list[Entry]]:
        """What every rung found so far."""
        if not self.file.is_file():
            return []
        found = self._held()["rungs"]
        try:
            return [[Entry(**entry) for entry in rung] for rung in found]
        except (KeyError, TypeError) as error:
            raise self._damaged(error) from error

    def _held(self) -> dict[str, Any]:
        try:
            found = json.loads(self.file.read_text(encoding="utf-8"))
            return {"plan": found["plan"], "rungs": found["rungs"]}
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> UserError:
        return UserError(f"{self.file}: damaged ({error}); move it away, finished runs are found again")

    def entry(self, number: int, model: str) -> Entry | None:
        """What a rung found of a model."""
        rungs = self.rungs
        return next((e for e in rungs[number] if e.model == model), None) if number < len(rungs) else None

    def add(self, number: int, entry: Entry) -> None:
        """Noted, on the disk."""
        with held(self.file.with_name(".compare.lock")):
            rungs = self.rungs
            rungs += [[] for _ in range(number + 1 - len(rungs))]
            rungs[number].append(entry)
            atomic.write_json(self.file, {"plan": self.plan, "rungs": [[asdict(e) for e in rung] for rung in rungs]})
