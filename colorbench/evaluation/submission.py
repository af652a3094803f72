"""Submissions: pictures that another program made, judged against truths like any model.

A silent failure must not become a number. Programs have been seen that return the gray input when memory runs out, that
skip pictures, or that write them under other names. So a folder is refused when it is short, when names do not match,
when a picture has another size than its truth, and when pictures come back exactly gray whose truth is not.
The pictures are judged as they are: their lightness is not repaired, and ``ssim_luma`` tells whether it was kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from colorbench import atomic, color
from colorbench.batch import Batch
from colorbench.data.decode import to_rgb
from colorbench.errors import UserError
from colorbench.evaluation.judge import Judge
from colorbench.evaluation.protocol import Plan
from colorbench.evaluation.rows import Evaluation
from colorbench.noise import stable_id
from colorbench.ranges import Inside
from colorbench.registry import fits

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
_COLORED, _GRAY = 3.0, 1  # mean chroma of a truth that counts as colored; levels between channels of a gray picture


@dataclass(frozen=True)
class Truths:
    """A folder of true pictures, in the shape that a protocol reads: names, ids, uint8 [n 3 size size]."""

    names: list[str]
    pixels: Tensor

    @property
    def ids(self) -> Tensor:
        """int64 [n]."""
        return torch.tensor([stable_id(name) for name in self.names], dtype=torch.int64)

    @property
    def size(self) -> int:
        """Side in px."""
        return int(self.pixels.shape[-1])

    @property
    def fingerprint(self) -> str:
        """There is no training split to tell apart."""
        return "folder"

    def __len__(self) -> int:
        return len(self.names)

    def take(self, n: int) -> "Truths":
        """n of them, by the hash of their names, in their order."""
        if n >= len(self):
            return self
        kept = sorted(sorted(range(len(self)), key=lambda i: stable_id(self.names[i]))[:n])
        return Truths([self.names[i] for i in kept], self.pixels[kept])

    def batches(self, batch_size: int, device: torch.device) -> Iterator[Batch]:
        for ids, pixels in zip(self.ids.split(batch_size), self.pixels.split(batch_size), strict=True):
            yield Batch.of_bytes(pixels.to(device), ids.to(device))


@dataclass(frozen=True)
class TruthFolder:
    """What stands for a data set when only a folder of truths is given: every split is that folder."""

    test: Truths
    fingerprint: str = "folder"

    @property
    def val(self) -> Truths:
        return self.test

    train = val


def open_truths(folder: Path, size: int | None = None) -> TruthFolder:
    """Read a folder of true pictures. size: crop the center square and resize it first (antialiased)."""
    files = listing(folder)
    names = sorted(files)
    pictures = [read_picture(files[name], size) for name in names]
    shapes = {picture.shape for picture in pictures}
    if len(shapes) > 1 or next(iter(shapes))[0] != next(iter(shapes))[1]:
        raise UserError(f"{folder}: pictures are not all squares of one size; give --size PX to crop and resize them")
    return TruthFolder(Truths(names, torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()))


def listing(folder: Path) -> dict[str, Path]:
    """{relative path without its suffix: file} of the pictures in a folder."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES:
            name = stem(path.relative_to(folder).as_posix())
            if name in found:
                raise UserError(f"{folder}: two pictures are called {name!r}: {found[name].name} and {path.name}")
            found[name] = path
    if not found:
        raise UserError(f"{folder}: holds no pictures ({', '.join(SUFFIXES)})")
    return found


def stem(name: str) -> str:
    """A picture's name without the suffix of its file."""
    return name[: name.rindex(".")] if name.lower().endswith(SUFFIXES) else name


def read_picture(path: Path, size: int | None = None) -> np.ndarray:
    """uint8 [h w 3]. Raises UserError for what cannot be read."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as opened:
            picture = to_rgb(ImageOps.exif_transpose(opened))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: cannot be read ({error}); make it again") from error
    if size is not None:
        picture = ImageOps.fit(picture, (size, size), Image.Resampling.BICUBIC)
    return np.array(picture)


def judge_folder(
    folder: Path,
    plan: Plan,
    *,
    name: str,
    output: Path,
    device: torch.device,
    size: int | None = None,
    batch_size: int = 64,
    allow_gray: bool = False,
) -> Evaluation:
    """Judge the pictures in ``folder`` against the plan's, matched by name without suffix.

    Raises UserError: pictures missing, unknown names, other sizes, gray answers to colored truths.
    """
    fits(name, Inside, "--name")
    files = listing(folder)
    wanted = [stem(picture) for picture in plan.pictures.names]
    missing = [picture for picture in wanted if picture not in files]
    unknown = sorted(set(files) - set(wanted))
    if missing:
        hint = f"; the folder has {len(unknown)} unknown names such as {unknown[0]!r}" if unknown else ""
        raise UserError(f"{folder}: {len(missing)} of {len(wanted)} pictures are missing, such as {missing[0]!r}{hint}")
    if unknown:
        raise UserError(f"{folder}: {len(unknown)} pictures match no truth, such as {unknown[0]!r}; move them out")
    where = output / "submissions" / name / "eval" / plan.protocol.id
    judge, at, gray = Judge(plan, 1, where), 0, []
    for batch in plan.pictures.batches(batch_size, device):
        true = _bytes(batch)
        part = wanted[at : at + len(batch)]
        pictures = []
        for i, picture in enumerate(part):
            pixels = read_picture(files[picture], size)
            if pixels.shape[:2] != tuple(true.shape[2:]):
                h, w = pixels.shape[:2]
                raise UserError(f"{files[picture]}: is {w} x {h} px, its truth {true.shape[3]} x {true.shape[2]}")
            chroma = float(batch.ab[i].square().sum(0).sqrt().mean()) * color.AB_UNIT
            if chroma > _COLORED and int(np.ptp(pixels.astype(np.int16), axis=2).max()) <= _GRAY:
                gray.append(picture)
            pictures.append(torch.from_numpy(pixels).permute(2, 0, 1))
        judge.add(true, [torch.stack(pictures).to(device)], [None])
        at += len(batch)
    if gray and not allow_gray:
        raise UserError(
            f"{folder}: {len(gray)} of {len(wanted)} pictures are gray although the truth is not, such as {gray[0]!r}; "
            "did the program fail on them? --allow-gray judges them all the same"
        )
    record: dict[str, Any] = {
        "name": name,
        "kind": "folder",
        "group": f"folder-{name}",
        "seed": None,
        "draws": 1,
        "stochastic": False,
        "gray_pictures": len(gray),
    }
    return judge.close(record)


def export(plan: Plan, folder: Path, what: Sequence[str] = ("truth", "gray")) -> Path:
    """Write the plan's pictures as PNG files: ``truth/`` and ``gray/`` (the true L, to be colored), by name."""
    from PIL import Image

    names = [stem(name) for name in plan.pictures.names]
    at = 0
    for batch in plan.pictures.batches(64, torch.device("cpu")):
        looks = {"truth": _bytes(batch), "gray": color.to_bytes(color.decode(batch.L, torch.zeros_like(batch.ab)))}
        for kind in what:
            for i, pixels in enumerate(looks[kind]):
                path = folder / kind / f"{names[at + i]}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                with atomic.replacing(path) as part_:
                    Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(part_, format="PNG")
        at += len(batch)
    return folder


def _bytes(batch: Batch) -> Tensor:
    return color.to_bytes(batch.rgb)
