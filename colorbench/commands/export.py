"""A model for other runtimes, and how far from PyTorch it is: ``colorbench export MODEL --format FORMAT``

    onnx           L [b 1 h w] -> ab [b 2 h w], any b, any h and w that the network's stride divides
    onnx-int8      the same in 8-bit integers, calibrated on pictures
    torch-export   a program of torch.export

A diffusion comes with its loop: a program that needs numpy and onnxruntime only. What each file holds, and which models
cannot be exported: colorbench/inference/export.py.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from colorbench.commands import command
from colorbench.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor


def main(argv: Sequence[str] | None = None) -> None:
    parser = command.parser("export", __doc__)
    parser.add_argument("model", help="run folder, portable model, or USER/NAME of the Hub")
    parser.add_argument("--format", choices=("onnx", "onnx-int8", "torch-export"), default="onnx")
    parser.add_argument("-o", "--output", help="the file (NAME of the model, here)")
    parser.add_argument("--pictures", help="folder of pictures to calibrate on and to compare over; a few dozen")
    parser.add_argument("--rgb", action="store_true", help="gray in, RGB out: the conversions are part of the graph")
    command.add_plugins(parser)
    options = parser.parse_args(argv)
    from colorbench.api import load
    from colorbench.inference.export import FORMATS, export

    model = load(options.model, device="cpu")
    file = Path(options.output or f"{model.name}{FORMATS[options.format]}")
    if options.format == "onnx-int8" and not options.pictures:
        raise UserError("--format onnx-int8: ranges are measured on pictures; give some: --pictures FOLDER")
    lightness = _lightness(options.pictures, model.size)
    result = export(model, options.format, file, lightness, options.rgb)
    print(
        f"{file}: {result['bytes'] / 2**20:.2f} MB; "
        + ", ".join(f"{key} {value:.3g}" for key, value in result.items() if isinstance(value, float))
    )


def _lightness(folder: str | None, size: int, most: int = 64) -> "Tensor":
    import torch
    from torch import Tensor

    from colorbench.data.folder import walk
    from colorbench.inference.photo import read_photo

    if folder is None:
        return torch.rand(16, 1, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found: list[Tensor] = []
    for path, _ in walk(Path(folder)):
        if len(found) == most:
            break
        try:
            found.append(read_photo(Path(path), recolor=True).small(size, size))
        except UserError as error:
            print(f"colorbench.inference.export: {path}: {error}", file=sys.stderr)
    if len(found) < 8:
        raise UserError(f"--pictures {folder}: {len(found)} usable pictures; at least 8 are needed")
    return torch.cat(found)
