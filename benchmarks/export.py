"""How far are exported models from PyTorch, how large are they, and what does a picture cost? One table.

    python benchmarks/export.py MODEL... --pictures FOLDER [--count 64]

MODEL: run folders, folders of runs, portable models. The first half of the pictures calibrates INT8; the second half is
compared, in PyTorch's own precision. To the true colors: mean CIEDE2000 of PyTorch's answer and of the file's.
Milliseconds are of the processor, for one picture, so that other programs of the machine do not count; PyTorch's graph
has its normalizations fused as the files have.
"""

import argparse
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from colorbench import color
from colorbench.data.folder import walk
from colorbench.errors import UserError
from colorbench.inference import export
from colorbench.inference.colorizer import Colorizer
from colorbench.inference.demo import open_models
from colorbench.metrics.difference import delta_e_2000

KINDS = (("onnx", False), ("onnx", True), ("onnx-int8", False), ("onnx-int8", True), ("torch-export", False))
HEAD = (
    "model",
    "format",
    "MB",
    "max diff",
    "mean diff",
    "CIEDE2000 to PyTorch, mean",
    "max",
    "to the truth: PyTorch",
    "file",
    "ms PyTorch",
    "ms file",
)


def pictures(folder: str, count: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(L [n 1 size size], ab [n 2 size size]) of the first ``count`` pictures, squeezed to squares."""
    found = []
    for path, _ in walk(Path(folder)):
        if len(found) == count:
            break
        with Image.open(path) as image:
            small = image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
        found.append(torch.from_numpy(np.array(small).transpose(2, 0, 1).copy()))
    return color.encode_bytes(torch.stack(found))


def truth(subject: export.Subject, answer: Callable[..., Any], L: torch.Tensor, ab: torch.Tensor) -> float | None:
    """Mean CIEDE2000 to the true colors, at a size that the stride divides; None for a denoiser."""
    if subject.lab is None or L.shape[-1] % subject.stride:
        return None
    inputs = (L,)
    if subject.names == ("gray",):
        inputs = (color.decode(L, torch.zeros_like(ab))[:, :1].clamp(0.0, 1.0),)
    with torch.no_grad():
        output = torch.from_numpy(np.array(answer(*inputs)))
    return float(delta_e_2000(subject.lab(inputs, output), color.join(L, ab)).mean())


def line(name: str, model: Colorizer, kind: str, rgb: bool, L: torch.Tensor, ab: torch.Tensor, folder: Path) -> str:
    """One row of the table."""
    file = folder / f"{name}{'-rgb' if rgb else ''}{export.FORMATS[kind]}"
    found = export.export(model, kind, file, L if kind == "onnx-int8" else L[len(L) // 2 :], rgb)
    subject = export.exportable(model.family, model.size, rgb)
    some = L[len(L) // 2 :], ab[len(ab) // 2 :]
    qualities = [truth(subject, answer, *some) for answer in (subject.module, export.runner(file, subject.names))]
    cells = [
        name,
        f"{kind}{', rgb' if rgb else ''}",
        f"{found['bytes'] / 2**20:.2f}",
        f"{found['max_difference']:.1e}",
        f"{found['mean_difference']:.1e}",
        *("" if found.get(key) is None else f"{found[key]:.2g}" for key in ("ciede2000_mean", "ciede2000_max")),
        *("" if value is None else f"{value:.3f}" for value in qualities),
        f"{found['milliseconds_torch']:.1f}",
        f"{found['milliseconds']:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", nargs="+")
    p.add_argument("--pictures", required=True)
    p.add_argument("--count", type=int, default=64)
    args = p.parse_args()
    torch.set_num_threads(1)
    import onnxruntime

    versions = f"torch {torch.__version__}, onnxruntime {onnxruntime.__version__}, Python {platform.python_version()}"
    print(f"{args.count} pictures, {platform.machine()}, 1 thread, {versions}\n")
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * 2}{'---:|' * (len(HEAD) - 2)}", flush=True)
    for name, model in open_models(args.model, "cpu").items():
        L, ab = pictures(args.pictures, args.count, model.size)
        for kind, rgb in KINDS:
            with tempfile.TemporaryDirectory() as folder:
                try:
                    print(line(name, model, kind, rgb, L, ab, Path(folder)), flush=True)
                except UserError as error:
                    if not rgb:
                        print(f"\n{name}, {kind}: {error}", flush=True)


if __name__ == "__main__":
    main()
