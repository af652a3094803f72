"""``python -m colorbench.inspect RUN``: where the parameters and the computation of a model are.

RUN is a run folder; instead of one, ``model=unet data.size=64`` and other overrides show an untrained model. Prints the
parameters of each module and the floating-point operations of one coloring at the run's picture size (a multiplication
and an addition count as two; a diffusion's are those of all its sampler's steps), then the layers that hold the most
parameters, with the spread of their weights. ``inspect.png`` shows the same, with a histogram of each of these layers:
a spike at zero is a dead layer, heavy tails are a rate too high. ``top=12`` layers, ``depth=2`` levels of modules,
``output=FILE`` for the picture (default: in the run folder, or in the current one).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorbench import atomic, command
from colorbench.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from colorbench.family import Family


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
    weights: "Tensor"

    @property
    def parameters(self) -> int:
        """Numbers in it."""
        return self.weights.numel()


@dataclass(frozen=True)
class Anatomy:
    """parts: modules down to a depth, in order. layers: the largest first. parameters, operations: of all."""

    parts: list[Part]
    layers: list[Layer]
    parameters: int
    operations: int


def anatomy(family: "Family", size: int, depth: int = 2, top: int = 12) -> Anatomy:
    """Take the model apart. size: side of the picture whose coloring is counted, in pixels."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from colorbench.noise import Noise

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
        w = layer.weights.float()
        std = float(w.std(correction=0))
        near = float((w.abs() < 1e-3 * max(float(w.abs().max()), 1e-30)).float().mean())
        lines.append(
            f"| {layer.name} | {' x '.join(map(str, w.shape))} | {layer.parameters:,} "
            f"| {layer.parameters / found.parameters:.1%} | {float(w.mean()):.2g} | {std:.2g} "
            f"| {float(w.abs().max()):.2g} | {near:.1%} |"
        )
    return "\n".join(lines)


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


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables, draw the picture."""
    parser = command.parser("inspect", __doc__)
    parser.add_argument("words", nargs="+", metavar="RUN|KEY=VALUE", help="a run folder, or overrides")
    command.add_plugins(parser)
    own = {"top": "12", "depth": "2", "output": ""}
    rest = []
    for word in parser.parse_args(argv).words:
        key, _, value = word.partition("=")
        if key in own and value:
            own[key] = value
        else:
            rest.append(word)
    family, size, title, folder = _open(rest)
    found = anatomy(family, size, depth=_number("depth", own["depth"]), top=_number("top", own["top"]))
    if not found.parameters:
        raise UserError(f"{title} has no parameters to inspect")
    print(text(found))
    file = Path(own["output"]) if own["output"] else folder / "inspect.png"
    try:
        print(f"\npicture: {draw(found, file, f'{title}, {size} px')}")
    except OSError as error:
        raise UserError(f"output={file}: cannot be written ({error.strerror})") from error


def _open(words: list[str]) -> tuple[Any, int, str, Path]:
    import torch

    if len(words) == 1 and "=" not in words[0]:
        from colorbench.run import open_run

        run = open_run(words[0])
        return run.family(torch.device("cpu")), int(run.config["data"]["size"]), run.name, run.path
    from colorbench import backbones
    from colorbench.config import compose
    from colorbench.registry import build, load_plugins

    config = compose(words)
    load_plugins(config["plugins"])
    with backbones.checkpoint_follows():  # the shapes need no pretrained weights
        family = build("family", config["model"], "model").eval()
    name = next((w.partition("=")[2] for w in words if w.startswith("model=")), "model")
    return family, int(config["data"]["size"]), f"{name}, untrained", Path()


def _operations(module: Any, spent: dict[Any, int]) -> int:
    """Of a module that was called itself, or of the parts of one whose parts were."""
    return spent[module] or sum(_operations(child, spent) for child in module.children())


def _number(key: str, value: str) -> int:
    if not value.isdigit() or int(value) < 1:
        raise UserError(f"{key}: expected a number of at least 1, got {value!r}")
    return int(value)


def _si(number: int) -> str:
    for factor, letter in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= factor:
            return f"{number / factor:.3g} {letter}"
    return f"{number} " if number else ""


if __name__ == "__main__":
    command.run("inspect", main)
