"""What augmenting a picture costs, each operation and all of them, against the usual libraries.

``make bench-augment``, or ``python benchmarks/augment.py [--rounds 15]``. Sixteen pictures of 256 x 256 pixels, 8 bits
in and 8 bits out, go through each way in turn, in one run on one core; processor milliseconds, the median of rounds:

    torchvision   transforms.v2 on 8-bit tensors: flip, rotation, resized crop, jitter, blur, one after another
    PIL           the same transforms on PIL's pictures, and back to a tensor
    OpenCV        rotation and crop as one warp, jitter as one matrix, blur; only where it is installed (150 MB)
    colorbench    rotation and crop as one warp, jitter, blur (``data/augment.py``)

All are given the same strengths, not the same random numbers. ``Lab`` is what follows in colorbench with or without
augmentation: 8 bits to the L and ab of a batch.
"""

import argparse
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from importlib.util import find_spec

import numpy as np
import torch
from engine import hardware
from torchvision.transforms import v2

from colorbench import color
from colorbench.data.augment import Standard
from colorbench.noise import Noise

SIZE, PICTURES = 256, 16
OFF = {"flip": 0.0, "rotation": 0.0, "crop": 1.0, "jitter": 0.0, "blur": 0}
ALL = {"flip": 0.5, "rotation": 15.0, "crop": 0.8, "jitter": 0.3, "blur": 3}
CASES = {key: OFF | {key: value} for key, value in ALL.items()} | {"all": ALL}

Way = Callable[[torch.Tensor], object]
"""What is timed, of 8-bit pictures [b, 3, h, w]."""


def ours(case: dict[str, float]) -> Way:
    augment = Standard(**case)  # type: ignore[arg-type]
    return lambda pixels: augment(pixels, Noise.of(0, torch.arange(len(pixels)), 0))


def usual(case: dict[str, float], pil: bool) -> Way:
    """Of torchvision, on tensors or on PIL's pictures."""
    steps = {
        "flip": v2.RandomHorizontalFlip(case["flip"]),
        "rotation": v2.RandomRotation(case["rotation"], interpolation=v2.InterpolationMode.BILINEAR),
        "crop": v2.RandomResizedCrop(SIZE, scale=(case["crop"], 1.0), ratio=(1.0, 1.0)),
        "jitter": v2.ColorJitter(*[case["jitter"]] * 3),
        "blur": v2.GaussianBlur(int(case["blur"]) or 1, (0.1, 2.0)),
    }
    change = v2.Compose([step for key, step in steps.items() if case[key] != OFF[key]])
    if not pil:
        return lambda pixels: [change(one) for one in pixels]
    picture, tensor = v2.ToPILImage(), v2.PILToTensor()
    return lambda pixels: [tensor(change(picture(one))) for one in pixels]


def opencv(case: dict[str, float]) -> Way:
    """The fastest that we found for it: interleaved bytes that stay bytes; rounded and clipped once for the jitter."""
    import cv2

    cv2.setNumThreads(0)
    luma = np.array([0.299, 0.587, 0.114], dtype=np.float32)

    def change(one: torch.Tensor, draw: np.ndarray) -> torch.Tensor:
        rgb = cv2.merge(list(one.numpy()))
        if case["flip"] and draw[0] < 0:
            rgb = cv2.flip(rgb, 1)
        if case["rotation"] or case["crop"] < 1:
            side = (1 - (1 - case["crop"]) * (draw[1] + 1) / 2) ** 0.5
            matrix = cv2.getRotationMatrix2D((SIZE / 2, SIZE / 2), case["rotation"] * draw[2], side)
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            rgb = cv2.warpAffine(rgb, matrix, (SIZE, SIZE), flags=flags, borderMode=cv2.BORDER_REFLECT)
        if case["jitter"]:
            brightness, contrast, saturation = 1 + case["jitter"] * draw[3:6]
            mean = float(np.dot(luma, cv2.mean(rgb)[:3]))
            mix = brightness * contrast * (saturation * np.eye(3) + (1 - saturation) * luma)
            rgb = cv2.transform(rgb, np.c_[mix, np.full(3, brightness * mean * (1 - contrast))])
        if case["blur"]:
            sigma = 0.1 + 0.95 * (draw[6] + 1)
            rgb = cv2.GaussianBlur(rgb, [int(case["blur"])] * 2, sigma, borderType=cv2.BORDER_REFLECT_101)
        return torch.from_numpy(np.stack(cv2.split(rgb)))

    draws = np.random.default_rng(0).uniform(-1, 1, (PICTURES, 7))
    return lambda pixels: [change(one, draw) for one, draw in zip(pixels, draws, strict=True)]


def into_lab() -> Way:
    """8 bits to the L and ab of a batch, whose memory is used again."""
    out = torch.empty(PICTURES, 1, SIZE, SIZE), torch.empty(PICTURES, 2, SIZE, SIZE)
    return lambda pixels: color.encode_bytes(pixels, out)


def measured(ways: dict[tuple[str, str], Way], rounds: int) -> dict[tuple[str, str], float]:
    """Processor milliseconds a picture, the median of the rounds after the first."""
    noise = torch.randint(0, 256, (PICTURES, 3, SIZE, SIZE), generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.avg_pool2d(noise.float(), 5, 1, 2).to(torch.uint8)
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for turn in range(rounds + 1):
        for name, way in ways.items():
            pixels = smooth.clone()
            started = time.thread_time()
            way(pixels)
            if turn:
                times[name].append(1e3 * (time.thread_time() - started) / PICTURES)
    return {name: statistics.median(values) for name, values in times.items()}


def rows(cells: dict[tuple[str, str], float], libraries: list[str]) -> Iterator[str]:
    """The table, and pictures per processor second of the whole way to a batch."""
    yield f"| ms a picture of {SIZE} px | " + " | ".join(libraries) + " |"
    yield "|---" * (1 + len(libraries)) + "|"
    for case in CASES:
        best = cells[case, libraries[-1]]
        shown = (f"{cells[case, x]:.2f} ({cells[case, x] / best:.1f})" for x in libraries[:-1])
        yield f"| {case} | " + " | ".join([*shown, f"**{best:.2f}**"]) + " |"
    after = cells["Lab", ""]
    whole = (f"{1e3 / (cells['all', x] + after):,.0f}" for x in libraries)
    yield f"| all and Lab ({after:.2f}), pictures a second | " + " | ".join(whole) + " |"


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    libraries: dict[str, Callable[[dict[str, float]], Way]] = {
        "torchvision": lambda case: usual(case, pil=False),
        "PIL": lambda case: usual(case, pil=True),
    }
    if find_spec("cv2"):
        libraries["OpenCV"] = opencv
    libraries["colorbench"] = ours
    ways = {(case, name): make(CASES[case]) for case in CASES for name, make in libraries.items()}
    cells = measured(ways | {("Lab", ""): into_lab()}, arguments.rounds)
    print(f"{hardware(torch.device('cpu'))}, of {os.cpu_count()} cores; in brackets: times colorbench's\n")
    print("\n".join(rows(cells, list(libraries))))


if __name__ == "__main__":
    main()
