"""The loop. It owns time, devices and disks, and makes the only ``backward()`` of the package.

    for batch in batches(start = images seen):
        for loss, groups in family.objectives(batch, noise, weights):    the family yields, in the paper's order
            mean(loss).backward(inputs = the groups' parameters)         into the groups that it names only
            clip, step each group's optimizer
        average the weights; images seen += batch
        log · validate · save, when due

Gradient accumulation advances one generator for each micro-batch in lockstep, so that a GAN's generator loss still
sees the discriminator updated on the whole batch. Everything random is a function of (seed, image, visit), so a run
that is killed anywhere and resumed ends with the same weights, bit for bit.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from colorbench import stopping
from colorbench.batch import Batch
from colorbench.engine import heap
from colorbench.engine.budget import Budget, Clock, Interval, Point
from colorbench.engine.checkpoint import Checkpoints, load_into, load_weights
from colorbench.engine.ema import Ema
from colorbench.engine.optimizers import Group, Optimizers, restore_generator
from colorbench.engine.phases import Phase, Phases
from colorbench.engine.precision import Layout, autocast, choose_layout
from colorbench.engine.progress import Progress
from colorbench.engine.ranks import Ranks
from colorbench.engine.sharednorm import share_norms
from colorbench.errors import UserError
from colorbench.family import Family, Objective, Weights
from colorbench.noise import Noise
from colorbench.ranges import Count, Seconds, Several


@runtime_checkable
class Monitor(Protocol):
    """What looks at the pictures while the engine trains; it returns numbers like ``val/psnr``."""

    @property
    def best(self) -> str:
        """The key of the number that chooses the checkpoint ``best`` (lower is better)."""
        ...

    @property
    def gray(self) -> Mapping[str, float]:
        """What gray pictures would get, as far as that is known."""
        ...

    def __call__(self, family: Family, images: int, progress: float) -> Mapping[str, float]:
        """Look at this moment's pictures; progress in [0, 1]."""
        ...


@runtime_checkable
class Record(Protocol):
    """Where numbers go: rows of {key: value} at a number of images seen."""

    def log(self, images: int, values: Mapping[str, float]) -> None: ...


class Interrupted(Exception):
    """A signal asked to stop: the state is saved; the same command goes on."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The ``engine`` node of the config."""

    accumulate: Several
    channels_last: Layout
    log_every: Interval
    validate_every: Interval
    keep_every: Interval | None
    checkpoint_seconds: Seconds
    patience: Count | None
    max_bad_steps: Count


@dataclass(frozen=True)
class Outcome:
    """How training ended. reason: ``budget``, ``early stopping``, ``nothing to train``, or ``pause``: not at all.

    processor: seconds of all threads of this process from the first step to the last, validation and saving included;
    None if the run was begun in an earlier session.
    """

    clock: Clock
    reason: str
    best: float | None
    waiting: float
    processor: float | None


class Engine:
    """Trains one family on one stream of batches.

    batches: start (images seen) -> infinite batches of this rank. optim: the config's node (see Optimizers).
    phases: the config's node (see Phases). record: every number. folder: where checkpoints go. pause: seconds of the
    clock at which training rests, looked at and saved, though the budget goes on; resumed, it is as if it never had.
    """

    def __init__(
        self,
        *,
        family: Family,
        batches: Callable[[int], Iterator[Batch]],
        optim: Mapping[str, Any],
        phases: Mapping[str, Any],
        budget: Budget,
        settings: Settings,
        batch_size: int,
        seed: int,
        device: torch.device,
        precision: str,
        folder: Path,
        record: Record,
        monitor: Monitor,
        progress: Progress,
        ranks: Ranks = Ranks(),  # noqa: B008 (frozen)
        pause: float = math.inf,
    ):
        if batch_size % (ranks.count * settings.accumulate):
            raise UserError(
                f"batch_size: {batch_size} cannot be shared by {ranks.count} ranks x {settings.accumulate} accumulated"
            )
        self.family, self.batches, self.budget, self.settings = family, batches, budget, settings
        self.batch_size, self.seed, self.device, self.precision = batch_size, seed, device, precision
        self.record, self.monitor, self.progress, self.ranks = record, monitor, progress, ranks
        self.pause = pause
        self.micro = batch_size // ranks.count // settings.accumulate
        if choose_layout(settings.channels_last, precision, device):
            to_channels_last(family)
        share_norms(family, ranks)
        self.optimizers = Optimizers(optim, family.trainable())
        self.phases = Phases(phases, budget)
        self.phases.validate(list(self.optimizers.groups), family.weights)
        self.ema = Ema(family, optim["ema"])
        self.scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
        self.checkpoints = Checkpoints(folder / "checkpoints")
        self.clock = Clock()
        self.best: float | None = None
        self.stale = 0  # validations since the best
        self.bad_steps = BadSteps()
        self.saving = 0.0  # seconds that the last checkpoint took
        self.waiting = 0.0  # seconds spent waiting for data, this session
        self.watched = ""  # the newest number that ``best`` goes by, against gray
        self.loss = ""
        self._points = {
            name: Point.parse(getattr(settings, name)) for name in ("log_every", "validate_every", "keep_every")
        }

    def resume(self) -> bool:
        """Continue from the newest checkpoint that can be read, if there is one."""
        found = self.checkpoints.resumable(self.progress.note)
        if found is None:
            return False
        path, state = found
        load_into(self.family, load_weights(path / "weights.safetensors"), str(path))
        self.ema.load(
            {k: v.to(self.device) for k, v in load_weights(path / "ema.safetensors").items()}, state["ema_steps"]
        )
        self.optimizers.load(state["optimizers"])
        self.scaler.load_state_dict(state["scaler"])
        self.clock = Clock(state["images"], state["seconds"])
        self.best, self.stale = state["best"], state["stale"]
        return True

    def fit(self) -> Outcome:
        """Train until the budget is spent. Interrupted: the state is saved. UserError: the loss stays not finite."""
        if not self.optimizers.groups or self.budget.spent(Clock()):  # judge what it begins with
            self._save(("last", "best"))
            return Outcome(self.clock, "nothing to train", None, 0.0, 0.0)
        reason = "early stopping" if self._out_of_patience() else "budget"
        begun = time.process_time() if self.clock.images == 0 else None
        with stopping.noted() as stopped, heap.kept():
            self.family.train()
            saved = time.monotonic()
            stream = self.batches(self.clock.images)
            sums = Sums()
            while not self._rests() and not self._out_of_patience():
                before, started = self.clock, time.perf_counter()
                batch = next(stream)
                waited = time.perf_counter() - started
                index, phase = self.phases.at(before)
                self._step(batch, phase, sums)
                self._synchronize()
                elapsed = time.perf_counter() - started
                self.waiting += waited
                self.clock = Clock(before.images + self.batch_size, self._agree(before.seconds + elapsed))
                sums.tick(self.batch_size, elapsed, waited)
                self.progress.update(self.clock, self.budget.progress(self.clock), lambda: self._said(sums))
                if self._due("log_every", before):
                    self._log(sums, index, phase)
                keep = self._due("keep_every", before)
                if self._due("validate_every", before):
                    self._validate(keep)
                    reason = "early stopping" if self._out_of_patience() else reason
                    saved = time.monotonic()
                elif keep or time.monotonic() - saved > max(self.settings.checkpoint_seconds, 20 * self.saving):
                    self._save(("last",), keep)
                    saved = time.monotonic()
                if self.ranks.any(bool(stopped) or self.progress.unheard):
                    self._save(("last",))
                    by = stopped[0] if stopped else "a closed pipe" if self.progress.unheard else "a signal"
                    raise Interrupted(f"stopped by {by} at {self.clock.images:,} images")
        reason = "pause" if reason == "budget" and not self.budget.spent(self.clock) else reason
        processor = None if begun is None else time.process_time() - begun
        return Outcome(self.clock, reason, self.best, self.waiting, processor)

    def _step(self, batch: Batch, phase: Phase, sums: "Sums") -> None:
        """One batch: every objective that the family yields, in order."""
        restore_generator(self.seed, self.clock.images)
        progress = self.budget.progress(self.clock)
        weights = Weights({**self.family.weights, **phase.weights}, progress)
        number = self.clock.images // self.batch_size
        noise = Noise.of(self.seed, batch.ids, batch.visits)
        pairs = zip(batch.split(self.micro), noise.split(self.micro), strict=True)
        generators = [self.family.objectives(b, n, weights) for b, n in pairs]
        while (objectives := self._advance(generators)) is not None:
            names = objectives[0].groups
            sums.add("+".join(names), objectives)
            groups = [self.optimizers.groups[name] for name in names if phase.steps(name, number)]
            for group in groups:
                group.set_rate(group.decay(progress) * phase.lr_factor(group.name))
            if groups:
                self._update(groups, objectives, len(batch))
        self.ema.update()

    def _advance(self, generators: list[Iterator[Objective]]) -> list[Objective] | None:
        """The next objective of every micro-batch, or None when they are exhausted."""
        with autocast(self.precision, self.device):
            objectives = [next(g, None) for g in generators]
        return None if objectives[0] is None else objectives  # type: ignore[return-value]

    def _update(self, groups: list[Group], objectives: list[Objective], images: int) -> None:
        parameters = [p for group in groups for p in group.parameters]
        for group in groups:
            group.optimizer.zero_grad(set_to_none=True)
        for objective in objectives:
            loss = objective.loss.sum() / images
            self.scaler.scale(loss).backward(inputs=parameters)
        for group in groups:
            self.ranks.average(group.gradients())  # before unscaling: what one rank found, all find
            self.scaler.unscale_(group.optimizer)
        norms = [group.norm() for group in groups]
        bad = ~torch.stack(norms).isfinite().all()
        for group, norm in zip(groups, norms, strict=True):
            group.step(norm, bad)
        self.scaler.update()
        self.bad_steps.add(" and ".join(repr(group.name) for group in groups), bad)

    def _validate(self, keep: bool) -> None:
        """Look at the averaged weights' pictures, log, decide on best, save."""
        self.family.eval()
        with self.ema.applied(), torch.no_grad(), autocast(self.precision, self.device):
            progress = self.budget.progress(self.clock)
            values = dict(self.monitor(self.family, self.clock.images, progress)) if self.ranks.first else {}
        self.family.train()
        values = self.ranks.broadcast(values)  # type: ignore[assignment]
        if self.monitor.best not in values:
            raise UserError(f"monitor.best: {self.monitor.best!r} is not measured; one of {', '.join(sorted(values))}")
        score = values[self.monitor.best]
        better = math.isfinite(score) and (self.best is None or score < self.best)
        self.best, self.stale = (score, 0) if better else (self.best, self.stale + 1)
        gray = f" (gray {self.monitor.gray[self.monitor.best]:.4g})" if self.monitor.best in self.monitor.gray else ""
        self.watched = f"{self.monitor.best} {score:.4g}{gray}"
        self.record.log(self.clock.images, values)
        self._save(("last", "best") if better else ("last",), keep)

    def _save(self, links: tuple[str, ...], keep: bool = False) -> None:
        if not self.ranks.first:
            return
        started = time.monotonic()
        weights, average = self.family.state_dict(), self.ema.state_dict()
        spoiled = next((name for name, value in {**average, **weights}.items() if not _finite(value)), None)
        if spoiled is not None:
            raise UserError(
                f"optim: {spoiled} is not finite, at {self.clock.images:,} images, and not saved; "
                "lower optim.lr or set optim.clip (the last checkpoint is good, if there is one)"
            )
        state = {
            "images": self.clock.images,
            "seconds": self.clock.seconds,
            "best": self.best,
            "stale": self.stale,
            "ema_steps": self.ema.steps,
            "optimizers": self.optimizers.state_dict(),
            "scaler": self.scaler.state_dict(),
        }
        self.checkpoints.save(self.clock.images, weights, average, state, links, keep)
        self.saving = time.monotonic() - started

    def _log(self, sums: "Sums", index: int, phase: Phase) -> None:
        self.bad_steps.check(self.settings.max_bad_steps, self.clock.images)
        values = sums.means()
        progress = self.budget.progress(self.clock)
        for name, group in self.optimizers.groups.items():
            values[f"train/lr_{name}"] = group.lr * group.decay(progress) * phase.lr_factor(name) * phase.trains(name)
        self.record.log(self.clock.images, {**values, "train/phase": float(index), "train/seconds": self.clock.seconds})
        sums.clear()

    def _said(self, sums: "Sums") -> str:
        """For the line of progress: the mean loss since the last log, and the watched number."""
        losses = [f"{key} {value:.3g}" for key, value in sums.losses().items()]
        self.loss = "  ".join(losses) or self.loss
        return "  ".join(part for part in (self.loss, self.watched) if part)

    def _due(self, name: str, before: Clock) -> bool:
        """Has this interval passed with the last step, or does training rest after it (except for keep_every)?"""
        point = self._points[name]
        if point is None:
            return False
        ended = name != "keep_every" and self._rests()
        return ended or point.count(self.clock, self.budget) > point.count(before, self.budget)

    def _rests(self) -> bool:
        return self.budget.spent(self.clock) or self.clock.seconds >= self.pause

    def _out_of_patience(self) -> bool:
        return self.settings.patience is not None and self.stale >= self.settings.patience

    def _agree(self, seconds: float) -> float:
        """All ranks must end at the same step: the first rank's watch counts."""
        timed = self.budget.seconds or math.isfinite(self.pause)
        return self.ranks.broadcast(seconds) if timed else seconds  # type: ignore[return-value]

    def _synchronize(self) -> None:
        if self.device.type == "cuda" and self.budget.seconds:
            torch.cuda.synchronize(self.device)


class Sums:
    """Means of what was logged since the last line, kept on the device so that no step waits for a number."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.totals: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}
        self.images, self.seconds, self.waited = 0, 0.0, 0.0

    def tick(self, images: int, seconds: float, waited: float) -> None:
        self.images, self.seconds, self.waited = self.images + images, self.seconds + seconds, self.waited + waited

    def add(self, group: str, objectives: list[Objective]) -> None:
        """One objective of every micro-batch."""
        for objective in objectives:
            for key, value in {f"loss_{group}": objective.loss, **objective.logs}.items():
                self.totals[key] = self.totals.get(key, 0) + value.detach().float().mean()
                self.counts[key] = self.counts.get(key, 0) + 1

    def losses(self) -> dict[str, float]:
        """``loss`` of one group; ``loss GROUP`` of each of several."""
        found = {k.removeprefix("loss_"): float(v) / self.counts[k] for k, v in self.totals.items() if _of_group(k)}
        return {f"loss {group}" if len(found) > 1 else "loss": value for group, value in found.items()}

    def means(self) -> dict[str, float]:
        """``train/KEY`` -> mean; and images per second, with the share of the time spent waiting for data."""
        values = {f"train/{k}": float(total) / self.counts[k] for k, total in self.totals.items()}
        values["train/images_per_second"] = self.images / max(self.seconds, 1e-9)
        values["train/waiting_share"] = self.waited / max(self.seconds, 1e-9)
        return values


def _of_group(key: str) -> bool:
    return key.startswith("loss_")


class BadSteps:
    """Steps whose loss or gradient was not finite, in a row: counted on the device, so that no step waits for a number.

    Such a step changes nothing (:meth:`Group.step`); how many there were is read with the log's numbers.
    """

    def __init__(self) -> None:
        self.row: dict[str, Tensor] = {}  # groups stepped together -> bad steps up to now, int64 []
        self.longest: dict[str, Tensor] = {}  # the longest row of all

    def add(self, groups: str, bad: Tensor) -> None:
        """bad: bool [], of one step."""
        self.row[groups] = (self.row.get(groups, 0) + bad.long()) * bad
        self.longest[groups] = torch.maximum(self.longest.get(groups, self.row[groups]), self.row[groups])

    def check(self, most: int, images: int) -> None:
        """Raise UserError if ``most`` or more came in a row."""
        for groups, longest in self.longest.items():
            if int(longest) >= most:
                raise UserError(
                    f"optim: {most} steps in a row with a loss or gradient of {groups} that is not finite, "
                    f"by {images:,} images; lower optim.lr or set optim.clip (the last checkpoint is good)"
                )


def _finite(value: Tensor) -> bool:
    return not value.is_floating_point() or bool(value.isfinite().all())


def to_channels_last(module: nn.Module) -> None:
    """Convolution weights in the memory format that is fast in bf16 (on CPUs too). Buffers stay as they are."""
    for p in module.parameters():
        if p.dim() == 4:
            p.data = p.data.contiguous(memory_format=torch.channels_last)
