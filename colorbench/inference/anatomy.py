"""Anatomy: where the parameters and the computation of a model are, and how its weights are spread."""

import csv
import io
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from colorbench import atomic
from colorbench.family import Family
from colorbench.noise import Noise


@dataclass(frozen=True)
class Part:
    """A module: its parameters, and its operations in one coloring."""

    name: str
    parameters: int
    operations: int


@dataclass(frozen=True)
class Layer:
    """A tensor of weights, and how its values are spread."""

    name: str
    weights: Tensor

    @property
    def parameters(self) -> int:
        """Numbers in it."""
        return self.weights.numel()

    @property
    def shape(self) -> str:
        """64 x 3 x 7 x 7."""
        return " x ".join(map(str, self.weights.shape))

    @property
    def spread(self) -> tuple[float, float, float, float]:
        """Mean, deviation, largest magnitude, and the share that is below a thousandth of it."""
        w = self.weights.float()
        largest = float(w.abs().max())
        near = float((w.abs() < 1e-3 * max(largest, 1e-30)).float().mean())
        return float(w.mean()), float(w.std(correction=0)), largest, near


@dataclass(frozen=True)
class Anatomy:
    """parts: modules down to a depth, in order. layers: the largest first. parameters, operations: of all."""

    parts: list[Part]
    layers: list[Layer]
    parameters: int
    operations: int


def anatomy(family: Family, size: int, depth: int = 2, top: int = 12) -> Anatomy:
    """Take the model apart. size: side of the picture whose coloring is counted, in pixels."""
    family = deepcopy(family).requires_grad_(False)  # torch's counter hooks gradients of what is handed on, queries too
    device = next((p.device for p in family.parameters()), torch.device("cpu"))
    noise = Noise.of(0, torch.zeros(1, dtype=torch.int64, device=device))
    counter, spent, entered = FlopCounterMode(display=False), dict.fromkeys(family.modules(), 0), []
    hooks = []

    def enter(*_: Any) -> None:
        entered.append(counter.get_total_flops())

    def leave(module: Any, *_: Any) -> None:
        spent[module] += counter.get_total_flops() - entered.pop()

    for module in family.modules():
        hooks += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    try:
        with torch.no_grad(), counter:
            family.eval().colorize(torch.zeros(1, 1, size, size, device=device), noise)
    finally:
        for hook in hooks:
            hook.remove()
    parts = []
    for name, module in family.named_modules():
        count = sum(p.numel() for p in module.parameters())
        if name and count and name.count(".") < depth:
            parts.append(Part(name, count, _operations(module, spent)))
    layers = sorted((Layer(n, p.detach()) for n, p in family.named_parameters()), key=lambda layer: -layer.parameters)
    total = sum(p.numel() for p in family.parameters())
    return Anatomy(parts, layers[:top], total, counter.get_total_flops())


def text(found: Anatomy) -> str:
    """Two tables, in plain Markdown."""
    lines = [f"{found.parameters:,} parameters, {_si(found.operations)}FLOPs for one coloring", ""]
    lines += ["| module | parameters | share | FLOPs |", "|---|---:|---:|---:|"]
    for part in found.parts:
        share = part.parameters / max(found.parameters, 1)
        indent = "  " * part.name.count(".")
        lines.append(f"| {indent}{part.name} | {part.parameters:,} | {share:.1%} | {_si(part.operations) or '0'} |")
    lines += ["", "| largest layers | shape | parameters | share | mean | deviation | largest | near zero |"]
    lines.append("|---|---|---:|---:|---:|---:|---:|---:|")
    for layer in found.layers:
        mean, deviation, largest, near = layer.spread
        lines.append(
            f"| {layer.name} | {layer.shape} | {layer.parameters:,} | {layer.parameters / found.parameters:.1%} "
            f"| {mean:.2g} | {deviation:.2g} | {largest:.2g} | {near:.1%} |"
        )
    return "\n".join(lines)


def csv_text(family: Family) -> str:
    """Every tensor of weights, one a line, in full: name, shape, parameters, share and spread."""
    layers = [Layer(name, p.detach()) for name, p in family.named_parameters()]
    total = max(sum(layer.parameters for layer in layers), 1)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["layer", "shape", "parameters", "share", "mean", "deviation", "largest", "near zero"])
    for layer in layers:
        writer.writerow([layer.name, layer.shape, layer.parameters, layer.parameters / total, *layer.spread])
    return out.getvalue()


def draw(found: Anatomy, file: Path, title: str) -> Path:
    """Parameters and operations of the modules, and a histogram of each of the largest layers, as one PNG."""
    from matplotlib.figure import Figure

    columns = 4
    rows = -(-len(found.layers) // columns)
    figure = Figure(figsize=(13, 3.6 + 2.1 * rows), layout="constrained")
    figure.suptitle(title, fontsize=12)
    halves: Any = figure.subfigures(2, 1, height_ratios=[3.4, max(2.1 * rows, 1)])
    above, below = halves
    shown = [p for p in found.parts if p.name.count(".") == max(q.name.count(".") for q in found.parts)][:24]
    shown = shown if len(shown) > 1 else found.parts[:24]
    for axes, key in zip(above.subplots(1, 2), ("parameters", "operations"), strict=True):
        axes.barh([p.name for p in shown], [getattr(p, key) for p in shown], color="#4477aa")
        axes.invert_yaxis()
        axes.set_title({"operations": "FLOPs"}.get(key, key), fontsize=10)
        axes.tick_params(labelsize=7)
        axes.grid(axis="x", alpha=0.25)
    for axes, layer in zip(below.subplots(rows, columns, squeeze=False).flat, found.layers, strict=False):
        axes.hist(layer.weights.float().flatten().cpu().numpy(), bins=80, color="#cc6677")
        axes.set_title(f"{layer.name}\n{layer.parameters:,}", fontsize=7)
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.8)
        axes.tick_params(labelsize=6)
    for axes in below.axes[len(found.layers) :]:
        axes.axis("off")
    with atomic.replacing(file) as part:
        figure.savefig(part, format="png", dpi=100)
    return file


def _operations(module: Any, spent: dict[Any, int]) -> int:
    """Of a module that was called itself, or of the parts of one whose parts were."""
    return spent[module] or sum(_operations(child, spent) for child in module.children())


def _si(number: int) -> str:
    for factor, letter in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= factor:
            return f"{number / factor:.3g} {letter}"
    return f"{number} " if number else ""
