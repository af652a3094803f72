"""How fast pictures reach a model, against the usual pipeline, and how much memory a large set takes.

``make bench-data``, or ``python benchmarks/data.py [--seconds 5] [--cores 2]``. Both pipelines are given the same
generated JPEG files of 640 x 480 pixels (COCO's usual size), one after the other in one run on the same cores, and give
float Lab batches of 64 at 256 pixels. colorbench's cache is built before its measurement, once for all runs:

    usual      PIL decode, resize, center crop -> scikit-image rgb2lab -> torch DataLoader (0 and 2 workers)
    colorbench the prepared cache -> Lab (batches made ahead by as many threads as there are cores)

Other work on the machine spoils wall-clock numbers, so the processor's own seconds are given too: on an idle machine
images per second is at least (images per processor-second) x cores for a pipeline that keeps all cores busy.
"""

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

SIZE, BATCH = 256, 64
OFF = {"flip": 0.0, "rotation": 0.0, "crop": 1.0, "jitter": 0.0, "blur": 0}
AUGMENTATIONS = {
    "none": OFF,
    "flip": OFF | {"flip": 0.5},
    "all": {"flip": 0.5, "rotation": 15.0, "crop": 0.8, "jitter": 0.3, "blur": 3},
}


class Usual(Dataset[torch.Tensor]):
    """What most training scripts do for each picture."""

    def __init__(self, files: list[Path]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor:
        from skimage.color import rgb2lab

        with Image.open(self.files[index]) as image:
            rgb = image.convert("RGB")
            side = min(rgb.size)
            rgb = rgb.resize((rgb.width * SIZE // side, rgb.height * SIZE // side), Image.Resampling.BICUBIC)
            left, top = (rgb.width - SIZE) // 2, (rgb.height - SIZE) // 2
            lab = rgb2lab(np.asarray(rgb.crop((left, top, left + SIZE, top + SIZE))))
        return torch.from_numpy(lab.astype(np.float32)).permute(2, 0, 1)


def write_photos(folder: Path, n: int) -> list[Path]:
    """JPEG files of 640 x 480 pixels: smooth colors with some noise, about as many bytes as a photograph's."""
    rng = np.random.default_rng(0)
    files = []
    for i in range(n):
        small = Image.fromarray(rng.integers(0, 256, (8, 10, 3), dtype=np.uint8))
        pixels = np.asarray(small.resize((640, 480), Image.Resampling.BICUBIC), dtype=np.float32)
        image = Image.fromarray((pixels + rng.normal(0, 6, pixels.shape)).clip(0, 255).astype(np.uint8))
        files.append(folder / f"{i:04d}.jpg")
        image.save(files[-1], quality=90)
    return files


def rate(batches: Iterator[Any], seconds: float, count: Callable[[Any], int]) -> tuple[float, float]:
    """(images per second, images per processor-second of this process), after one batch to warm up."""
    next(batches)
    images, wall, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - wall < seconds:
        images += count(next(batches))
    return images / (time.perf_counter() - wall), images / (time.process_time() - cpu)


def usual(files: list[Path], workers: int, seconds: float) -> tuple[float, float]:
    """The usual pipeline."""
    loader = DataLoader(Usual(files), BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
    return rate(itertools.chain.from_iterable(itertools.repeat(loader)), seconds, len)


def cached(folder: Path, cache: Path, augment: dict[str, Any], threads: int, seconds: float) -> tuple[float, float]:
    """colorbench's training sequence."""
    from colorbench.data.dataset import open_data
    from colorbench.runs.config import compose

    config = compose(["data=folder", f"data.root={folder}", f"data.size={SIZE}", f"data.cache={cache}"])["data"]
    config |= {"augment": {"augmentation": "standard", **augment}, "threads": threads}
    data = open_data(config)
    batches = data.train_batches(batch_size=BATCH, seed=0, start=0, device=torch.device("cpu"))
    return rate(batches, seconds, len)


def speed(seconds: float, cores: int) -> None:
    """Print the table of both pipelines."""
    print(f"| {SIZE} px, batch {BATCH}, {cores} cores | images/s | images per processor-second | times usual |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        photos = Path(scratch) / "photos"
        photos.mkdir()
        files = write_photos(photos, 400)
        best = (0.0, 0.0)
        for workers in (0, 2):
            wall, cpu = usual(files, workers, seconds)
            best = max(best, (wall, cpu))
            shown = f"{cpu:,.0f}" if workers == 0 else "(in other processes)"
            print(f"| usual, {workers} workers | {wall:,.0f} | {shown} | |", flush=True)
        for name, augment in AUGMENTATIONS.items():
            for threads in (0, cores):
                wall, cpu = cached(photos, Path(scratch) / "cache", augment, threads, seconds)
                ratio = f"{wall / best[0]:.1f}"
                which = f"colorbench, augmentation {name}, {threads} threads"
                print(f"| {which} | {wall:,.0f} | {cpu:,.0f} | {ratio} |", flush=True)


def memory(images: int) -> None:
    """Read 400 batches of 64 from a sparse cache of ``images`` pictures of 64 pixels; print the process's memory."""
    from colorbench.data.augment import Standard
    from colorbench.data.feed import CachedFeed
    from colorbench.data.pictures import Pictures

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, bytes_each in (("pixels", 3 * 64 * 64), ("sha256", 32), ("names", 1)):
            with open(folder / f"train.{name}", "wb") as file:
                file.truncate(images * bytes_each)
        np.arange(images, dtype=np.int64).tofile(folder / "train.ids")
        np.arange(images + 1, dtype=np.int64).tofile(folder / "train.offsets")
        pictures = Pictures.of_cache(folder, "train", images, 64)
        feed = CachedFeed(pictures, Standard(**OFF), resident_share=0.5, threads=0)
        started = time.perf_counter()
        batches = feed.batches(batch_size=64, seed=0, start=0, device=torch.device("cpu"), rank=0, world=1)
        next(batches)
        first = time.perf_counter() - started
        for _ in itertools.islice(batches, 400):
            pass
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        own, mapped = (int(status[key].split()[0]) // 1024 for key in ("RssAnon", "RssFile"))
        print(f"| {images:,} | {own} | {mapped} | {first:.2f} |", flush=True)


def memory_table(figure: Path | None) -> None:
    """Print the table of memory over set sizes, each size in a process of its own; and draw it."""
    print("\n| images in the cache | own memory, MB | mapped pages (given back when needed), MB | first batch, s |")
    print("|---|---|---|---|", flush=True)
    rows = []
    for images in (1_000, 10_000, 100_000, 1_000_000):
        command = [sys.executable, __file__, "--memory", str(images)]
        line = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        print(line, flush=True)
        rows.append([float(cell.replace(",", "")) for cell in line.strip("| ").split("|")])
    if figure is not None:
        draw(np.array(rows), figure)


def draw(rows: np.ndarray, path: Path) -> None:
    """Memory over set size, rows (images, own MB, mapped MB, seconds)."""
    from matplotlib.figure import Figure

    canvas = Figure(figsize=(6, 3.4), layout="constrained")
    axes = canvas.add_subplot()
    axes.plot(rows[:, 0], rows[:, 1], "o-", label="own memory")
    axes.plot(rows[:, 0], rows[:, 2], "s--", label="mapped pages, given back when needed")
    axes.set(xscale="log", ylim=(0, None), xlabel="images in the cache (64 px)", ylabel="MB after 25,600 images")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    canvas.savefig(path, dpi=110)


def main() -> None:
    """All tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--cores", type=int, default=min(2, len(os.sched_getaffinity(0))))
    parser.add_argument("--memory-figure", type=Path, metavar="PNG", help="only measure the memory, and draw it")
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.memory:
        memory(arguments.memory)
        return
    if arguments.memory_figure:
        memory_table(arguments.memory_figure)
        return
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.cores])
    print(f"torch {torch.__version__}, load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    speed(arguments.seconds, arguments.cores)
    memory_table(None)


if __name__ == "__main__":
    main()
