"""Prolong: a run that another one, equal to it but for the budget, has begun already.

The budget is part of what a run is: a folder of 12,000 images stays what it was judged as. A larger budget is a run of
its own; it takes the other's newest checkpoint from which both are the same, and its weights are bit for bit those that
it would have had from its own first step. That is so as long as nothing has asked how long the training is: the rate
(:class:`colorbench.engine.schedules.Decay`, its ``free`` share), a phase's end in percent, a family's own clock
(``Family.hurries``), early stopping. Where it is not so, one line says what ties the run to its budget.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from colorbench.engine.budget import Budget, Clock, Limits
from colorbench.engine.checkpoint import Checkpoints
from colorbench.engine.phases import Phases
from colorbench.errors import UserError
from colorbench.lock import Lock, Taken
from colorbench.registry import build, checked, lookup
from colorbench.runs import looks
from colorbench.runs.folder import RunFolder

_STATES = ("finished", "interrupted")
_STATELESS = "keep=weights left nothing to go on from; this run begins with nothing"
_FREE = "optim.decay={decay:constant,warmup:0}"


def prolong(
    folder: RunFolder,
    config: Mapping[str, Any],
    identity: Mapping[str, Any],
    pictures: int | None,
    tell: Callable[[str], None],
) -> None:
    """Give a new run the checkpoint of the one that began it, if there is one; its status.json says so.

    pictures: of one epoch. tell: gets a line where a run was found, whether it serves or not.
    """
    if next((folder.path / "checkpoints").glob("images-*"), None) is not None:
        return
    budget = _budget(config["budget"], pictures)
    share, key = free(config, budget)
    refused = ""
    for other, theirs in _others(folder.path, Path(config["output"]), identity, pictures):
        with _mine(other) as held:
            if not held:
                continue
            found = _moments(other)
            common = [
                (p, c)
                for p, c in found
                if not budget.spent(c) and max(b.progress(c) for b in (budget, theirs)) <= share
            ]
            if common:
                _hand_on(*common[0], other, folder, tell)
                return
            if not found and RunFolder(other).status.get("keep") == "weights":
                refused = (
                    refused or f"{other}: cannot go on, {_STATELESS}; init_from={other} trains on from its weights"
                )
            if found and not budget.spent(found[0][1]):
                refused = refused or _said(other, found[0][1], share, key)
    if refused:
        tell(refused)


def free(config: Mapping[str, Any], budget: Budget) -> tuple[float, str]:
    """The share of a budget over which the training does not ask how long it is, and the key that ends it."""
    ends = {
        "optim.decay": build("decay", config["optim"]["decay"], "optim.decay").free(),
        "phases": Phases(config["phases"], budget).free,
        "model": 0.0 if getattr(lookup("family", config["model"]["family"], "model"), "hurries", False) else 1.0,
        "engine.patience": 1.0 if config["engine"]["patience"] is None else 0.0,
    }
    key = min(ends, key=lambda name: ends[name])
    return ends[key], key


def _budget(node: Mapping[str, Any], pictures: int | None) -> Budget:
    return Limits(**checked(Limits, "the budget", "budget", {"epochs": None, **node})).over(pictures)


def _others(
    mine: Path, output: Path, identity: Mapping[str, Any], pictures: int | None
) -> Iterator[tuple[Path, Budget]]:
    """Folders of runs equal but for the budget, those of the same study first, the longest of them first; budgets."""
    files = [*sorted(mine.parent.glob("*/identity.json")), *sorted(output.glob("*/*/identity.json"))]
    found = []
    for file in dict.fromkeys(file.resolve() for file in files):
        try:
            theirs = json.loads(file.read_text())
            budget = _budget(theirs.pop("budget"), pictures)
        except (OSError, ValueError, KeyError, AttributeError, TypeError, UserError):  # damaged
            continue
        if theirs == json.loads(json.dumps({k: v for k, v in identity.items() if k != "budget"})):
            seen = RunFolder(file.parent).status
            if file.parent != mine.resolve() and seen.get("state") in _STATES:
                elsewhere, longest = file.parent.parent != mine.parent.resolve(), -int(seen.get("images_seen", 0))
                found.append((elsewhere, longest, file.parent, budget))
    yield from ((path, budget) for _, _, path, budget in sorted(found, key=lambda one: one[:3]))


@contextmanager
def _mine(folder: Path) -> Iterator[bool]:
    """Within, no other process works on the run; False where one does."""
    lock = Lock(folder / "lock")
    try:
        lock.take()
    except (Taken, OSError):
        yield False
        return
    try:
        yield True
    finally:
        lock.give_back()


def _moments(run: Path) -> list[tuple[Path, Clock]]:
    """The run's checkpoints that training can go on from, and their clocks; the newest first."""
    checkpoints, found = Checkpoints(run / "checkpoints"), []
    for path in sorted(checkpoints.folder.glob("images-*"), reverse=True):
        with suppress(Exception):  # torch.load raises nearly anything for a damaged file
            state = checkpoints.load_state(path)
            found.append((path, Clock(int(state["images"]), float(state["seconds"]))))
    return found


def _hand_on(checkpoint: Path, clock: Clock, run: Path, folder: RunFolder, tell: Callable[[str], None]) -> None:
    """Copy the checkpoint, and of the run's record what leads up to it (whoever resumes forgets later lines)."""
    for name in ("metrics.jsonl", looks.NAME):
        if (run / name).is_file():
            shutil.copyfile(run / name, folder.path / name)
    folder.set_status("running", prolongs={"run": run.name, "images": clock.images})
    Checkpoints(folder.path / "checkpoints").adopt(checkpoint, best=run / "checkpoints" / "best")
    tell(
        f"goes on from {run}, the same run with another budget, at {clock.images:,} images: as if it were one training"
    )


def _said(run: Path, clock: Clock, share: float, key: str) -> str:
    """Why a run that is equal but for its budget does not serve, and what to type."""
    why = {
        "optim.decay": "its rate falls with its budget",
        "phases": "its phases are shares of its budget",
        "model": "this model's objective follows its budget",
        "engine.patience": "it stops early, by looks at shares of its budget",
    }[key]
    kept = f" after {share:.0%} of it, and no checkpoint from before is kept (engine.keep_every={share:.0%})"
    cure = f"; a run with {_FREE} can be prolonged" if key == "optim.decay" else ""
    return (
        f"{run}: the same run of {clock.images:,} images cannot be prolonged, {why} ({key}){kept if share else ''}; "
        f"this one begins with nothing. To train on from its weights instead: init_from={run}{cure}"
    )
