"""``colorbench prune RUN --ratio 0.5 -o FOLDER``: the same network with fewer channels, to be trained on.

Structured pruning (Li et al. 2017): of every convolution the output channels with the largest fused filters stay,

    importance(c) = |gamma_c| / sigma_c * sum |W_c|        W_c: filter, gamma_c and sigma_c: of its normalization

and every layer that reads a removed channel loses that input. The same share goes from every layer, so the result is an
ordinary registered network of smaller ``width``: its configuration says so, and it trains, evaluates and exports like
any other. Pruned alone it answers worse; the command that is printed trains it on, from its weights.

Which layer reads which channel is not written down anywhere, it is seen: for one pass every convolution answers with
the names of its channels instead of values, and each layer reads them from its input, through whatever concatenations,
enlargements and poolings lie between. A sum of two maps gives a name that nobody has, and so has no filter to go by:
which networks are pruned, which refused and why, stands in ``colorbench prune --help``.
"""

import copy
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from colorbench.engine.checkpoint import Checkpoints, load_into
from colorbench.errors import UserError
from colorbench.family import Family
from colorbench.noise import Noise
from colorbench.registry import build
from colorbench.runs.folder import RunFolder
from colorbench.runs.run import Run
from colorbench.trunks.weights import checkpoint_follows

WIDTHS = ("width", "max_width", "base")
"""Options of networks that count channels."""
_FIRST = 2**40  # names are large, so that no sum and no multiple of two is a name


@dataclass(frozen=True)
class Wiring:
    """reads: names of the channels that each layer gets, 0 for the picture's. writes: those that it makes."""

    reads: Mapping[str, Tensor]
    writes: Mapping[str, Tensor]


def prune(family: Family, model: Mapping[str, Any], ratio: float) -> tuple[Family, dict[str, Any]]:
    """(the narrower family, its configuration). ratio: share of the channels that go, in (0, 1).

    Raises UserError: no network that can be narrowed.
    """
    if not 0.0 < ratio < 1.0:
        raise UserError(f"--ratio {ratio}: expected more than 0 and less than 1, the share of channels that go")
    key, wiring = _colorist(family, model)
    narrower = {o: max(1, round(model[key][o] * (1.0 - ratio))) for o in WIDTHS if o in model[key]}
    smaller = {**model, key: {**model[key], **narrower}}
    with checkpoint_follows():
        slim: Family = build("family", smaller, "model")
    weights = family.state_dict()
    network = family.get_submodule(key)
    weights |= {f"{key}.{name}": x for name, x in _slimmed(network, slim.get_submodule(key), wiring).items()}
    load_into(slim, weights, f"pruned {model[key]['network']}")
    return slim.eval(), smaller


def _colorist(family: Family, model: Mapping[str, Any]) -> tuple[str, Wiring]:
    """The option of the family whose network colors, and its wiring."""
    for key, value in model.items():
        if not (isinstance(value, Mapping) and isinstance(getattr(family, key, None), nn.Module)):
            continue
        if "network" in value and any(isinstance(value.get(option), int) for option in WIDTHS):
            wiring = _wiring(family, key)
            if wiring.writes:
                return key, wiring
    raise UserError("prune: this model colors with no network that has a width; prune unet, unetcolorizer, autoencoder")


def _wiring(family: Family, key: str) -> Wiring:
    """One pass with names for values."""
    family = copy.deepcopy(family).double().eval()
    reads: dict[str, Tensor] = {}
    writes: dict[str, Tensor] = {}
    held: dict[nn.Module, Tensor] = {}
    count = 0

    def enter(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        if inputs[0].dim() != 4:
            raise _refusal(names[module])
        held[module] = inputs[0].double().clone()  # activations work in place
        return (inputs[0].double(), *inputs[1:])

    def leave(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        nonlocal count
        entered, name = held.pop(module), names[module]
        if not list(module.parameters(recurse=False)):
            return entered if entered.shape == output.shape else output
        read = entered[0, :, 0, 0].round().long()
        reads[name] = torch.where(read < _FIRST // 2, 0, read)
        if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            return entered
        made = _FIRST + count + torch.arange(output.shape[1])
        count += output.shape[1]
        writes[name] = made
        return made.double()[None, :, None, None].expand_as(output).clone()

    network = family.get_submodule(key)
    names = {module: name for name, module in network.named_modules() if not list(module.children())}
    for module in names:
        module.register_forward_pre_hook(enter)
        module.register_forward_hook(leave)
    stride = int(getattr(network, "stride", 1))
    with torch.no_grad():
        family.colorize(torch.zeros(1, 1, 2 * stride, 2 * stride, dtype=torch.float64), Noise(torch.zeros(1).long()))
    return Wiring(reads, writes)


def _slimmed(network: nn.Module, slim: nn.Module, wiring: Wiring) -> dict[str, Tensor]:
    """The network's state without the channels that ``slim`` has no place for."""
    importance = _importance(network, wiring)
    kept = {0}
    for name, made in wiring.writes.items():
        layer: Any = slim.get_submodule(name)
        best = importance[name].topk(min(layer.out_channels, len(made))).indices
        kept |= set(made[best].tolist())
    known = {0, *(n for made in wiring.writes.values() for n in made.tolist())}
    state = dict(network.state_dict())
    for name, read in wiring.reads.items():
        module: Any = network.get_submodule(name)
        norm = isinstance(module, nn.BatchNorm2d | nn.InstanceNorm2d)
        grouped = isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module.groups > 1
        if grouped or not (norm or name in wiring.writes) or not set(read.tolist()) <= known:
            raise _refusal(name)
        ins = torch.tensor([i for i, n in enumerate(read.tolist()) if n in kept])
        outs = torch.tensor([i for i, n in enumerate(wiring.writes.get(name, read).tolist()) if n in kept])
        for part, x in module.state_dict().items():
            if x.dim() == 4:
                first, second = (ins, outs) if isinstance(module, nn.ConvTranspose2d) else (outs, ins)
                x = x[first][:, second]
            elif x.dim() == 1:
                x = x[outs]
            state[f"{name}.{part}"] = x
    return state


def _refusal(layer: str) -> UserError:
    return UserError(
        f"prune: {layer} sums or mixes channels; prune unet, unetcolorizer, autoencoder, with batch or instance norm"
    )


def _importance(network: nn.Module, wiring: Wiring) -> dict[str, Tensor]:
    """Of each convolution's output channels: the L1 norm of the filter, its normalization fused."""
    scales: dict[int, float] = {}
    for name, read in wiring.reads.items():
        module: Any = network.get_submodule(name)
        if isinstance(module, nn.BatchNorm2d | nn.InstanceNorm2d) and module.affine:
            variance = torch.ones(len(read)) if module.running_var is None else module.running_var
            scale = module.weight.detach().abs() / (variance + module.eps).sqrt()
            scales.update(zip(read.tolist(), scale.tolist(), strict=True))
    found = {}
    for name, made in wiring.writes.items():
        module = network.get_submodule(name)
        over = (0, 2, 3) if isinstance(module, nn.ConvTranspose2d) else (1, 2, 3)
        size = module.weight.detach().abs().sum(dim=over)
        found[name] = size * torch.tensor([scales.get(n, 1.0) for n in made.tolist()])
    return found


def write(slim: Family, model: Mapping[str, Any], run: Run, ratio: float, folder: Path) -> Path:
    """A run folder whose checkpoint is the pruned model: for init_from, evaluate, export, colorize and portable."""
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"-o {folder}: is not empty; choose another folder")
    with RunFolder(folder) as target:
        name = f"{run.name}-pruned"
        target.write_yaml("config.yaml", {**run.config, "model": model, "run": {**run.config["run"], "model": name}})
        state = slim.state_dict()
        facts = {"parameters": sum(p.numel() for p in slim.parameters()), "stochastic": slim.stochastic}
        known = {key: run.status[key] for key in ("images_seen", "seconds", "device") if key in run.status}
        Checkpoints(folder / "checkpoints").save(0, state, state, {"images": 0}, ("last", "best"), keep=True)
        target.set_status("pruned", **known, **facts, pruned={"run": str(run.path), "ratio": ratio})
    return folder


def sequel(run: Run, model: Mapping[str, Any], folder: Path) -> str:
    """What trains the pruned model on: the run's own words, the new widths, and where to start."""
    file = run.path / "overrides.txt"
    words = file.read_text().splitlines() if file.is_file() else []
    widths = [
        f"model.{key}.{option}={value[option]}"
        for key, value in model.items()
        if isinstance(value, Mapping)
        for option in WIDTHS
        if option in value and value[option] != run.config["model"][key][option]
    ]
    replaced = ("init_from=", *(width.partition("=")[0] + "=" for width in widths))
    kept = [word for word in words if not word.startswith(replaced)]
    return shlex.join(["python", "-m", "colorbench", *kept, *widths, f"init_from={folder}"])
