"""Does the perceptual column that everybody has (trunk_distance_lite0) go with LPIPS? On validation pictures.

    perceptual.py DATA HEADS_FEATURES [PICTURES]

DATA: a folder of photographs (train/val/test). HEADS_FEATURES: SqueezeNet v1.1's features, which LPIPS's published
heads stand on. Each of PICTURES (100) validation pictures at 128 px is spoiled in nine ways of one kind each; both
distances are measured, and their rank correlation is printed: over all, and inside a picture (which of its nine is
worse).
"""

import sys
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr

from colorbench import color
from colorbench.data.dataset import open_data
from colorbench.evaluation.baselines import baseline
from colorbench.metrics.metric import Pair
from colorbench.metrics.perceptual import Distance
from colorbench.metrics.trunk import TrunkDistance
from colorbench.noise import Noise
from colorbench.runs.config import compose
from colorbench.trunks.weights import of_file


def main(root: str, features: str, count: int = 100) -> None:
    data = open_data(compose(["data=folder", f"data.root={root}", "data.size=128"])["data"])
    pictures = data.val.take(count)
    cpu = torch.device("cpu")
    trivial = {name: baseline(name, data, cpu) for name in ("gray", "luma_mean", "confetti", "marginal", "neighbors")}
    heads = Distance(
        net="squeeze",
        state={f"features.{k.removeprefix('features.')}": v for k, v in of_file(Path(features)).items()},
        heads=True,
    )
    ours = TrunkDistance(trunk="lite0")
    found: dict[str, list[torch.Tensor]] = {}
    with torch.inference_mode():
        for batch in pictures.batches(20, cpu):
            noise = Noise.of(0, batch.ids)
            colorings = {name: family.colorize(batch.L, noise) for name, family in trivial.items()}
            for name, ab in {
                "half the chroma": 0.5 * batch.ab,
                "chroma times 1.4": 1.4 * batch.ab,
                "hues turned": torch.stack([-batch.ab[:, 1], batch.ab[:, 0]], 1),
                "another's colors": batch.ab.roll(1, 0),
            }.items():
                colorings[name] = ab
            true = color.to_bytes(batch.rgb)
            for name, ab in colorings.items():
                pair = Pair(color.to_bytes(color.decode(batch.L, ab.clamp(-1, 1))), true)
                both = torch.stack([heads(pair.rgb_hat, pair.rgb).double(), ours(pair)])
                found.setdefault(name, []).append(both)
    values = np.stack([torch.cat(parts, dim=1).numpy() for parts in found.values()])  # way, distance, picture
    print("| spoiled by | LPIPS's heads on SqueezeNet | trunk_distance_lite0 |\n|---|---|---|")
    for name, (lpips, trunk) in zip(found, values.mean(2), strict=True):
        print(f"| {name} | {lpips:.3f} | {trunk:.3f} |")
    inside = [spearmanr(values[:, 0, i], values[:, 1, i]).statistic for i in range(values.shape[2])]
    print(
        f"\nrank correlation over all {values.shape[0] * values.shape[2]}: "
        f"{spearmanr(values[:, 0].ravel(), values[:, 1].ravel()).statistic:.2f}; "
        f"inside a picture: {np.mean(inside):.2f} (5th percentile {np.percentile(inside, 5):.2f})"
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
