"""Rows: what an evaluation leaves on disk, and how it is read back. No average is ever stored.

``<run>/eval/<protocol id>/`` and ``outputs/baselines/<protocol id>/<name>/`` hold

    protocol.json   how the pictures were judged (:mod:`colorbench.evaluation.protocol`)
    rows.csv        one row for each (image, sample): a column for each metric
    draws.csv       one row for each image: metrics over all its samples (energy score, diversity, ranks)
    set.json        metrics of the whole set (FID, KID), histograms of hue
    record.json     who was judged: name, kind, seed, budget, costs; written last, so that it marks completion
    gallery/        some of the pictures, <image>-<sample>.png, in the order of gallery.json
"""

import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorbench import atomic
from colorbench.errors import UserError
from colorbench.evaluation.protocol import Protocol
from colorbench.spreadsheet import guarded, plain

Columns = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Evaluation:
    """The rows of one system under one protocol.

    names: [n]. scores: {metric: [n, K]}. draws: {metric: [n]}. sets: what set.json holds. record: who was judged.
    """

    protocol: Protocol
    record: Mapping[str, Any]
    names: list[str]
    scores: Columns
    draws: Columns
    sets: Mapping[str, Any]
    folder: Path | None = field(default=None, compare=False)

    @cached_property
    def per_image(self) -> Columns:
        """{metric: [n]}: the mean over samples, and the metrics over draws."""
        return {name: values.mean(1) for name, values in self.scores.items()} | dict(self.draws)

    def write(self, folder: Path) -> "Evaluation":
        """Write everything but the gallery, record.json last. Returns what was written, as it will be read."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "record.json").unlink(missing_ok=True)  # of an older evaluation: unfinished until the end
        atomic.write_json(folder / "protocol.json", self.protocol.lossless)
        samples = next(iter(self.scores.values())).shape[1]
        header = ["image", "sample", *self.scores]
        rows = (
            [guarded(name), k, *(f"{values[i, k]:.7g}" for values in self.scores.values())]
            for i, name in enumerate(self.names)
            for k in range(samples)
        )
        _write_csv(folder / "rows.csv", header, rows)
        columns = list(self.draws.values())
        by_image = ([guarded(name), *(f"{values[i]:.7g}" for values in columns)] for i, name in enumerate(self.names))
        _write_csv(folder / "draws.csv", ["image", *self.draws], by_image)
        atomic.write_json(folder / "set.json", self.sets)
        atomic.write_json(folder / "record.json", self.record)
        return type(self).read(folder)

    @classmethod
    def read(cls, folder: Path) -> "Evaluation":
        """Raises UserError, naming the file, when something is missing or damaged."""
        try:
            record = json.loads((folder / "record.json").read_text())
            protocol = Protocol.read(json.loads((folder / "protocol.json").read_text()))
            sets = _numbers(json.loads((folder / "set.json").read_text()))
            header, names, table = _read_csv(folder / "rows.csv")
            draw_header, draw_names, draw_table = _read_csv(folder / "draws.csv")
            demand(record, sets)
            unique = list(dict.fromkeys(names))
            samples = len(names) // max(len(unique), 1)
            grid = table.reshape(len(unique), samples, -1)
            scores = {name: grid[:, :, i] for i, name in enumerate(header) if name != "sample"}
            if draw_names != unique or names != [n for n in unique for _ in range(samples)]:
                raise ValueError("rows.csv and draws.csv list unlike images")
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, csv.Error) as error:
            why = " ".join(str(error).split())
            raise UserError(f"{folder}: damaged evaluation ({why}); delete it and evaluate again") from error
        draws = {name: draw_table[:, i] for i, name in enumerate(draw_header)}
        return cls(protocol, record, unique, scores, draws, sets, folder)


def done(folder: Path) -> bool:
    """Is there a finished evaluation?"""
    return (folder / "record.json").is_file()


def find(roots: Sequence[Path]) -> list[Path]:
    """All finished evaluations under some folders, sorted."""
    found: set[Path] = set()
    for root in roots:
        if not root.exists():
            raise UserError(f"{root}: no such folder; give run folders or a folder that holds them, such as outputs")
        found |= {path.parent for path in root.rglob("record.json") if (path.parent / "protocol.json").is_file()}
    return sorted(found)


def readable(folders: Sequence[Path], read: Callable[[Path], Evaluation]) -> Iterator[Evaluation]:
    """The evaluations that can be read; a damaged one is a line on standard error and does not hide the others."""
    for folder in folders:
        try:
            yield read(folder)
        except UserError as error:
            print(f"left out: {error}", file=sys.stderr)


def demand(record: Any, sets: Any) -> None:
    """ValueError unless a record says who, and numbers are numbers."""
    words = [record["name"], record["kind"], str(record.get("group", "")), str(record.get("seed"))]
    hue, before = sets.get("hue", {"hat": [], "true": []}), record.get("before") or {}
    costs = [record.get(key, 0) for key in ("parameters", "images_seen", "seconds", "peak_memory_mb", "flops")]
    numbers = [record["draws"], *costs, *before.values(), *hue["hat"], *hue["true"]]
    numbers += [entry["value"] for key, entry in sets.items() if key != "hue" and "value" in entry]
    trees = [record.get(key) or {} for key in ("settings", "choices", "budget")]
    if not (
        all(isinstance(word, str) for word in words)
        and all(isinstance(number, int | float) for number in numbers)
        and all(isinstance(tree, dict) for tree in trees)
        and isinstance(record.get("seed"), int | None)
    ):
        raise ValueError("record.json or set.json does not hold such words and numbers")


def _numbers(sets: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """JSON has no word for NaN."""
    return {
        name: {key: float(value) if value in ("nan", "inf", "-inf") else value for key, value in entry.items()}
        for name, entry in sets.items()
    }


def _write_csv(path: Path, header: Sequence[str], rows: Iterator[list[Any]]) -> None:
    with (
        atomic.replacing(path) as part,
        part.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _read_csv(path: Path) -> tuple[list[str], list[str], NDArray[np.float64]]:
    """(column names after the first, first column, numbers)."""
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        header, *lines = list(csv.reader(file))
    numbers = np.array([line[1:] for line in lines], dtype=np.float64).reshape(len(lines), len(header) - 1)
    return header[1:], [plain(line[0]) for line in lines], numbers
