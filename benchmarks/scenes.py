"""How many scenes a processor second paints, and whether they are those of every other machine.

``make bench-scenes``, or ``python benchmarks/scenes.py [--count 200] [--size 64]``: scenes of each level, one after the
other in one thread. What is painted is held bit for bit by ``tests/data/test_scenes.py``.
"""

import argparse
import time

import torch
from engine import hardware

from colorbench.data.scenes.world import World


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--size", type=int, default=64)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{hardware(torch.device('cpu'))}\n\n| level, {arguments.size} px | scenes a processor second |\n|---|---|")
    for level in ("simple", "standard", "hard"):
        world = World(level)  # type: ignore[arg-type]
        names = [world.name("train", index) for index in range(arguments.count)]
        world.picture(names[0], arguments.size)
        started = time.process_time()
        for name in names:
            world.picture(name, arguments.size)
        print(f"| {level} | {arguments.count / (time.process_time() - started):.0f} |", flush=True)


if __name__ == "__main__":
    main()
