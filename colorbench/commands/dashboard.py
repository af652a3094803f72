"""One study on Weights & Biases: ``colorbench dashboard outputs/STUDY``, or make dashboard

Writes ``dashboard.json`` into the folder: a W&B report, built with W&B's own API (wandb-workspaces), of the study's
results table, its curves on an axis of images seen (grouped by what the study varies, seeds together) and its
pictures. The table is also logged as a W&B Table, in an offline run in the folder when there is no key. With a key the
report is saved on the server; without one nothing leaves this machine, and the same command does it after
``wandb login`` and ``wandb sync``.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from colorbench import atomic
from colorbench.commands import command


def main(argv: Sequence[str] | None = None) -> None:
    parser = command.parser("dashboard", __doc__)
    parser.add_argument("folder", type=Path, metavar="STUDY", help="the folder of its runs, such as outputs/default")
    parser.add_argument("--project", default="colorbench", help="as in logger=wandb (default: colorbench)")
    parser.add_argument("--entity", default="", help="a W&B user or team (default: yours)")
    args = parser.parse_args(argv)
    for line in _carry_out(args.folder, args.project, args.entity):
        print(line)


def _carry_out(folder: Path, project: str, entity: str) -> list[str]:
    from colorbench.api import results
    from colorbench.report.dashboard import log_table, report
    from colorbench.runs.ledger import axes, cells
    from colorbench.runs.loggers.weights_and_biases import has_key

    keys = [key for key in axes(cells(folder)) if key != "seed"]
    found = results(folder).sheets
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
