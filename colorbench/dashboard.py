"""Dashboard: one study on Weights & Biases. ``python -m colorbench.dashboard outputs/ablations``; or make dashboard

Writes ``dashboard.json`` into the folder: a W&B report, built with W&B's own API (wandb-workspaces), of the study's
results table, its curves on an axis of images seen (grouped by what the study varies, seeds together) and its
pictures. The table is also logged as a W&B Table, in an offline run in the folder when there is no key. With a key the
report is saved on the server; without one nothing leaves this machine, and the same command does it after
``wandb login`` and ``wandb sync``.
"""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from colorbench import atomic, command
from colorbench.errors import UserError

if TYPE_CHECKING:
    from colorbench.sheet import Sheet

CURVES = ("val/ab_l1", "val/psnr", "val/chroma_ratio", "val/delta_e76", "train/loss_generator", "train/loss_network")
"""The curves side by side; a family shows those that it has."""
TEST = ("test/ciede2000", "test/psnr", "test/ssim", "test/energy")
PICTURES = ("val/previews", "test/picture")


def report(found: "Sequence[Sheet]", axes: Sequence[str], *, study: str, project: str, entity: str) -> Any:
    """A ``wandb_workspaces.reports.v2.Report`` of runs whose group is ``study``. axes: keys of the resolved config
    that tell its lines apart, ``run.model`` among them."""
    try:
        import wandb_workspaces.reports.v2 as wr
    except ImportError as error:
        raise UserError("wandb-workspaces is not installed; pip install 'colorbench[sweeps]'") from error
    from colorbench.table import markdown

    runs = wr.Runset(
        entity=entity, project=project, name=study,
        filters=f"Metric('group') = '{study}' and Metric('jobType') = 'train'",
        groupby=[f"config.{key}" for key in axes],
    )  # fmt: skip
    curves: list[Any] = [
        wr.LinePlot(title=key, x="images_seen", y=[key], groupby_aggfunc="mean", groupby_rangefunc="minmax",
                    layout=wr.Layout(x=8 * (i % 3), y=6 * (i // 3), w=8, h=6))
        for i, key in enumerate(CURVES)
    ]  # fmt: skip
    bars: list[Any] = [
        wr.BarPlot(title=key, metrics=[key], layout=wr.Layout(x=6 * i, y=0, w=6, h=6)) for i, key in enumerate(TEST)
    ]
    pictures: list[Any] = [wr.MediaBrowser(media_keys=[key], num_columns=2, layout=wr.Layout(x=0, y=8 * i, w=24, h=8))
                for i, key in enumerate(PICTURES)]  # fmt: skip
    return wr.Report(
        project=project, entity=entity, title=f"colorbench: {study}", width="fluid",
        description="Curves over images seen; the table has intervals over seeds x images.",
        blocks=[
            wr.H1("Results"), *(wr.MarkdownBlock(markdown(sheet)) for sheet in found),
            wr.H1("Curves"), wr.PanelGrid(runsets=[runs], panels=curves),
            wr.H1("On the test split"), wr.PanelGrid(runsets=[runs], panels=bars),
            wr.H1("Pictures"), wr.PanelGrid(runsets=[runs], panels=pictures),
            wr.H1("Rows of the table"),
            wr.PanelGrid(
                runsets=[wr.Runset(entity=entity, project=project, name="tables",
                                   filters=f"Metric('group') = '{study}' and Metric('jobType') = 'table'")],
                panels=[wr.WeavePanelSummaryTable(table_name="results", layout=wr.Layout(x=0, y=0, w=24, h=12))],
            ),
        ],
    )  # fmt: skip


def log_table(
    sheet: "Sheet", folder: Path, *, study: str, project: str, entity: str, mode: Literal["online", "offline"]
) -> Path:
    """The rows of a sheet as the W&B Table ``results``, numbers in full, in a run of the study's group. Its folder."""
    import wandb

    from colorbench.table import csv_text

    heads, *lines = csv.reader(io.StringIO(csv_text(sheet)))
    words = ("protocol", "model", "kind")
    rows = [[_value(cell, head in words or head.endswith("vs gray")) for head, cell in zip(heads, line, strict=True)]
            for line in lines]  # fmt: skip
    run = wandb.init(
        project=project, entity=entity or None, group=study, job_type="table", name=f"table-{sheet.protocol.id}",
        dir=str(folder), mode=mode, config={"protocol": sheet.protocol.lossless}, settings=wandb.Settings(silent=True),
    )  # fmt: skip
    columns: list[str | int] = [*heads]
    run.log({"results": wandb.Table(columns=columns, data=rows)})
    written = Path(run.dir).parent
    run.finish()
    return written


def _value(cell: str, word: bool) -> str | float | None:
    """A word, a number, or None where there is no number."""
    if word:
        return cell
    try:
        return float(cell)
    except ValueError:
        return None


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = command.parser("dashboard", __doc__)
    parser.add_argument("folder", type=Path, metavar="STUDY", help="the folder of its runs, such as outputs/default")
    parser.add_argument("--project", default="colorbench", help="as in logger=wandb (default: colorbench)")
    parser.add_argument("--entity", default="", help="a W&B user or team (default: yours)")
    args = parser.parse_args(argv)
    for line in _carry_out(args.folder, args.project, args.entity):
        print(line)


def _carry_out(folder: Path, project: str, entity: str) -> list[str]:
    from colorbench.loggers.weights_and_biases import has_key
    from colorbench.sheet import sheets
    from colorbench.sweeps import axes, cells

    keys = [key for key in axes(cells(folder)) if key != "seed"]
    found = sheets([folder])
    if not found:
        raise UserError(f"{folder}: no evaluated runs; train with evaluate=true, or python -m colorbench.evaluate")
    study = folder.resolve().name
    online = has_key() and os.environ.get("WANDB_MODE", "online") == "online"
    if online and not entity:
        import wandb

        entity = wandb.Api().default_entity or ""
    made = report(found, keys, study=study, project=project, entity=entity)
    file = folder / "dashboard.json"
    atomic.write_json(file, made._to_model().model_dump(mode="json", by_alias=True, exclude_none=True))
    mode: Literal["online", "offline"] = "online" if online else "offline"
    tables = [log_table(s, folder, study=study, project=project, entity=entity, mode=mode) for s in found]
    lines = [f"report: {file}", *(f"table: {path}" for path in tables)]
    if online:
        made.save()
        return [*lines, f"saved: {made.url}"]
    return [
        *lines,
        "no W&B key here, so nothing was sent. To publish: wandb login;",
        f"  wandb sync {folder}/wandb/offline-run-* {folder}/*/wandb/offline-run-*; and this command again",
    ]


if __name__ == "__main__":
    command.run("dashboard", main)
