"""Device and number format.

bf16 autocast with channels_last is 5 to 16 times faster than plain float32 on a processor with AMX, so ``auto`` means
bf16 wherever the hardware multiplies bf16 natively (AMX or AVX-512 BF16 on a CPU, compute capability 8 on a GPU).
"""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

import torch

from colorbench.errors import UserError

Layout = bool | Literal["auto"]
"""Are convolutions channels_last?"""

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(name: str, index: int = 0) -> torch.device:
    """``auto`` takes the ``index``-th GPU (modulo their number), else Apple's, else the CPU."""
    if name != "auto":
        try:
            device = torch.device(name)
            torch.zeros(1, device=device)
        except (RuntimeError, AssertionError) as error:
            raise UserError(
                f"device: {name!r} cannot be used ({str(error).splitlines()[0]}); try device=auto"
            ) from error
        return device
    if torch.cuda.is_available():
        return torch.device("cuda", index % torch.cuda.device_count())
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def choose_precision(name: str, device: torch.device) -> str:
    """Resolve ``auto`` to bf16 or fp32; refuse fp16 where it is not hardware's."""
    if name == "auto":
        return "bf16" if _fast_bf16(device) else "fp32"
    if name == "fp16" and device.type != "cuda":
        raise UserError(f"precision: fp16 needs a CUDA GPU, this is {device.type}; use bf16 or fp32")
    return name


def choose_layout(wanted: Layout, precision: str, device: torch.device) -> bool:
    """Are convolutions' weights kept channels_last? ``auto``: on GPUs and in 16 bits, where it is fast.

    In fp32 a CPU is about as fast without at 64 px, and 1.3 times as fast at 256 px (unetgan on AVX2).
    """
    return device.type == "cuda" or precision != "fp32" if wanted == "auto" else wanted


def autocast(precision: str, device: torch.device) -> AbstractContextManager:
    """The context that network passes run in; fp32 is plain."""
    return torch.autocast(device.type, dtype=_DTYPES.get(precision), enabled=precision in _DTYPES)


def _fast_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    if device.type != "cpu":
        return False
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text() if cpuinfo.exists() else ""
    return "amx_bf16" in flags or "avx512_bf16" in flags
