"""Painters: processes that paint scenes beside this one, because Python paints on one core.

A painter takes lines {"size": s, "names": [...]} and gives 3 x s x s bytes for each name, in order. It paints all of a
line before it writes, so that no full pipe stops it, and ends when its input does: with this process, if need be.
Scenes are functions of their names, so nobody can tell who painted one.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import IO, Self

import numpy as np

from colorbench.data.scenes.law import LevelName
from colorbench.data.scenes.world import World

MOST = 7
"""Painters beside this process."""


class Painters:
    """This process and ``helpers`` others paint the scenes of a world. None is waited for until it has started."""

    def __init__(self, world: World, helpers: int) -> None:
        self.world = world
        command = [sys.executable, "-m", __name__, world.level]
        where = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path),
        }
        self.starting = [
            subprocess.Popen(command, env=where, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for _ in range(min(helpers, MOST))
        ]
        self.ready: list[subprocess.Popen[bytes]] = []
        self.lost: list[subprocess.Popen[bytes]] = []
        for helper in self.starting:
            threading.Thread(target=self._await, args=(helper,), daemon=True).start()

    def _await(self, helper: "subprocess.Popen[bytes]") -> None:
        (self.ready if helper.stdout.read(1) else self.lost).append(helper)  # type: ignore[union-attr]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for helper in self.starting:
            helper.terminate()  # it may be starting, or writing what nobody will read
        for helper in self.starting:
            helper.wait()
            with contextlib.suppress(BrokenPipeError):  # an order that it did not read
                helper.stdin.close()  # type: ignore[union-attr]
            helper.stdout.close()  # type: ignore[union-attr]

    def paint(self, names: Sequence[str], size: int) -> list[np.ndarray]:
        """uint8 [3 size size], sRGB, for each name. RuntimeError: a painter ended before its scenes were done."""
        if self.lost:
            raise RuntimeError(f"a painter of scenes could not start and ended with {self.lost[0].wait()}")
        helpers = list(self.ready)
        crew = len(helpers) + 1
        for i, helper in enumerate(helpers):
            order = json.dumps({"size": size, "names": names[i + 1 :: crew]}) + "\n"
            try:
                helper.stdin.write(order.encode())  # type: ignore[union-attr]
                helper.stdin.flush()  # type: ignore[union-attr]
            except BrokenPipeError as error:
                raise RuntimeError(f"a painter of scenes ended with {helper.wait()}") from error
        done: list[np.ndarray] = [np.empty(0)] * len(names)
        done[::crew] = [self.world.picture(name, size) for name in names[::crew]]
        for i, helper in enumerate(helpers):
            share = len(names[i + 1 :: crew])
            pixels = helper.stdout.read(share * size * size * 3)  # type: ignore[union-attr]
            if len(pixels) < share * size * size * 3:
                raise RuntimeError(f"a painter of scenes ended with {helper.wait()}")
            done[i + 1 :: crew] = np.frombuffer(pixels, np.uint8).reshape(share, 3, size, size)
        return done


def serve(level: LevelName, orders: IO[bytes], pictures: IO[bytes]) -> None:
    """What a painter does."""
    world = World(level)
    pictures.write(b"+")  # ready
    pictures.flush()
    for line in orders:
        order = json.loads(line)
        pictures.write(b"".join(world.picture(name, order["size"]).tobytes() for name in order["names"]))
        pictures.flush()


if __name__ == "__main__":
    try:
        serve(sys.argv[1], sys.stdin.buffer, sys.stdout.buffer)  # type: ignore[arg-type]
    except (KeyboardInterrupt, BrokenPipeError):
        os._exit(0)  # whoever gave the orders says what happened
