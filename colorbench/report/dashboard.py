"""One study on Weights & Biases: a report, built with W&B's own API (wandb-workspaces), of the study's results table,
its curves on an axis of images seen (grouped by what the study varies, seeds together) and its pictures; and the table
as a W&B Table.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from colorbench.errors import UserError
from colorbench.report.sheet import Sheet
from colorbench.report.table import csv_text, markdown
from colorbench.spreadsheet import plain

CURVES = (
    "val/joint",
    "val/energy",
    "val/ab_l1",
    "val/psnr",
    "val/chroma_ratio",
    "val/delta_e76",
    "train/loss_generator",
    "train/loss_network",
)
"""The curves side by side; a family shows those that it has."""
TEST = ("test/ciede2000", "test/psnr", "test/ssim", "test/energy")
PICTURES = ("val/previews", "test/picture")


def report(found: Sequence[Sheet], axes: Sequence[str], *, study: str, project: str, entity: str) -> Any:
    """A ``wandb_workspaces.reports.v2.Report`` of runs whose group is ``study``. axes: keys of the resolved config
    that tell its lines apart, ``run.model`` among them."""
    try:
        import wandb_workspaces.reports.v2 as wr
    except ImportError as error:
        raise UserError("wandb-workspaces is not installed; pip install 'colorbench[sweeps]'") from error

    runs = wr.Runset(
        entity=entity,
        project=project,
        name=study,
        filters=f"Metric('group') = '{study}' and Metric('jobType') = 'train'",
        groupby=[f"config.{key}" for key in axes],
    )
    curves: list[Any] = [
        wr.LinePlot(
            title=key,
            x="images_seen",
            y=[key],
            groupby_aggfunc="mean",
            groupby_rangefunc="minmax",
            layout=wr.Layout(x=8 * (i % 3), y=6 * (i // 3), w=8, h=6),
        )
        for i, key in enumerate(CURVES)
    ]
    bars: list[Any] = [
        wr.BarPlot(title=key, metrics=[key], layout=wr.Layout(x=6 * i, y=0, w=6, h=6)) for i, key in enumerate(TEST)
    ]
    pictures: list[Any] = [
        wr.MediaBrowser(media_keys=[key], num_columns=2, layout=wr.Layout(x=0, y=8 * i, w=24, h=8))
        for i, key in enumerate(PICTURES)
    ]
    return wr.Report(
        project=project,
        entity=entity,
        title=f"colorbench: {study}",
        width="fluid",
        description="Curves over images seen; the table has intervals.",
        blocks=[
            wr.H1("Results"),
            *(wr.MarkdownBlock(markdown(sheet)) for sheet in found),
            wr.H1("Curves"),
            wr.PanelGrid(runsets=[runs], panels=curves),
            wr.H1("On the test split"),
            wr.PanelGrid(runsets=[runs], panels=bars),
            wr.H1("Pictures"),
            wr.PanelGrid(runsets=[runs], panels=pictures),
            wr.H1("Rows of the table"),
            wr.PanelGrid(
                runsets=[
                    wr.Runset(
                        entity=entity,
                        project=project,
                        name="tables",
                        filters=f"Metric('group') = '{study}' and Metric('jobType') = 'table'",
                    )
                ],
                panels=[wr.WeavePanelSummaryTable(table_name="results", layout=wr.Layout(x=0, y=0, w=24, h=12))],
            ),
        ],
    )


def log_table(
    sheet: Sheet, folder: Path, *, study: str, project: str, entity: str, mode: Literal["online", "offline"]
) -> Path:
    """The rows of a sheet as the W&B Table ``results``, numbers in full, in a run of the study's group. Its folder."""
    import wandb

    heads, *lines = csv.reader(io.StringIO(csv_text(sheet)))
    words = ("protocol", "model", "kind")
    spoken = (" verdict", " closest")
    rows = [
        [_value(cell, head in words or head.endswith(spoken)) for head, cell in zip(heads, line, strict=True)]
        for line in lines
    ]
    run = wandb.init(
        project=project,
        entity=entity or None,
        group=study,
        job_type="table",
        name=f"table-{sheet.protocol.id}",
        dir=str(folder),
        mode=mode,
        config={"protocol": sheet.protocol.lossless},
        settings=wandb.Settings(silent=True),
    )
    columns: list[str | int] = [*heads]
    run.log({"results": wandb.Table(columns=columns, data=rows)})
    written = Path(run.dir).parent
    run.finish()
    return written


def _value(cell: str, word: bool) -> str | float | None:
    """A word, a number, or None where there is no number."""
    if word:
        return plain(cell)
    try:
        return float(cell)
    except ValueError:
        return None
