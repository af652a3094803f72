"""Train one run: open the data, name the folder, build the family, fit, evaluate. The recipe of `python -m colorbench`.

The same configuration finds the same folder: finished runs are skipped, cut ones go on where they stopped.
"""

import gc
import json
import math
import os
import shutil
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from colorbench import atomic
from colorbench.data.dataset import DataSet, open_data
from colorbench.engine.budget import Limits
from colorbench.engine.checkpoint import Checkpoints
from colorbench.engine.engine import Engine, Interrupted, Outcome, Settings
from colorbench.engine.precision import choose_device, choose_layout, choose_precision
from colorbench.engine.progress import Progress
from colorbench.engine.ranks import Ranks
from colorbench.errors import UserError
from colorbench.evaluation.baselines import evaluate_baselines
from colorbench.evaluation.protocol import plan as make_plan
from colorbench.evaluation.rows import Evaluation
from colorbench.evaluation.runs import evaluate_run
from colorbench.family import Family
from colorbench.metrics.suite import Suite
from colorbench.progress import in_notebook
from colorbench.registry import build, checked
from colorbench.report.gallery import draw_columns
from colorbench.report.preview import write_preview
from colorbench.report.sheet import by_protocol, gather, sheet
from colorbench.report.terminal import show
from colorbench.runs import config as configuration
from colorbench.runs import names
from colorbench.runs.claim import claim
from colorbench.runs.curves import draw_curves
from colorbench.runs.environment import describe
from colorbench.runs.folder import RunFolder
from colorbench.runs.looks import Looks
from colorbench.runs.record import Journal, Logger, read_jsonl
from colorbench.runs.run import open_run
from colorbench.training import schema
from colorbench.training.flops import training_flops
from colorbench.training.monitor import Monitor, Options
from colorbench.training.prolong import prolong
from colorbench.training.start import warm_start
from colorbench.trunks.maps import keep

_AGAIN = "run again: it goes on"


@dataclass(frozen=True)
class Result:
    """path: the run folder. skipped: it was finished before. best: the monitor's best value, for sweepers."""

    path: Path
    skipped: bool
    best: float | None


def train(
    config: Mapping[str, Any],
    *,
    model: str,
    experiment: str,
    overrides: Sequence[str] = (),
    choices: Mapping[str, str] = MappingProxyType({}),
    pause: float = math.inf,
) -> Result:
    """Run what ``config`` (resolved) asks for. Raises UserError, Interrupted; a failure is noted in the folder too.

    choices: {config group: option} that ``config`` was composed of; they name the row where models alone do not.
    pause: seconds of training at which the run rests, not judged, though its budget goes on.
    """
    schema.check(config)
    ranks = Ranks.join()
    gpus = torch.cuda.device_count() if config["device"] == "auto" and ranks.count == 1 else 0
    with atomic.told(config["output"], _AGAIN), claim(gpus) as free:
        device = choose_device(config["device"], ranks.local if ranks.count > 1 else free)
        return _train(config, model, experiment, overrides, choices, ranks, device, pause)


def _train(
    config: Mapping[str, Any],
    model: str,
    experiment: str,
    overrides: Sequence[str],
    choices: Mapping[str, str],
    ranks: Ranks,
    device: torch.device,
    pause: float,
) -> Result:
    precision = choose_precision(config["precision"], device)
    layout = choose_layout(config["engine"]["channels_last"], precision, device)
    engine = {**config["engine"], "channels_last": layout}
    config = {**config, "precision": precision, "engine": engine, "ranks": ranks.count}
    data = open_data(config["data"])
    asked = {**config, "run": {"model": model}}
    identity = configuration.identity(asked, data.fingerprint)
    study = Path(config["output"]) / (config["study"] or experiment)
    folder = RunFolder(names.place(study, config, model, experiment, configuration.digest(identity)))
    if not ranks.first:  # the first rank owns the disk
        if ranks.broadcast(None):
            return Result(folder.path, True, None)
        return _fit(config, model, folder, data, ranks, device, precision, pause)
    with folder:
        if config["force"]:
            _empty(folder.path)
        _same_run(folder, identity)
        finished = folder.status.get("state") == "finished"
        if not finished and pause == math.inf:  # a comparison's rungs begin alike
            prolong(folder, config, identity, data.epoch, print)
        ranks.broadcast(finished)
        if finished:
            print(f"{folder.path}: finished before, skipped (force=true runs it again)")
            if config["keep"] == "weights":
                folder.set_status("finished", keep="weights")
                Checkpoints(folder.path / "checkpoints").thin("weights")
            if config["evaluate"]:  # another protocol may be asked for; the same one is read from disk
                _tell(folder, *_evaluate(folder, config, device))
            return Result(folder.path, True, folder.status.get("best"))
        if not folder.status:
            for other in _on_other_ranks(folder, asked, data.fingerprint):
                print(other)
        if config["evaluate"]:
            _rehearse(config, data, device)
        folder.write_json("identity.json", identity)
        run = {"model": model, "experiment": experiment, "name": folder.path.name, "choices": dict(choices)}
        folder.write_yaml("config.yaml", {**config, "run": run})
        folder.write_text("overrides.txt", "".join(f"{word}\n" for word in overrides))
        folder.write_json("env.json", describe(device, precision))
        folder.set_status("running", error=None, pid=os.getpid(), **spent_before(config["init_from"]))
        try:
            with atomic.told(folder.path, _AGAIN):
                return _fit(config, model, folder, data, ranks, device, precision, pause)
        except (Interrupted, KeyboardInterrupt, BrokenPipeError) as stop:
            if folder.status.get("state") != "finished":  # then its table was not read to the end
                _note(folder, "interrupted", str(stop) or "interrupted")
            raise
        except Exception as error:
            _note(folder, "failed", f"{type(error).__name__}: {error}", traceback.format_exc())
            raise


def _fit(
    config: Mapping[str, Any],
    model: str,
    folder: RunFolder,
    data: DataSet,
    ranks: Ranks,
    device: torch.device,
    precision: str,
    pause: float,
) -> Result:
    progress = Progress(model, quiet=not ranks.first)
    with _clean_state(config["deterministic"]):
        family = _family(config, device)
        if data.returns:
            keep(family, data.folder.parent)
        checkpoints = Checkpoints(folder.path / "checkpoints")
        if ranks.first:
            checkpoints.tidy()
        start = checkpoints.resumable(lambda _: None)  # the engine tells
        if start is None:
            if config["init_from"]:
                start_from, mapping = config["init_from"], config["init_map"]
                warm_start(family, start_from, mapping, output=Path(config["output"]), tell=progress.note)
            if type(family).prepare is not Family.prepare:
                progress.note(f"{model}: one pass over {len(data.train):,} training pictures before the first step")
            with torch.no_grad():
                family.prepare(data.train.batches(config["batch_size"], device))
        loggers = _loggers(config, folder, model) if ranks.first else []
        journal = Journal(folder.path, loggers, start[1]["images"] if start else 0) if ranks.first else _Silence()
        curves = _Curves(journal, folder.path, model) if ranks.first else None
        limits = Limits(**checked(Limits, "the budget", "budget", config["budget"]))
        engine = Engine(
            family=family,
            batches=lambda start: data.train_batches(
                batch_size=config["batch_size"],
                seed=config["seed"],
                start=start,
                device=device,
                rank=ranks.index,
                world=ranks.count,
            ),
            optim=config["optim"],
            phases=config["phases"],
            budget=limits.over(data.epoch),
            settings=Settings(**checked(Settings, "the engine", "engine", config["engine"])),
            batch_size=config["batch_size"],
            seed=config["seed"],
            device=device,
            precision=precision,
            folder=folder.path,
            record=curves or journal,
            monitor=_monitor(config, data, folder, journal, progress, device),
            progress=progress,
            ranks=ranks,
            pause=pause,
        )
        progress.note(_header(config, family, data, folder, device, precision))
        if start:
            engine.resume()
            progress.note(f"{model}: resumed at {engine.clock.images:,} images ({folder.path})")
        if config["compile"]:
            for network in family.trainable().values():
                network.compile()
        try:
            outcome = engine.fit()
        finally:
            progress.close()
            if curves:
                curves.draw()
        facts = _facts(family, outcome, config, device, precision)
        if outcome.reason == "pause":
            if ranks.first:
                folder.set_status("paused", **facts)
                for logger in loggers:
                    logger.finish(folder.status, None, open_run(folder.path).checkpoint("last"))
            ranks.leave()
            return Result(folder.path, False, outcome.best)
        if ranks.first:
            folder.set_status("trained", **facts)
            rows = judged = None
            if config["evaluate"]:
                judged = _evaluate(folder, config, device)
                done = judged[0]
                journal.log(outcome.clock.images, {f"test/{k}": float(v.mean()) for k, v in done.per_image.items()})
                if done.protocol.gallery:
                    journal.picture(outcome.clock.images, "test/picture", folder.path / "picture.png")
                rows = done.folder and done.folder / "rows.csv"
            folder.set_status("finished", keep=config["keep"])
            checkpoints.thin(config["keep"])
            result = open_run(folder.path).checkpoint()
            for logger in loggers:
                logger.finish(folder.status, rows, result)
            if judged:
                _tell(folder, *judged)
        ranks.leave()
        return Result(folder.path, False, outcome.best)


def _header(
    config: Mapping[str, Any], family: Family, data: DataSet, folder: RunFolder, device: torch.device, precision: str
) -> str:
    """Where, on what, with what and how long: before the first step."""
    count = sum(p.numel() for p in family.parameters())
    trained = sum(p.numel() for group in family.trainable().values() for p in group.parameters() if p.requires_grad)
    budget = {"images": config["budget"]["images"], "s": config["budget"]["seconds"]}
    limits = " or ".join(f"{value:,} {unit}" for unit, value in budget.items() if value is not None)
    return (
        f"{folder.path}\n"
        f"  {device}, {precision}, {count / 1e6:.2f} M parameters"
        f"{f', {trained / 1e6:.2f} M trained' if trained != count else ''}; "
        f"{len(data.train):,} training and {len(data.val):,} validation pictures, {config['data']['size']} px; "
        f"{limits or 'no limit'}, {config['batch_size']} at a time"
    )


def _note(folder: RunFolder, state: str, error: str, trace: str = "") -> None:
    """How it ended; where the disk takes no more words, what ended it is told all the same."""
    with suppress(UserError):
        if trace:
            folder.write_text("traceback.txt", trace)
        folder.set_status(state, error=error)


def _same_run(folder: RunFolder, identity: Mapping[str, Any]) -> None:
    """The folder's name says what it holds; refuse to resume when its own record says otherwise."""
    file = folder.path / "identity.json"
    if not file.exists():
        return
    try:
        before = dict(configuration.flatten(json.loads(file.read_text())))
    except (
        OSError,
        ValueError,
        AttributeError,
        RecursionError,
    ):  # damaged: it is written anew; the folder's name holds its hash
        return
    now = dict(configuration.flatten(json.loads(atomic.json_text(identity))))
    for key in sorted({*before, *now}):
        if before.get(key) != now.get(key):
            raise UserError(
                f"{file}: this folder holds a run with {key}={before.get(key)!r}, not {now.get(key)!r}; "
                "move the folder away, or run with force=true"
            )


def _on_other_ranks(folder: RunFolder, config: Mapping[str, Any], fingerprint: str) -> Iterator[str]:
    """Where a run begins: a line for each that is the same but for its number of ranks, and so is another."""
    ours, images = config["ranks"], config["batch_size"]
    for count in (n for n in range(1, images + 1) if images % n == 0 and n != ours):
        digest = configuration.digest(configuration.identity({**config, "ranks": count}, fingerprint))
        there = names.found(folder.path.parent, config["run"]["model"], digest)
        other = RunFolder(there or folder.path.with_name(digest))
        if there and other.status:
            yield (
                f"{other.path}: this run on {count} rank{'s' * (count > 1)} ({other.status.get('state')}) is another; "
                f"on {ours} it begins with nothing"
            )


def _family(config: Mapping[str, Any], device: torch.device) -> Family:
    torch.manual_seed(config["seed"])
    return build("family", config["model"], "model").to(device)


def spent_before(source: str | None) -> dict[str, Any]:
    """What the run that this one starts from cost, with all that it started from: a comparison counts it too."""
    if source is None or not (Path(source) / "config.yaml").is_file():
        return {}
    status = open_run(source).status
    earlier = status.get("before", {})
    costs = {
        "images_seen": status.get("images_seen", 0),
        "seconds": status.get("seconds", 0.0),
        "operations": status.get("flops", 0.0) * status.get("images_seen", 0),
    }
    return {"before": {key: value + earlier.get(key, 0) for key, value in costs.items()}}


def _monitor(
    config: Mapping[str, Any], data: DataSet, folder: RunFolder, journal: Any, progress: Progress, device: torch.device
) -> Monitor:
    options = Options(**checked(Options, "the monitor", "monitor", config["monitor"]))
    return Monitor(
        pictures=data.val.take(options.images),
        batch_size=config["batch_size"],
        device=device,
        seed=config["seed"],
        options=options,
        folder=folder.path / "previews",
        draw=draw_columns,
        warn=progress.note,
        show=journal.picture,
        keep=Looks(folder.path).add,
    )


def _loggers(config: Mapping[str, Any], folder: RunFolder, model: str) -> list[Logger]:
    loggers = [build("logger", options, f"logger.{name}") for name, options in config["logger"].items()]
    for logger in loggers:
        logger.start(
            name=folder.path.name, model=model, group=folder.path.parent.name, folder=folder.path, config=config
        )
    return loggers


def _rehearse(config: Mapping[str, Any], data: DataSet, device: torch.device) -> None:
    """Judge the truth before anything is trained: whatever the metrics and the protocol refuse costs no budget. Its
    rows are kept, so nothing is judged twice."""
    plan = make_plan(config["protocol"], data, Suite.of(config["metrics"]))
    evaluate_baselines(
        data, plan, output=Path(config["output"]), device=device, batch_size=config["batch_size"], names=("truth",)
    )


def _evaluate(folder: RunFolder, config: Mapping[str, Any], device: torch.device) -> tuple[Evaluation, Path | None]:
    """Judge the run on the test split, and draw gray | truth | model."""
    output = Path(config["output"])
    done = evaluate_run(
        folder.path,
        device=device,
        output=output,
        batch_size=config["batch_size"],
        precision=config["precision"],
        overrides={key: config[key] for key in ("metrics", "protocol")},
    )
    baselines = output / "baselines" / done.protocol.id
    trivial = [Evaluation.read(baselines / name) for name in ("gray", "truth")]
    samples = 2 if done.record["stochastic"] else 1
    picture = None
    if done.protocol.gallery:
        picture = write_preview([*trivial, done], folder.path / "picture.png", samples=samples)
    return done, picture


def _tell(folder: RunFolder, done: Evaluation, picture: Path | None) -> None:
    """The run's row between the trivial ones, and where things lie: the last that a run does, as a reader may have
    left. A notebook shows the table of the run that it was given."""
    if not in_notebook():
        show([sheet(by_protocol(gather([folder.path]))[0])])
    print(f"rows: {done.folder}\ncurves: {folder.path / 'curves.png'}")
    if picture:
        print(f"picture: {picture}")


def _facts(
    family: Family, outcome: Outcome, config: Mapping[str, Any], device: torch.device, precision: str
) -> dict[str, Any]:
    return {
        "images_seen": outcome.clock.images,
        "seconds": outcome.clock.seconds,
        "ended_by": outcome.reason,
        "best": outcome.best,
        "waiting_seconds": outcome.waiting,
        "processor_seconds": outcome.processor,
        "peak_memory_mb": _peak(device),
        "parameters": sum(p.numel() for p in family.parameters()),
        "flops": training_flops(family, config["data"]["size"], device),
        "evaluations": family.evaluations(config["data"]["size"], config["data"]["size"]),
        "stochastic": family.stochastic,
        "device": str(device),
        "precision": precision,
        "budget": dict(config["budget"]),
    }


def _peak(device: torch.device) -> float | None:
    """The most memory that the run held, in MB; None where the system does not tell (Windows)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        import resource
    except ImportError:
        return None
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


class _Curves:
    """A record that also draws the run's curves: every 20 seconds, for at most 2 % of the time, and at the end."""

    def __init__(self, journal: Any, folder: Path, title: str):
        self.journal, self.folder, self.title = journal, folder, title
        self.next = time.monotonic() + 20.0

    def log(self, images: int, values: Mapping[str, float]) -> None:
        self.journal.log(images, values)
        if time.monotonic() >= self.next:
            self.draw()

    def draw(self) -> None:
        started = time.monotonic()
        draw_curves(read_jsonl(self.folder / "metrics.jsonl"), self.folder / "curves.png", self.title)
        ended = time.monotonic()
        self.next = ended + max(20.0, 50 * (ended - started))


class _Silence:
    """The record of the ranks that do not write."""

    def log(self, images: int, values: Mapping[str, float]) -> None:
        """Nothing."""

    def picture(self, images: int, key: str, file: Path) -> None:
        """Nothing."""


def _empty(folder: Path) -> None:
    """force=true: start from nothing (the lock stays ours)."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name not in ("lock", "lock.owner"):
            path.unlink()


@contextmanager
def _clean_state(deterministic: bool) -> Iterator[None]:
    """Nothing of one run may reach the next one of the same process: flags, caches, device memory, compiled code."""
    flags = (
        torch.are_deterministic_algorithms_enabled(),
        torch.backends.cudnn.benchmark,
        torch.get_float32_matmul_precision(),
    )
    torch.backends.cudnn.benchmark = not deterministic
    torch.set_float32_matmul_precision("highest" if deterministic else "high")
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(flags[0])
        torch.backends.cudnn.benchmark = flags[1]
        torch.set_float32_matmul_precision(flags[2])
        if "torch._dynamo" in sys.modules:  # importing it takes seconds, and nothing was compiled without it
            torch._dynamo.reset()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
