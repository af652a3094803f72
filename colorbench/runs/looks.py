"""The validation pictures' joint scores, one by one, at every look: what an interval about a curve is made of.

``looks.jsonl`` beside ``metrics.jsonl``: ``{"images_seen": n, "joint": [one number for each picture]}``. A run that
was killed and resumed looks at some moments twice; the later line counts, and only moments of ``metrics.jsonl`` do.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from colorbench import atomic
from colorbench.runs.record import read_jsonl

NAME = "looks.jsonl"


@dataclass(frozen=True)
class Looks:
    """Of the run in ``folder``."""

    folder: Path

    def add(self, images: int, scores: Sequence[float]) -> None:
        """One look, each picture's joint score (gray's mean is 1)."""
        line = json.dumps({"images_seen": images, "joint": [float(f"{value:.6g}") for value in scores]})
        atomic.append(self.folder / NAME, line + "\n")


@dataclass(frozen=True)
class Moments:
    """images, seconds: [t], spent at each look. score: [t, pictures], joint; [t, 1], the mean, where
    a run kept no more."""

    images: NDArray[np.float64]
    seconds: NDArray[np.float64]
    score: NDArray[np.float64]

    @property
    def pictures(self) -> int:
        """How many were looked at; 1: only their mean is known."""
        return self.score.shape[1]


def read_moments(folder: Path) -> Moments | None:
    """The validation of a run; None where it has none. Seconds between two lines of the log are interpolated."""
    rows = read_jsonl(folder / "metrics.jsonl")
    looks = {int(row["images_seen"]): row["val/joint"] for row in rows if "val/joint" in row}
    clock = {int(row["images_seen"]): row["train/seconds"] for row in rows if "train/seconds" in row}
    if not looks or not clock:
        return None
    images = np.array(sorted(looks), dtype=np.float64)
    at = np.array(sorted(clock), dtype=np.float64)
    spent = np.array([clock[int(i)] for i in at])
    seconds = np.interp(images, np.append(0, at), np.append(0, spent))
    single = _single(folder / NAME)
    if all(i in single and len(single[i]) == len(single[int(images[0])]) for i in looks):
        return Moments(images, seconds, np.array([single[int(i)] for i in images]))
    return Moments(images, seconds, np.array([[looks[int(i)]] for i in images]))


def _single(file: Path) -> dict[int, list[float]]:
    found = {}
    for text in file.read_text(errors="replace").splitlines() if file.is_file() else []:
        try:
            row = json.loads(text)
            found[int(row["images_seen"])] = [float(value) for value in row["joint"]]
        except (ValueError, TypeError, KeyError):
            continue  # a line that a kill cut
    return found
