"""How fast is the per-image suite? Ours, batched, against the usual loop over pictures with scikit-image, in one run.

    python benchmarks/metrics.py [--size 256] [--pictures 32] [--device cpu]

Both compute PSNR, Gaussian SSIM, luma SSIM, dE76, CIEDE2000, ab L1, colorfulness of both pictures and chroma ratio, and
the numbers are compared before the times are. LPIPS is left out: both would run the same network.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from colorbench import color
from colorbench.metrics.metric import Pair
from colorbench.metrics.suite import Suite

CONFIG = {
    "psnr": {"metric": "psnr"},
    "ssim": {"metric": "ssim"},
    "ssim_luma": {"metric": "ssim_luma"},
    "ciede2000": {"metric": "ciede2000"},
    "delta_e_76": {"metric": "delta_e_76"},
    "ab_l1": {"metric": "ab_l1"},
    "colorfulness": {"metric": "colorfulness"},
    "colorfulness_true": {"metric": "colorfulness", "of": "true"},
    "chroma_ratio": {"metric": "chroma_ratio"},
}
COLUMNS = tuple(CONFIG)


def colorfulness(picture: np.ndarray) -> float:
    """Hasler & Suesstrunk's M3 of uint8 [h w 3]."""
    red, green, blue = (picture[..., c].astype(np.float64) for c in range(3))
    rg, yb = red - green, 0.5 * (red + green) - blue
    return float(np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean()))


def usual_loop(hats: np.ndarray, trues: np.ndarray, *, share: bool) -> dict[str, np.ndarray]:
    """What evaluation scripts do: one picture after the other, uint8 [h w 3], one scikit-image function for each
    metric.

    share: convert each picture to Lab once, which careful scripts do; else each metric converts for itself.
    """
    from skimage.color import deltaE_cie76, deltaE_ciede2000, rgb2lab
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    rows = []
    for hat, true in zip(hats, trues, strict=True):
        kept = rgb2lab(hat), rgb2lab(true)

        def labs(
            hat: np.ndarray = hat, true: np.ndarray = true, kept: tuple[np.ndarray, np.ndarray] = kept
        ) -> tuple[np.ndarray, np.ndarray]:
            return kept if share else (rgb2lab(hat), rgb2lab(true))

        chroma_hat, chroma = (np.hypot(x[..., 1], x[..., 2]).mean() for x in labs())
        rows.append(
            (
                peak_signal_noise_ratio(true, hat, data_range=255),
                structural_similarity(true / 255.0, hat / 255.0, channel_axis=-1, **settings),
                structural_similarity(*(x[..., 0] / 100 for x in labs()), **settings),
                deltaE_ciede2000(*labs()).mean(),
                deltaE_cie76(*labs()).mean(),
                np.abs(np.subtract(*labs()))[..., 1:].mean(),
                colorfulness(hat),
                colorfulness(true),
                chroma_hat / max(chroma, 1.0),
            )
        )
    return dict(zip(COLUMNS, np.array(rows).T, strict=True))


def pictures(n: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(predicted, true) bytes: colorful low frequencies with texture; the prediction has half the chroma."""
    g = torch.Generator().manual_seed(0)
    coarse = torch.rand(n, 3, 6, 6, generator=g)
    smooth = torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic", align_corners=False)
    true = color.to_bytes(smooth + 0.05 * torch.randn(n, 3, size, size, generator=g))
    L, ab = color.encode(color.from_bytes(true))
    return color.to_bytes(color.decode(L, 0.5 * ab)), true


def main() -> None:
    """Print both times and their ratio."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--size", type=int, default=256)
    p.add_argument("--pictures", type=int, default=32)
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--repeats", type=int, default=3)
    p.add_argument("--device", default="cpu")
    p.add_argument("--no-loop", action="store_true", help="only ours (for many pictures on a GPU)")
    args = p.parse_args()
    device, suite = torch.device(args.device), Suite.of(CONFIG)
    hat, true = (x.to(device) for x in pictures(args.pictures, args.size))

    def ours() -> dict[str, np.ndarray]:
        batches = zip(hat.split(args.batch), true.split(args.batch), strict=True)
        parts = [suite.score(Pair(h, t)) for h, t in batches]
        return {name: torch.cat([part[name] for part in parts]).cpu().numpy() for name in COLUMNS}

    def timed(work: Callable[[], dict[str, np.ndarray]]) -> tuple[float, float, dict[str, np.ndarray]]:
        wall = processor = float("inf")
        answer: dict[str, np.ndarray] = {}
        for _ in range(args.repeats):
            start, cpu = time.perf_counter(), time.process_time()
            answer = work()
            wall, processor = min(wall, time.perf_counter() - start), min(processor, time.process_time() - cpu)
        return 1000 * wall / args.pictures, 1000 * processor / args.pictures, answer

    ours()
    fast, fast_cpu, mine = timed(ours)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    print(f"{args.pictures} pictures of {args.size} px, {len(COLUMNS)} metrics, {where}, torch {torch.__version__}")
    print(f"{'suite':24} {fast:8.2f} ms per picture, {fast_cpu:8.2f} ms of processor ({1000 / fast:,.0f} /s)")
    if args.no_loop:
        return
    hats, trues = (x.permute(0, 2, 3, 1).cpu().numpy() for x in (hat, true))
    for name, share in (("loop, Lab shared", True), ("loop, each metric alone", False)):
        slow, slow_cpu, theirs = timed(lambda share=share: usual_loop(hats, trues, share=share))  # type: ignore[misc]
        for column in COLUMNS:
            np.testing.assert_allclose(mine[column], theirs[column], atol=5e-3, rtol=1e-3, err_msg=column)
        print(f"{name:24} {slow:8.2f} ms per picture, {slow_cpu:8.2f} ms of processor: {slow / fast:.1f} times as long")


if __name__ == "__main__":
    main()
