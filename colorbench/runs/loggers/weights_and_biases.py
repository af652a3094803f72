"""Weights & Biases: the same keys for every family on an images-seen axis; offline by default when there is no key.

Offline files lie in the run folder; ``wandb sync outputs/*/*/wandb/offline-run-*`` uploads them later. A resumed run
keeps its id (wandb.json in the run folder), so its curve goes on. W&B's own step counter restarts in an offline resume;
that is why every row carries ``images_seen`` and every metric is defined on it.
"""

import csv
import json
import netrc
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from colorbench import atomic
from colorbench.errors import UserError
from colorbench.ranges import Text
from colorbench.registry import register


@register("logger", "wandb")
class WeightsAndBiases:
    """mode auto: WANDB_MODE if set, else online with a key (WANDB_API_KEY or netrc), else offline. artifacts: upload
    the checkpoint that the run stands by, too."""

    def __init__(
        self,
        *,
        project: Text,
        entity: Text | None,
        group: Text | None,
        tags: list[Text],
        mode: Literal["auto", "online", "offline", "disabled"],
        artifacts: bool,
    ) -> None:
        try:
            import wandb
        except ImportError as error:
            raise UserError(
                "logger=wandb: the package is not installed; pip install wandb, or drop logger=wandb"
            ) from error
        self.wandb: Any = wandb
        self.project, self.entity, self.group, self.tags, self.artifacts = project, entity, group, tags, artifacts
        self.mode = mode if mode != "auto" else os.environ.get("WANDB_MODE") or ("online" if has_key() else "offline")
        self.run: Any = None

    def start(self, *, name: str, model: str, group: str, folder: Path, config: Mapping[str, Any]) -> None:
        """Open the run, or go on with it."""
        memory = folder / "wandb.json"
        try:
            identity = str(json.loads(memory.read_text())["id"])
        except (OSError, ValueError, KeyError, TypeError):  # new, or damaged
            identity = secrets.token_hex(4)
        atomic.write_json(memory, {"id": identity, "project": self.project})
        options = {
            "project": self.project,
            "entity": self.entity,
            "group": self.group or group,
            "tags": [model, *self.tags],
            "name": name,
            "id": identity,
            "resume": "allow",
            "dir": str(folder),
            "config": {**config, "run": {"model": model}},
            "job_type": "train",
            "settings": self.wandb.Settings(silent=True, init_timeout=30),
        }
        try:
            self.run = self.wandb.init(mode=self.mode, **options)
        except self.wandb.errors.Error as error:
            if self.mode != "online":
                raise
            print(
                f"logger=wandb: cannot be reached ({error}); this run is logged offline, `wandb sync` uploads it",
                file=sys.stderr,
            )
            self.run = self.wandb.init(mode="offline", **options)
        self.run.define_metric("images_seen")
        self.run.define_metric("*", step_metric="images_seen")

    def log(self, images: int, values: Mapping[str, float]) -> None:
        self.run.log({**values, "images_seen": images})

    def picture(self, images: int, key: str, file: Path) -> None:
        self.run.log({key: self.wandb.Image(str(file)), "images_seen": images})

    def finish(self, summary: Mapping[str, Any], rows: Path | None, checkpoint: Path | None) -> None:
        """Summary, the table of per-image rows, and the checkpoint when artifacts are on."""
        self.run.summary.update({k: v for k, v in summary.items() if isinstance(v, int | float | str | bool)})
        if rows is not None:
            with rows.open(newline="") as file:
                header, *lines = csv.reader(file)
            data = [[name, *(float(value) for value in values)] for name, *values in lines]
            self.run.log({"evaluation/rows": self.wandb.Table(columns=header, data=data)})
        if checkpoint is not None and self.artifacts:
            artifact = self.wandb.Artifact(f"{self.run.name}-checkpoint", type="model")
            artifact.add_dir(str(checkpoint))
            self.run.log_artifact(artifact)
        kept = Path(str(self.run.settings.sync_dir)) if self.run.settings.mode == "offline" else None
        self.run.finish()
        if kept is not None:
            print(f"logger=wandb: offline, in {kept}; `wandb sync {kept}` sends it to your account", file=sys.stderr)


def has_key() -> bool:
    """Is there an account on this machine: WANDB_API_KEY, or an entry in netrc?"""
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return netrc.netrc().authenticators("api.wandb.ai") is not None
    except (OSError, netrc.NetrcParseError):
        return False
