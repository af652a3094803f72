"""Does gray beat a perfect sampler? Errors over whole scenes, and over the objects whose color is really uncertain.

    python experiments/02_known_law/ambiguous.py standard 200

An object is ambiguous when no mode of it has a probability above 0.6. Intervals: 95 %, bootstrap over scenes, paired.
"""

import sys

import numpy as np

from colorbench.data.scenes.oracles import answer, uniforms
from colorbench.data.scenes.world import World


def errors(level: str, scenes: int) -> np.ndarray:
    """[scenes, oracle, (MSE all, MSE ambiguous, distance all, distance ambiguous)] in the a*b* plane, at 64 px."""
    world, rng, rows = World(level), np.random.default_rng(0), []
    for index in range(scenes):
        scene = world.scene(world.name("test", index), 64)
        surest = scene.law.marginal(scene.seen).max(-1)
        ambiguous = (scene.pure > 0) & (surest[np.maximum(scene.pure, 0)] < 0.6)
        if ambiguous.sum() < 40:
            continue
        truth = answer("sample", scene, rng.random(uniforms("sample", len(scene.classes), 64)))
        for oracle in ("gray", "sample", "mean"):
            u = rng.random(uniforms(oracle, len(scene.classes), 64))
            hat = 0 * truth if oracle == "gray" else answer(oracle, scene, u)
            square = ((hat - truth) ** 2).sum(0)
            distance = np.sqrt(square)
            rows.append([square.mean(), square[ambiguous].mean(), distance.mean(), distance[ambiguous].mean()])
    return np.array(rows).reshape(-1, 3, 4)


def main(level: str, scenes: str) -> None:
    """Print the table."""
    found = errors(level, int(scenes))
    n = len(found)
    weights = np.random.default_rng(1).multinomial(n, np.full(n, 1 / n), 2000) / n
    print(f"{n} scenes, level {level}\n")
    print("| error in the a*b* plane | gray | sampler | mean | sampler - gray | sampler - mean |")
    print("|---" * 6 + "|")
    parts = ("whole scenes", "ambiguous objects")
    titles = [f"{error}, {part}" for error in ("squared", "distance") for part in parts]
    for j, title in enumerate(titles):
        gray, sampler, mean = found[:, :, j].mean(0)
        gaps = [np.quantile(weights @ (found[:, 1, j] - found[:, k, j]), [0.025, 0.975]) for k in (0, 2)]
        cells = " | ".join(f"[{low:+.1f}, {high:+.1f}]" for low, high in gaps)
        print(f"| {title} | {gray:.1f} | {sampler:.1f} | {mean:.1f} | {cells} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
