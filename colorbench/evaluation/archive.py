"""An archive: the rows of one evaluation in one compressed CSV, small enough to be committed with an experiment.

``NAME-<protocol>.rows.csv.gz`` holds one line for each picture: every column, means over draws. Three lines before
them hold the protocol, the record (who was judged; of the run that it started from, the name and not the place) and
the numbers of the set as JSON. Tables are printed from archives alone; the same rows give the same file, byte for byte.
"""

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from colorbench import atomic
from colorbench.errors import UserError
from colorbench.evaluation.protocol import Protocol
from colorbench.evaluation.rows import Evaluation, demand
from colorbench.spreadsheet import guarded, plain

SUFFIX = ".rows.csv.gz"
_PARTS = ("protocol", "record", "sets")


def write_archive(evaluation: Evaluation, folder: Path) -> Path:
    """Pack an evaluation; the file is named by its run (or trivial row) and its protocol."""
    record = _traveling(evaluation.record)
    name = re.sub(r"[^\w.=-]+", "_", str(record.get("run") or record.get("group") or record["name"]))
    text = io.StringIO()
    for part, value in zip(_PARTS, (evaluation.protocol.lossless, record, evaluation.sets), strict=True):
        text.write(f"# {part} {atomic.json_text(value, sort_keys=True)}\n")
    writer = csv.writer(text, lineterminator="\n")
    columns = evaluation.per_image
    writer.writerow(["image", *columns])
    for i, image in enumerate(evaluation.names):
        writer.writerow([guarded(image), *(f"{values[i]:.6g}" for values in columns.values())])
    file = folder / f"{name}-{evaluation.protocol.id}{SUFFIX}"
    folder.mkdir(parents=True, exist_ok=True)
    packed = gzip.compress(text.getvalue().encode("utf-8", "surrogateescape"), mtime=0)
    with atomic.replacing(file) as unfinished:
        unfinished.write_bytes(packed)
    return file


def _traveling(record: Mapping[str, Any]) -> Mapping[str, Any]:
    settings = record.get("settings") or {}
    start = settings.get("init_from")
    return {**record, "settings": {**settings, "init_from": Path(start).name}} if start else record


def read_archive(file: Path) -> Evaluation:
    """Raises UserError, naming the file, when it is damaged."""
    try:
        lines = gzip.decompress(file.read_bytes()).decode("utf-8", "surrogateescape").splitlines()
        facts = [json.loads(line.removeprefix(f"# {part} ")) for part, line in zip(_PARTS, lines, strict=False)]
        header, *rows = list(csv.reader(lines[len(_PARTS) :]))
        table = np.array([row[1:] for row in rows], dtype=np.float64)
        protocol = Protocol.read(facts[0])
        demand(facts[1], facts[2])
        columns = {name: table[:, i] for i, name in enumerate(header[1:])}
    except (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, zlib.error, csv.Error) as error:
        raise UserError(f"{file}: damaged rows ({error}); fetch or make them again") from error
    return Evaluation(protocol, facts[1], [plain(row[0]) for row in rows], {}, columns, facts[2])


def find_archives(roots: Sequence[Path]) -> list[Path]:
    """All archives under some folders, sorted."""
    return sorted({file for root in roots for file in root.rglob(f"*{SUFFIX}")})
