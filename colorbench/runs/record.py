"""The run's own record: every number in metrics.jsonl and metrics.csv, whatever else logs. Needs no account.

A resumed run first forgets the lines that lie beyond its checkpoint, and those of its evaluation, so that the record of
a killed run reads like the record of one that was never killed.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from colorbench import atomic


@runtime_checkable
class Logger(Protocol):
    """A place that numbers, pictures and facts also go to (W&B, TensorBoard)."""

    def start(self, *, name: str, model: str, group: str, folder: Path, config: Mapping[str, Any]) -> None:
        """Before training, also of a resumed run. ``group`` is what the runs of one sweep share."""

    def log(self, images: int, values: Mapping[str, float]) -> None:
        """The numbers of one moment."""

    def picture(self, images: int, key: str, file: Path) -> None:
        """A PNG of this moment."""

    def finish(self, summary: Mapping[str, Any], rows: Path | None, checkpoint: Path | None) -> None:
        """At the end, or when the run is stopped: facts, the per-image rows (CSV), the checkpoint that it stands by."""


class Journal:
    """metrics.jsonl (one object for each moment) and metrics.csv (images_seen, key, value), and the loggers."""

    def __init__(self, folder: Path, loggers: Sequence[Logger] = (), images: int = 0):
        """images: where the run stands; later lines are forgotten."""
        self.jsonl, self.csv, self.loggers = folder / "metrics.jsonl", folder / "metrics.csv", loggers
        before = (r for r in read_jsonl(self.jsonl) if r["images_seen"] <= images and not _judged(r)) if images else ()
        rows = list(before)
        atomic.write_text(self.jsonl, "".join(map(_json, rows)))
        atomic.write_text(self.csv, _lines([["images_seen", "key", "value"]]) + "".join(map(_csv, rows)))

    def log(self, images: int, values: Mapping[str, float]) -> None:
        row = {"images_seen": images, **values}
        atomic.append(self.jsonl, _json(row))
        atomic.append(self.csv, _csv(row))
        for logger in self.loggers:
            logger.log(images, values)

    def picture(self, images: int, key: str, file: Path) -> None:
        """Show a picture that is already on disk to the loggers."""
        for logger in self.loggers:
            logger.picture(images, key, file)


def read_jsonl(file: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl up to the first damaged one; a last line may be cut by a kill."""
    rows: list[dict[str, Any]] = []
    for line in file.read_text(errors="replace").splitlines() if file.is_file() else []:
        try:
            row = {key: float(value) if isinstance(value, str) else value for key, value in json.loads(line).items()}
            if not all(isinstance(value, int | float) for value in (row["images_seen"], *row.values())):
                break
            rows.append(row)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            break
    return rows


def _judged(row: Mapping[str, Any]) -> bool:
    """Of the evaluation at the end, which a run that was cut after it makes again."""
    return any(key.startswith("test/") for key in row)


def _json(row: Mapping[str, Any]) -> str:
    return atomic.json_text(row) + "\n"


def _csv(row: Mapping[str, Any]) -> str:
    return _lines([[row["images_seen"], key, value] for key, value in row.items() if key != "images_seen"])


def _lines(rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()
