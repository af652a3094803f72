"""TensorBoard: the same keys as everywhere, images seen as the step; event files in the run folder's tensorboard/."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from colorbench.errors import UserError
from colorbench.registry import register


@register("logger", "tensorboard")
class TensorBoard:
    """Needs the extra ``tensorboard``."""

    def __init__(self) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UserError("logger=tensorboard: pip install 'colorbench[tensorboard]', or drop it") from error
        self.make: Any = SummaryWriter
        self.writer: Any = None

    def start(self, *, name: str, model: str, group: str, folder: Path, config: Mapping[str, Any]) -> None:
        """Event files of a resumed run lie beside the first ones; TensorBoard joins them."""
        self.writer = self.make(str(folder / "tensorboard"))
        self.writer.add_text("config", f"```\n{yaml.safe_dump(dict(config))}\n```")

    def log(self, images: int, values: Mapping[str, float]) -> None:
        for key, value in values.items():
            self.writer.add_scalar(key, value, images)

    def picture(self, images: int, key: str, file: Path) -> None:
        from PIL import Image

        self.writer.add_image(key, np.asarray(Image.open(file)), images, dataformats="HWC")

    def finish(self, summary: Mapping[str, Any], rows: Path | None, checkpoint: Path | None) -> None:
        """Final facts as one text."""
        self.writer.add_text("summary", "\n".join(f"- {k}: {v}" for k, v in summary.items()))
        self.writer.close()
