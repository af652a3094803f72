"""A list of files: a CSV or TSV with a header, or JSON lines, one row for each picture.

The list says which pictures there are and, if it has such a column, their split. Paths are relative to ``root``, which
is the list's own folder unless given. The cell as written is the picture's name: the same list beside the same pictures
is the same data set anywhere.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from colorbench.data.folder import printable, render_file, stamp
from colorbench.data.source import Dropped, Item, Rendered, Source, Split, carved, known_split
from colorbench.errors import UserError
from colorbench.ranges import Count, Text
from colorbench.registry import register


@register("source", "list")
class Listed(Source):
    """The pictures that a file lists.

    file: the list, by its extension .csv, .tsv or .jsonl. root: the folder that its paths start from (null: the
    list's). column: the column (or key) of the path. split_column: of the split, train, val or test; null or a column
    that the list lacks: the hash of the name decides; a split that no row names is carved from train. stretch,
    max_pixels: as for a folder.
    """

    def __init__(
        self,
        *,
        file: Text,
        root: Text | None,
        column: Text,
        split_column: Text | None,
        stretch: bool,
        max_pixels: Count,
    ) -> None:
        self.file = Path(file).expanduser()
        self.root = Path(root).expanduser() if root else self.file.parent
        self.column, self.split_column = column, split_column
        self.stretch, self.max_pixels = stretch, max_pixels

    def items(self) -> Iterable[Item]:
        """One item for each row."""
        rows = self._rows()
        twice = [name for name, n in Counter(name for name, _ in rows).items() if n > 1]
        if twice:
            raise UserError(f"data.file: {self.file} lists {printable(twice[0])} more than once; remove the extra rows")
        if not rows:
            raise UserError(f"data.file: {self.file} lists no picture")
        prescribed = {split for _, split in rows if split}
        for name, split in rows:
            said = split and carved(name, split, prescribed, self.share)
            yield Item(name, said, stamp(self.root / name))

    def render(self, items: Sequence[Item], size: int) -> Iterator[Rendered | Dropped]:
        for item in items:
            yield render_file(self.root / item.name, item, size, max_pixels=self.max_pixels, stretch=self.stretch)

    def describe(self) -> Mapping[str, Any]:
        """What decides how the pictures look (the list itself is in the items)."""
        return {"stretch": self.stretch, "max_pixels": self.max_pixels}

    def where(self) -> str:
        """The folder that the paths start from."""
        return str(self.root.resolve())

    def _rows(self) -> list[tuple[str, Split | None]]:
        read = {".csv": _separated(","), ".tsv": _separated("\t"), ".jsonl": _json_lines}.get(self.file.suffix.lower())
        if read is None:
            raise UserError(f"data.file: {self.file} should end in .csv, .tsv or .jsonl")
        try:
            with open(self.file, newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
                return [self._row(row, number) for number, row in enumerate(read(file), start=1)]
        except (OSError, csv.Error, json.JSONDecodeError) as error:
            raise UserError(f"data.file: cannot read {self.file} ({error})") from error

    def _row(self, row: Mapping[str, Any], number: int) -> tuple[str, Split | None]:
        if not row.get(self.column):
            known = ", ".join(str(key) for key in row)
            raise UserError(
                f"data.file: row {number} of {self.file} has nothing under {self.column!r} (columns: {known}); "
                "name the column of the paths with data.source.column=..."
            )
        split = row.get(self.split_column) if self.split_column else None
        return str(row[self.column]), known_split(split, f"data.file: row {number} of {self.file}") if split else None


def _separated(delimiter: str) -> Any:
    return lambda file: csv.DictReader(file, delimiter=delimiter)


def _json_lines(file: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in file:
        if line.strip():
            row = json.loads(line)
            yield row if isinstance(row, dict) else {}
