"""``colorbench export MODEL --format FORMAT``: a model for other runtimes, and how far from PyTorch it is.

    onnx           L [b 1 h w] -> ab [b 2 h w], any b, any h and w that the network's stride divides
    onnx-int8      the same in 8-bit integers: static, per channel, calibrated on pictures (QDQ)
    torch-export   a program of torch.export

Convolutions and the batch normalizations behind them are fused first: y = gamma (W x + b - mu) / sigma + beta is one
convolution with W' = gamma W / sigma and b' = gamma (b - mu) / sigma + beta.

With --rgb the conversions are part of it: gray [b 1 h w] -> rgb [b 3 h w], sRGB in [0, 1].

Of a diffusion the denoiser is exported, (x, t, L) -> prediction. In ONNX the loop around it comes too: a second graph
NAME.finish.onnx, (x, L) -> rgb, which enlarges the chroma along the edges of L, the coefficients of every step in
NAME.loop.json, and NAME.sample.py (inference/standalone.py), which needs numpy and onnxruntime only. Families that draw
by other means, or search a bank, are not exported.

Beside the file a report says how far its answers are from PyTorch's, at another batch and size than it was traced with,
how much processor time one picture takes and how large it is.
"""

import copy
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from colorbench import atomic, color
from colorbench.errors import UserError
from colorbench.family import Family, Loop
from colorbench.inference import standalone
from colorbench.inference.colorizer import Colorizer
from colorbench.metrics.difference import delta_e_2000
from colorbench.networks.guided import enlarge
from colorbench.noise import Noise

FORMATS = {"onnx": ".onnx", "onnx-int8": ".int8.onnx", "torch-export": ".pt2"}
_INTEGER = ("Conv", "ConvTranspose", "Relu", "LeakyRelu", "MaxPool", "Resize")
Runner = Callable[..., NDArray[np.float32]]


class Answer(nn.Module):
    """L [b 1 h w] -> ab [b 2 h w], of a family that answers without chance."""

    def __init__(self, family: Family):
        super().__init__()
        self.family = family

    def forward(self, L: Tensor) -> Tensor:
        return self.family.colorize(L, Noise(torch.zeros(L.shape[0], dtype=torch.int64)))


class Painted(nn.Module):
    """gray [b 1 h w] -> rgb [b 3 h w], sRGB in [0, 1]."""

    def __init__(self, answer: Answer):
        super().__init__()
        self.answer = answer

    def forward(self, gray: Tensor) -> Tensor:
        L = color.split(color.rgb_to_lab(gray.expand(-1, 3, -1, -1)))[0]
        return color.decode(L, self.answer(L)).clamp(0.0, 1.0)


class Finish(nn.Module):
    """(x [b 2 h/scale w/scale], L [b 1 h w]) -> rgb [b 3 h w]: what a diffusion does after its last step."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor, scale: int):
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.scale = scale

    def forward(self, x: Tensor, L: Tensor) -> Tensor:
        ab = enlarge(x * self.std + self.mean, L, self.scale).clamp(-1.0, 1.0)
        return color.decode(L, ab).clamp(0.0, 1.0)


@dataclass(frozen=True)
class Subject:
    """What is exported. example: inputs to trace with. stride: what heights and widths are multiples of. lab: CIELAB of
    (inputs, output), where the output is a color. loop: around it, where one pass is no answer."""

    module: nn.Module
    example: tuple[Tensor, ...]
    names: tuple[str, ...]
    stride: int
    lab: Callable[[tuple[Tensor, ...], Tensor], Tensor] | None = None
    loop: Loop | None = None


def exportable(family: Family, size: int, rgb: bool = False) -> Subject:
    """What is exported of a family; UserError for what cannot be."""
    what = family.exported()
    strides: list[Any] = [getattr(m, "stride", None) for m in family.modules()]
    stride = max([s for s in strides if isinstance(s, int)], default=1)
    if isinstance(what, Loop):
        if rgb:
            raise UserError("--rgb: this model is a loop around its denoiser; the loop that comes with it gives RGB")
        stride *= what.scale
        side = _side(size, stride)
        small = side // what.scale
        noisy = (torch.zeros(2, 2, small, small), torch.full((2,), 0.5), torch.zeros(2, 1, side, side))
        return Subject(fused(what.denoiser), noisy, ("x", "t", "L"), stride, loop=what)
    example = (torch.zeros(2, 1, _side(size, stride), _side(size, stride)),)
    answer = Answer(fused(what))
    if rgb:
        return Subject(Painted(answer), example, ("gray",), stride, lambda inputs, output: color.rgb_to_lab(output))
    return Subject(answer, example, ("L",), stride, lambda inputs, output: color.join(inputs[0], output))


def numbers(loop: Loop) -> dict[str, Any]:
    """Of a loop, as NAME.loop.json holds them."""
    return {
        "scale": loop.scale,
        "mean": loop.mean.flatten().tolist(),
        "start": loop.start,
        "std": loop.std.flatten().tolist(),
        "steps": loop.steps,
    }


def ship_loop(loop: Loop, subject: Subject, file: Path) -> list[Path]:
    """Beside a denoiser's ONNX ``file``: the graph after the last step, the steps' numbers, and the loop's program."""
    stem = file.name.removesuffix(".onnx")
    x, _, L = subject.example
    finish = file.with_name(f"{stem}.finish.onnx")
    write(Subject(Finish(loop.mean, loop.std, loop.scale), (x, L), ("x", "L"), subject.stride), finish)
    plan, program = file.with_name(f"{stem}.loop.json"), file.with_name(f"{stem}.sample.py")
    facts = {"denoiser": file.name, "finish": finish.name, "stride": subject.stride, **numbers(loop)}
    atomic.write_json(plan, facts, indent=None)
    shutil.copyfile(Path(standalone.__file__), program)
    return [finish, plan, program]


def _side(size: int, stride: int) -> int:
    """At least two strides: torch.export takes a 1 for a constant."""
    return max(2, -(-size // stride)) * stride


def fused(module: Any) -> Any:
    """A copy in which each convolution followed by a batch normalization is one convolution."""
    module = copy.deepcopy(module).eval()
    for parent in module.modules():
        if isinstance(parent, nn.Sequential):
            for i in range(len(parent) - 1):
                convolution, norm = parent[i], parent[i + 1]
                if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    parent[i], parent[i + 1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()
    return module


def write(subject: Subject, file: Path) -> None:
    """ONNX or a torch.export program, by the suffix; batch, height and width stay free."""
    b, h, w = (torch.export.Dim(name, min=1, max=4096) for name in ("b", "h", "w"))

    def free(x: Tensor, largest: int) -> dict[int, Any]:
        if x.dim() == 1:
            return {0: b}
        step = subject.stride * x.shape[-1] // largest
        return {0: b, 2: step * h, 3: step * w}

    shapes = tuple(free(x, subject.example[-1].shape[-1]) for x in subject.example)
    with torch.no_grad():
        program = torch.export.export(subject.module, subject.example, dynamic_shapes=shapes)
        if file.suffix == ".pt2":
            torch.export.save(program, file)
            return
        _need("onnx", "onnxscript")
        torch.onnx.export(
            program,
            (),
            str(file),
            input_names=list(subject.names),
            output_names=["output"],
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def quantize(source: Path, target: Path, pictures: Sequence[tuple[Tensor, ...]], names: tuple[str, ...]) -> None:
    """Static 8-bit integers, per channel, from the ranges that ``pictures`` make: of the convolutions and what lies
    between them. What converts colors stays in floats."""
    _need("onnxruntime", "onnx")
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(pictures)

        def get_next(self) -> dict[str, Any] | None:
            inputs = next(self.left, None)
            return None if inputs is None else {n: x.numpy() for n, x in zip(names, inputs, strict=True)}

    quantize_static(
        str(source),
        str(target),
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        weight_type=QuantType.QInt8,
        activation_type=QuantType.QUInt8,
        op_types_to_quantize=list(_INTEGER),
    )


def runner(file: Path, names: tuple[str, ...]) -> Runner:
    """What runs the file: one CPU thread."""
    if file.suffix == ".pt2":
        program = torch.export.load(file).module()
        return lambda *inputs: program(*inputs).detach().numpy()
    _need("onnxruntime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda *inputs: session.run(None, {n: x.numpy() for n, x in zip(names, inputs, strict=True)})[0]


def report(subject: Subject, run: Runner, pictures: Sequence[tuple[Tensor, ...]], file: Path) -> dict[str, Any]:
    """Parity with PyTorch over ``pictures``, processor time of one, size of the file."""
    differences, delta = [], []
    for inputs in pictures:
        with torch.no_grad():
            expected = subject.module(*inputs)
        found = torch.from_numpy(np.array(run(*inputs)))
        differences.append((found - expected).abs())
        if subject.lab is not None:
            delta.append(delta_e_2000(subject.lab(inputs, found), subject.lab(inputs, expected)))
    gap = torch.cat([d.flatten() for d in differences])
    one = tuple(x[:1] for x in pictures[0])

    def seconds(call: Callable[..., Any]) -> float:
        """Of the processor, not of the clock: another program's work is not counted."""
        call(*one)
        times = []
        for _ in range(10):
            start = time.process_time()
            call(*one)
            times.append(time.process_time() - start)
        return float(np.median(times))

    with torch.no_grad():
        ours = seconds(subject.module)
    result = {
        "file": file.name,
        "bytes": file.stat().st_size,
        "stride": subject.stride,
        "pictures": sum(len(p[0]) for p in pictures),
        "size": list(one[-1].shape[-2:]),
        "max_difference": float(gap.max()),
        "mean_difference": float(gap.mean()),
        "milliseconds": 1e3 * seconds(run),
        "milliseconds_torch": 1e3 * ours,
    }
    if delta:
        every = torch.cat([d.flatten() for d in delta])
        result |= {"ciede2000_mean": float(every.mean()), "ciede2000_max": float(every.max())}
    return result


def probes(subject: Subject, lightness: Tensor) -> list[tuple[Tensor, ...]]:
    """Batches of other sizes than the traced one; the last input is L or gray, others are drawn from a fixed seed."""
    stride, first = subject.stride, subject.example[0]
    batches: list[tuple[Tensor, ...]] = []
    generator = torch.Generator().manual_seed(0)
    for i, L in enumerate(lightness.split(4)):
        side = -(-L.shape[-1] // stride) * stride + (stride if i % 2 else 0)
        L = nn.functional.interpolate(L, (side, side + stride), mode="bilinear")
        if subject.names == ("gray",):
            batches.append((color.decode(L, torch.zeros(len(L), 2, *L.shape[2:]))[:, :1].clamp(0.0, 1.0),))
            continue
        if len(subject.names) == 1:
            batches.append((L,))
            continue
        scale = subject.example[-1].shape[-1] // first.shape[-1]
        x = torch.randn(len(L), 2, L.shape[-2] // scale, L.shape[-1] // scale, generator=generator)
        batches.append((x, torch.rand(len(L), generator=generator), L))
    return batches


def export(model: Colorizer, kind: str, file: Path, lightness: Tensor, rgb: bool = False) -> dict[str, Any]:
    """Write ``file`` and a .json report beside it. lightness: L [n 1 s s] of pictures, to calibrate on and compare."""
    subject = exportable(model.family, model.size, rgb)
    pictures = probes(subject, lightness)
    file.parent.mkdir(parents=True, exist_ok=True)
    if kind == "onnx-int8":
        whole = file.with_name(f".{file.name}.whole.onnx")
        try:
            write(subject, whole)
            quantize(whole, file, pictures[: max(1, len(pictures) // 2)], subject.names)
        finally:
            whole.unlink(missing_ok=True)
        pictures = pictures[len(pictures) // 2 :]
    else:
        write(subject, file)
    found = report(subject, runner(file, subject.names), pictures, file)
    result = {"format": kind, "inputs": list(subject.names), **found}
    if file.suffix == ".onnx" and subject.loop is not None:
        result["beside"] = [path.name for path in ship_loop(subject.loop, subject, file)]
    atomic.write_json(file.with_name(f"{file.name}.json"), result)
    return result


def _need(*packages: str) -> None:
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise UserError(f"{', '.join(missing)} not installed; pip install 'colorbench[export]'")
