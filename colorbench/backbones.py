"""Backbones: the feature trunks of torchvision's classifiers, and where their weights come from.

weights is one of

    none        random numbers: trained from scratch, or random features on purpose; it is never a fallback
    imagenet    torchvision's ImageNet weights, from torch hub's cache folder, or downloaded into it
    PATH        a .pth or .safetensors file in torchvision's layout (the classifier's part may be missing)

Weights that cannot be had end in one line that names the file and the folder. Under :func:`checkpoint_follows`
nothing is read, because a checkpoint is about to fill the parameters: a trained model opens on a machine that never had
the pretrained files.

A gray picture enters through a stem of one channel whose weights are the sums over R, G and B: what the three-channel
stem computes for R = G = B.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal
from urllib.error import URLError

import torch
from torch import Tensor, nn

from colorbench.arrays import Picture
from colorbench.errors import UserError

Name = Literal["resnet18", "resnet34", "resnet50", "vgg16", "alexnet", "squeezenet1_1"]

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's sRGB in [0, 1], as torchvision trains
GRAY_MEAN, GRAY_STD = sum(MEAN) / 3, sum(STD) / 3

_skip: ContextVar[bool] = ContextVar("checkpoint_follows", default=False)


@contextmanager
def checkpoint_follows() -> Iterator[None]:
    """Networks built inside read no pretrained weights: the caller loads a checkpoint into them."""
    token = _skip.set(True)
    try:
        yield
    finally:
        _skip.reset(token)


def trunk(name: Name, weights: str) -> nn.Module:
    """torchvision's network ``name`` without its classifier, filled from ``weights``; input [b 3 h w]."""
    from torchvision import models

    network = models.get_model(name, weights=None)
    for head in ("fc", "classifier"):
        if hasattr(network, head):
            setattr(network, head, nn.Identity())
    if weights != "none" and not _skip.get():
        state = _state(name, weights)
        kept = {k: v for k, v in state.items() if not k.startswith(("fc.", "classifier."))}
        try:
            network.load_state_dict(kept)
        except RuntimeError as error:
            first = " ".join(str(error).splitlines()[1:2]).strip()
            raise UserError(f"weights: {weights} does not hold torchvision's {name} ({first})") from error
    return network


def gray_trunk(name: Name, weights: str) -> nn.Module:
    """:func:`trunk` whose stem takes one channel, by summing the weights over R, G and B."""
    network = trunk(name, weights)
    for parent in network.modules():
        for key, child in parent.named_children():
            if isinstance(child, nn.Conv2d) and child.in_channels == 3:
                stem = nn.Conv2d(
                    1, child.out_channels, child.kernel_size, child.stride, child.padding,  # type: ignore[arg-type]
                    bias=child.bias is not None,
                )  # fmt: skip
                stem.weight.data.copy_(child.weight.data.sum(dim=1, keepdim=True))
                if child.bias is not None and stem.bias is not None:
                    stem.bias.data.copy_(child.bias.data)
                setattr(parent, key, stem)
                return network
    raise AssertionError(f"{name} has no stem of three channels")


def standardize(rgb: Picture) -> Tensor:
    """[b 3 h w] in [0, 1] -> what the networks were trained on."""
    mean, std = (torch.tensor(v, device=rgb.device).view(1, 3, 1, 1) for v in (MEAN, STD))
    return (rgb - mean) / std


def standardize_gray(x: Tensor) -> Tensor:
    """[b 1 h w] in [-1, 1] -> what a one-channel stem expects."""
    return (x * 0.5 + 0.5 - GRAY_MEAN) / GRAY_STD


class Frozen(nn.Module):
    """A network that nothing trains: its parameters become buffers that follow its owner from device to device, it
    stays in eval mode, and checkpoints hold it only if ``saved``."""

    def __init__(self, network: nn.Module, *, saved: bool) -> None:
        super().__init__()
        self.network, self.unread = network, _skip.get() and not saved
        for module in network.modules():
            tensors = {**module._parameters, **module._buffers}
            module._parameters.clear()
            module._buffers.clear()
            for key, tensor in tensors.items():
                module.register_buffer(key, None if tensor is None else tensor.detach(), persistent=saved)
        self.train(False)

    def train(self, mode: bool = True) -> "Frozen":
        """Always eval mode."""
        return super().train(False)

    def forward(self, *inputs: Tensor) -> Any:
        """The network's."""
        if self.unread:
            raise UserError("weights: this model was opened from a checkpoint without its frozen networks; rebuild it")
        return self.network(*inputs)


def _state(name: Name, weights: str) -> dict[str, Tensor]:
    if weights == "imagenet":
        return _from_hub(name)
    path = Path(weights).expanduser()
    if not path.is_file():
        raise UserError(
            f"weights: {path} is not there; give the path of a .pth or .safetensors file of {name}, imagenet, or none"
        )
    return _read(path)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise UserError(f"weights: {path} cannot be read ({type(error).__name__}: {error})") from error


def cached(name: Name) -> Path:
    """Where torch hub keeps torchvision's ImageNet weights of ``name``, present or not."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(_url(name)).name


def _url(name: Name) -> str:
    from torchvision import models

    return models.get_model_weights(name)["IMAGENET1K_V1"].url


def _from_hub(name: Name) -> dict[str, Tensor]:
    path, before = cached(name), socket.getdefaulttimeout()
    if not path.is_file():
        try:
            socket.setdefaulttimeout(10.0)
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(_url(name), str(path), progress=False)
        except (URLError, OSError, RuntimeError) as error:
            raise UserError(
                f"weights: {name}'s ImageNet weights are neither cached nor to be had ({error}); put {path.name} "
                f"into {path.parent}, or give the path of a file"
            ) from error
        finally:
            socket.setdefaulttimeout(before)
    return _read(path)
