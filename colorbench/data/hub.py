"""A data set of the Hugging Face Hub, or one saved in its format, by name (extra ``hf``).

Pictures are read as the encoded bytes that the data set holds and decoded as every other file is. Nothing of a data set
is ever executed: the library reads Parquet, Arrow, WebDataset and image folders, and its loading scripts stay off.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from colorbench.data.decode import render_bytes
from colorbench.data.source import Dropped, Item, Rendered, Source, Split, carved
from colorbench.errors import UserError
from colorbench.ranges import Count, Text
from colorbench.registry import register


@register("source", "hub")
class Hub(Source):
    """All pictures of one column.

    dataset: name on the Hub, or a local folder. config: its configuration (null: the default one). revision: a commit
    or tag of the data set, null: the newest. column: of the pictures. splits: what its splits mean; one that is not
    named here is left out, and a split of ours that none means is carved from train by the hash of the name.
    """

    def __init__(
        self,
        *,
        dataset: Text,
        config: Text | None,
        revision: Text | None,
        column: Text,
        splits: dict[str, Split],
        stretch: bool,
        max_pixels: Count,
    ) -> None:
        self.dataset, self.config, self.revision, self.column = dataset, config, revision, column
        self.splits, self.stretch, self.max_pixels = splits, stretch, max_pixels

    @cached_property
    def _parts(self) -> Mapping[str, Any]:
        try:
            import datasets
        except ImportError as error:
            raise UserError("data=hub needs the datasets library; run: pip install 'colorbench[hf]'") from error
        try:
            parts = datasets.load_dataset(self.dataset, self.config, revision=self.revision)
        except Exception as error:  # the library raises its own, the network's, and the file formats' errors
            why = " ".join(str(error).split())[:160] or type(error).__name__
            raise UserError(
                f"data.source.dataset: cannot load {self.dataset!r} ({why}); check the name, or run once on a "
                "connected machine"
            ) from error
        unknown = f"data.source.splits: {self.dataset!r} has the splits {', '.join(parts)}"
        chosen = {theirs: parts[theirs] for theirs in self.splits if theirs in parts}
        if not chosen:
            raise UserError(f"{unknown}, and none of them is named")
        for part in chosen.values():
            if self.column not in part.column_names:
                columns = ", ".join(part.column_names)
                raise UserError(f"data.source.column: {self.dataset!r} has no {self.column!r}, only {columns}")
        return {
            theirs: part.select_columns([self.column]).cast_column(self.column, datasets.Image(decode=False))
            for theirs, part in chosen.items()
        }

    def items(self) -> Iterable[Item]:
        """Every row: split/number."""
        ours = {theirs: self.splits[theirs] for theirs in self._parts}
        prescribed: set[Split] = set(ours.values())
        for theirs, part in self._parts.items():
            for i in range(len(part)):
                name = f"{theirs}/{theirs}-{i:09d}"
                yield Item(name, carved(name, ours[theirs], prescribed, self.share), part._fingerprint)

    def render(self, items: Sequence[Item], size: int) -> Iterator[Rendered | Dropped]:
        for item in items:
            theirs, name = item.name.split("/")
            cell = self._parts[theirs][int(name.rsplit("-", 1)[1])][self.column]
            try:
                data = cell["bytes"] if cell["bytes"] is not None else Path(cell["path"]).read_bytes()
            except (OSError, TypeError) as error:
                yield Dropped(f"unreadable: {error}")
                continue
            yield render_bytes(data, size, max_pixels=self.max_pixels, stretch=self.stretch)

    def describe(self) -> Mapping[str, Any]:
        """Which data set, and how its pictures are cut."""
        which = {"dataset": Path(self.dataset).name, "config": self.config, "revision": self.revision}
        return {**which, "column": self.column, "stretch": self.stretch, "max_pixels": self.max_pixels}
