"""Results: what lies in folders of runs, as data frames: rows, tables, comparisons, figures.

    found = results("outputs")
    found.rows                        one line for each system, seed and picture
    found.table("psnr", "energy")     one line for each system: mean, low, high, rank, verdict
    found.compare("unet", "unetgan")  paired differences, with a verdict for each metric
    found.figure("intervals")         a matplotlib figure

pandas and matplotlib are imported when they are asked for.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from colorbench.errors import UserError
from colorbench.registry import suggest
from colorbench.report.sheet import Sheet, sheet, sheets, sheets_of_runs
from colorbench.report.table import FORMATS, csv_text, differences, html_text, markdown, paired

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame


@dataclass(frozen=True, repr=False)
class Results:
    """Everything judged under one protocol below ``roots``. others: the same of the other protocols found there."""

    roots: tuple[Path, ...]
    sheet: Sheet
    others: tuple["Results", ...] = field(default=())
    columns: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        roots: Sequence[str | Path],
        *,
        columns: Sequence[str] = (),
        protocol: str | None = None,
        resamples: int = 2000,
        apart: bool = False,
    ) -> "Results":
        """Of the protocol with most models, or the one whose id begins with ``protocol``. columns: those that are
        shown unasked (``all`` for all; none for the headline). apart: ``roots`` are runs, each of them a row of its own
        called by its folder, seeds too. UserError: none there, or no such column."""
        folders = tuple(Path(root) for root in roots)
        if apart:
            found = sheets_of_runs(folders, metrics=columns, resamples=resamples, protocol=protocol)
        else:
            found = sheets(folders, metrics=columns, resamples=resamples, protocol=protocol)
        if not found:
            where = ", ".join(map(str, folders))
            under = f" under protocol {protocol}" if protocol else ""
            raise UserError(
                f"{where}: no evaluated runs{under}; train one with colorbench.train() or `colorbench model=unet`"
            )
        return cls(
            folders, found[0], tuple(cls(folders, each, columns=tuple(columns)) for each in found[1:]), tuple(columns)
        )

    @property
    def sheets(self) -> list[Sheet]:
        """One for each protocol found, this one first."""
        return [self.sheet, *(other.sheet for other in self.others)]

    @property
    def folders(self) -> list[Path]:
        """Where rows.csv of each run, then of each other program lies."""
        kinds = [line for kind in ("model", "folder") for line in self.sheet.lines if line.kind == kind]
        return [e.folder for line in kinds for e in line.evaluations if e.folder is not None]

    @cached_property
    def rows(self) -> "DataFrame":
        """One line for each system, seed and picture: ``row``, ``kind`` (model, folder, trivial), ``seed``, ``image``,
        then every column; draws of one picture are averaged."""
        import pandas

        parts = []
        for line in self.sheet.lines:
            for e in line.evaluations:
                who = {"row": line.label, "kind": line.kind, "seed": e.record.get("seed"), "image": e.names}
                parts.append(pandas.DataFrame({**who, **e.per_image}))
        return pandas.concat(parts, ignore_index=True)

    def table(self, *columns: str) -> "DataFrame":
        """One line for each row: kind, seeds, for each column its mean, the ends of its 95 % interval, rank and verdict
        (``psnr``, ``psnr low``, ``psnr high``, ``psnr rank``, ``psnr verdict``, ``psnr closest``), then the costs.
        columns: ``all`` for all; none for the headline. UserError: no such column."""
        import pandas

        text = csv_text(self._shown(columns))
        return pandas.read_csv(io.StringIO(text)).set_index("model").drop(columns="protocol")

    def compare(self, one: str, other: str, *columns: str) -> "DataFrame":
        """Paired differences ``one - other``, one line for each column: both means, the difference with its 95 %
        interval, and who is better by enough to matter. UserError: no such row or column."""
        import pandas

        lines = paired(self._shown(columns or ("all",)), one, other)
        heads = {"column": "metric", "one": one, "other": other}
        frame = pandas.DataFrame([line.__dict__ for line in lines]).rename(columns=heads)
        return frame.set_index("metric")

    def differences(self, one: str, other: str) -> str:
        """:meth:`compare` in Markdown, in the columns shown, under every protocol that judged both. UserError: none
        did, or no such row."""
        return "\n".join(differences(self.sheets, one, other))

    def show(self, *, intervals: bool = True, costs: bool = True) -> None:
        """Print the tables of all protocols: as wide as the terminal; Markdown where there is none."""
        from colorbench.report.terminal import show

        show(self.sheets, intervals=intervals, costs=costs)

    def written(self, format: str, *, intervals: bool = True, costs: bool = True) -> str:
        """The tables of all protocols as md, csv, tex or html. UserError: no such format."""
        if format not in FORMATS:
            raise UserError(f"format {format!r}: no such format{suggest(format, list(FORMATS))}")
        return "\n".join(FORMATS[format](each, intervals=intervals, costs=costs) for each in self.sheets)

    def report(
        self, out: str | Path = "report.html", *, title: str = "colorbench report", limit_mb: float = 20
    ) -> Path:
        """Write all of it as one HTML page that needs no network, at most ``limit_mb`` MB, and give its path."""
        from colorbench.report.page.write import write_report

        return write_report(self._shown(("all",)), Path(out), title=title, limit_mb=limit_mb)

    def figure(self, name: str = "intervals") -> "Figure":
        """intervals, pareto, distributions, curves, race, gallery, hue or calibration. UserError: nothing to show."""
        from colorbench.report.figures import FIGURES, make_figure

        if name not in FIGURES:
            raise UserError(f"figure {name!r}: no such figure{suggest(name, list(FIGURES))}")
        made = make_figure(self._shown(("all",)), name)
        if made is None:
            raise UserError(f"figure {name!r}: these runs have nothing to show in it")
        return made

    def markdown(self) -> str:
        """The table of ``colorbench table``."""
        return markdown(self.sheet)

    def _shown(self, columns: Sequence[str]) -> Sheet:
        if not columns or tuple(columns) == self.columns:
            return self.sheet
        evaluations = [e for line in self.sheet.lines for e in line.evaluations]
        return sheet(evaluations, metrics=columns, resamples=self.sheet.bootstrap.resamples)

    def _repr_html_(self) -> str:
        notes = "".join(f"<p><small>{note}</small></p>" for note in (self.sheet.caption, *self.sheet.notes))
        return html_text(self.sheet) + notes

    def __repr__(self) -> str:
        return self.markdown()
