"""Start: the weights that a new run begins with, of another run or of another program, and nothing taken in silence.

init_from=RUN                  the same model: all of it, strictly. Another (a regression's U-Net as the generator of
                               a game): each network whose tensors have the names and shapes of one there, that of
                               its own name if there is one; what was taken and what starts anew is said.
init_from=FILE init_map=MAP    another program's checkpoint. MAP is yaml, {tensor of ours: tensor of theirs, or null
                               for one that starts anew}, and names every tensor of ours. Without it a proposal is
                               written, by names and then by order and shape, for a person to read: it is asked
                               for, never taken.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor, nn

from colorbench import atomic
from colorbench.engine.checkpoint import load_into, load_weights
from colorbench.errors import UserError
from colorbench.family import Family
from colorbench.registry import suggest
from colorbench.runs import starter
from colorbench.runs.run import open_run
from colorbench.trunks.weights import of_file

State = Mapping[str, Tensor]


def warm_start(family: Family, source: str, mapping: str | None, *, output: Path, tell: Callable[[str], None]) -> None:
    """Fill ``family``; ``tell`` gets a line for what was taken and what was not. Proposals go to ``output``."""
    if source != starter.STARTER and Path(source).expanduser().is_file():
        _of_file(family, Path(source).expanduser(), mapping, output, tell)
        return
    if mapping is not None:
        raise UserError(f"init_map: init_from={source} is a run of ours, whose tensors have our names; drop init_map")
    own = source == starter.STARTER
    weights = starter.weights() if own else load_weights(open_run(source).checkpoint() / "ema.safetensors")
    if _shapes(weights) == _shapes(family.state_dict()) or not _of_networks(family, weights, source, tell):
        load_into(family, weights, f"init_from={source}")


def _of_networks(family: Family, weights: State, source: str, tell: Callable[[str], None]) -> bool:
    """Network by network; False, and nothing is changed, when none fits or one of the same name does not."""
    ours = dict(_networks(family))
    parts = (next((n for n in ours if key.startswith(f"{n}.")), key.split(".", 1)[0]) for key in weights)
    theirs = {name: _below(weights, name) for name in dict.fromkeys(parts)}
    taken: dict[str, str] = {}
    for name, network in ours.items():
        wanted = _shapes(network.state_dict())
        fitting = [other for other, state in theirs.items() if _shapes(state) == wanted and other not in taken.values()]
        if name in fitting:
            taken[name] = name
        elif name in theirs:
            return False
        elif len(fitting) == 1:
            taken[name] = fitting[0]
        elif fitting:
            raise UserError(f"init_from={source}: {name} could be any of {', '.join(fitting)}; start from another run")
    for name, other in taken.items():
        load_into(ours[name], theirs[other], f"init_from={source}")
        count = sum(p.numel() for p in ours[name].parameters())
        tell(f"init_from: {name} is {other} of {source} ({count:,} weights)")
    if taken:
        anew, left = [n for n in ours if n not in taken], [n for n in theirs if n not in taken.values()]
        tell(f"init_from: starts anew: {', '.join(anew) or 'nothing'}; not taken: {', '.join(left) or 'nothing'}")
    return bool(taken)


def _networks(family: Family) -> Iterator[tuple[str, nn.Module]]:
    """The networks that are trained, by the paths of their attributes."""
    trained = {id(module) for module in family.trainable().values()}
    yield from ((name, module) for name, module in family.named_modules() if id(module) in trained)


def _below(state: State, name: str) -> dict[str, Tensor]:
    return {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}


def _shapes(state: State) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in state.items()}


def _of_file(family: Family, file: Path, mapping: str | None, output: Path, tell: Callable[[str], None]) -> None:
    theirs = dict(_tensors(of_file(file)))
    ours = {
        f"{name}.{key}": value
        for name, network in _networks(family)
        for key, value in network.state_dict().items()
        if not key.endswith("fingerprint")  # of a frozen trunk: its own weights are not to be replaced
    }
    if mapping is None:
        written = _propose(ours, theirs, file, output)
        found = sum(other is not None for other in propose(ours, theirs).values())
        raise UserError(
            f"init_map: {file.name} is not ours, so its tensors have other names; a proposal ({found} of {len(ours)} "
            f"found) is in {written}: read it, mend it, and give it as init_map={written}"
        )
    chosen = _read(Path(mapping).expanduser(), ours, theirs)
    state = family.state_dict()
    for key, other in chosen.items():
        if other is not None:
            state[key] = theirs[other].to(ours[key].dtype)
    load_into(family, state, f"init_from={file}")
    anew = [key for key, other in chosen.items() if other is None]
    left = [key for key in theirs if key not in chosen.values()]
    tell(f"init_from: {len(chosen) - len(anew)} of {len(ours)} tensors are those of {file.name}")
    tell(f"init_from: start anew: {_some(anew)}; of the file not taken: {_some(left)}")


def _tensors(node: Any, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Of a checkpoint's nested dictionaries, as model.encoder.0.weight."""
    for key, value in node.items() if isinstance(node, Mapping) else ():
        if isinstance(value, Tensor):
            yield f"{prefix}{key}", value
        else:
            yield from _tensors(value, f"{prefix}{key}.")


def propose(ours: State, theirs: State) -> dict[str, str | None]:
    """{ours: theirs}: where the ends of the names agree, else the first left of the same shape, in both orders."""
    left = dict(theirs)
    found: dict[str, str | None] = dict.fromkeys(ours)
    for key, value in ours.items():
        ends = [o for o, t in left.items() if t.shape == value.shape and f".{o}".endswith(f".{key.split('.', 1)[1]}")]
        if len(ends) == 1:
            found[key] = ends[0]
            del left[ends[0]]
    for key, value in ours.items():
        if found[key] is None:
            kind = _kind(key)
            same = (o for o, t in left.items() if t.shape == value.shape and _kind(o) == kind)
            found[key] = next(same, None)
            left.pop(found[key] or "", None)
    return found


def _kind(key: str) -> str:
    """weight, bias, running_mean ...: the last word of a tensor's name."""
    return key.rsplit(".", 1)[-1]


def _propose(ours: State, theirs: State, file: Path, output: Path) -> Path:
    lines = [
        f"# {file.name}: which of its tensors goes where. A proposal: nobody has checked it.",
        "# tensor of ours: tensor of theirs, of the same shape; null: it starts anew",
    ]
    lines += [f"{key}: {other or 'null'} # {list(ours[key].shape)}" for key, other in propose(ours, theirs).items()]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:8]
    written = output / f"init_map-{re.sub(r'[^A-Za-z0-9_-]', '_', file.stem)}-{digest}.yaml"
    atomic.write_text(written, "\n".join(lines) + "\n")
    return written


def _read(file: Path, ours: State, theirs: State) -> dict[str, str | None]:
    try:
        chosen = yaml.safe_load(file.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"init_map: {file} cannot be read ({' '.join(str(error).split())[:200]})") from error
    if not isinstance(chosen, dict):
        raise UserError(f"init_map: {file} is no map; a line is `tensor of ours: tensor of theirs`, or null")
    for key, other in chosen.items():
        if key not in ours:
            raise UserError(f"init_map: {file}: the model has no tensor {key!r}{suggest(str(key), list(ours))}")
        if other is None:
            continue
        if other not in theirs:
            raise UserError(f"init_map: {file}: {key}: there is no {other!r}{suggest(str(other), list(theirs))}")
        if theirs[other].shape != ours[key].shape:
            shapes = f"{list(theirs[other].shape)}, ours is {list(ours[key].shape)}"
            raise UserError(f"init_map: {file}: {key}: {other} is {shapes}; write another, or null")
    for key in ours:
        if key not in chosen:
            raise UserError(f"init_map: {file}: {key} is missing; write `{key}: null` to let it start anew")
    return chosen


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:4]) or "nothing"
    return shown + (f" and {len(names) - 4} more" if len(names) > 4 else "")
