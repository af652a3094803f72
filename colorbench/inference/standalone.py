"""The loop of an exported diffusion, for machines without PyTorch: numpy and onnxruntime (and Pillow, to open files).

    python NAME.sample.py NAME.loop.json GRAY COLORED [SEED]

``colorbench export`` puts this file beside the denoiser. Every step of every sampler is linear. It
asks the denoiser once or twice, each time at a combination of what is known, (x, x0 of the step before, z, x0 ...):

    x0 = p point + q denoiser(c point, t, L), clipped to colors that exist, point = at . known;   x <- next . known

and the numbers of each step are in NAME.loop.json. A seed's colors differ from those of PyTorch's own sampler, which
draws from other streams; the same z gives the same picture.
"""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Draw = Callable[[str, tuple[int, ...]], Any]
"""(what for: start, or step 0, 1 ..., and a shape) -> normal numbers of this shape."""


class Sampler:
    """Opens NAME.loop.json and the two graphs that it names, which lie beside it."""

    def __init__(self, plan: str | Path):
        import onnxruntime

        self.plan = json.loads(Path(plan).read_text())
        files = (str(Path(plan).with_name(self.plan[key])) for key in ("denoiser", "finish"))
        self.denoiser, self.finish = (
            onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"]) for file in files
        )

    def __call__(self, gray: Any, draw: Draw) -> Any:
        """Gray values [b h w] in [0, 1] (sRGB) -> rgb [b h w 3] in [0, 1]."""
        height, width = gray.shape[1:]
        stride, scale = self.plan["stride"], self.plan["scale"]
        pads = ((0, 0), (0, -height % stride), (0, -width % stride))
        L = lightness(np.pad(gray.astype(np.float32), pads, mode="edge"))[:, None]
        mean, std = (np.array(self.plan[key], np.float32).reshape(1, 2, 1, 1) for key in ("mean", "std"))
        shape = (len(L), 2, L.shape[2] // scale, L.shape[3] // scale)
        x = np.float32(self.plan["start"]) * draw("start", shape).astype(np.float32)
        before = np.zeros_like(x)
        for i, step in enumerate(self.plan["steps"]):
            drawn = any(numbers[2] for numbers in [step["next"], *(ask["at"] for ask in step["asks"])])
            known = [x, before, draw(f"step {i}", shape).astype(np.float32) if drawn else np.zeros_like(x)]
            for ask in step["asks"]:
                point = combined(ask["at"], known)
                inputs = {"x": np.float32(ask["c"]) * point, "t": np.full(len(x), ask["t"], np.float32), "L": L}
                (output,) = self.denoiser.run(None, inputs)
                x0 = np.float32(ask["p"]) * point + np.float32(ask["q"]) * output
                known.append((np.clip(x0 * std + mean, -1, 1) - mean) / std)
            x, before = combined(step["next"], known), known[3]
        (rgb,) = self.finish.run(None, {"x": x, "L": L})
        return rgb[:, :, :height, :width].transpose(0, 2, 3, 1)


def combined(numbers: Sequence[float], known: Sequence[Any]) -> Any:
    """The sum of number times array."""
    return sum(np.float32(number) * array for number, array in zip(numbers, known, strict=False) if number)


def lightness(gray: Any) -> Any:
    """L*/50 - 1 of sRGB gray values in [0, 1] (IEC 61966-2-1, CIE 15)."""
    Y = np.where(gray > 0.04045, ((gray + 0.055) / 1.055) ** 2.4, gray / 12.92)
    f = np.where(Y > (6 / 29) ** 3, np.cbrt(Y), Y / (3 * (6 / 29) ** 2) + 4 / 29)
    return ((116 * f - 16) / 50 - 1).astype(np.float32)


def main(plan: str, source: str, target: str, seed: str = "0") -> None:
    """One picture."""
    from PIL import Image

    generator = np.random.default_rng(int(seed))
    gray = np.asarray(Image.open(source).convert("L"), dtype=np.float32) / 255
    rgb = Sampler(plan)(gray[None], lambda purpose, shape: generator.standard_normal(shape))[0]
    Image.fromarray((rgb * 255).round().astype(np.uint8)).save(target)


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    main(*sys.argv[1:])
