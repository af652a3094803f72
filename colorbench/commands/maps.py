"""Compute a trunk's maps of a data set ahead of time: ``colorbench maps trunk=lite0 data=folder data.root=PATH``

Takes the same overrides as training. The maps of every training picture and of its mirror image, and of the validation
and test pictures, are computed once and kept beside the data's cache; trainings on this trunk then cost their decoder
alone. Without this command a training keeps them as it meets them. Stopped or killed, it goes on where it was.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from colorbench.commands import command


def main(argv: Sequence[str] | None = None) -> None:
    """Compute, telling how far and how long."""
    parser = command.parser("maps", __doc__)
    parser.add_argument("words", nargs="+", metavar="KEY=VALUE", help="overrides, as of python -m colorbench")
    words = parser.parse_args(argv).words
    from colorbench.data.dataset import open_data
    from colorbench.errors import UserError
    from colorbench.progress import Tally
    from colorbench.registry import build
    from colorbench.runs.config import compose
    from colorbench.trunks.maps import Kept

    config = compose(words)
    trunk = build("trunk", config["trunk"], "trunk")
    if trunk is None or not trunk.keeps:
        raise UserError("trunk: only a frozen trunk with named weights and trunk.keep=true has maps; add trunk=lite0")
    data = open_data(config["data"])
    kept, mirrored = Kept(data.folder.parent), config["data"]["augment"]["flip"] > 0.0
    splits = [(data.train, mirrored), (data.val, False), (data.test, False)]
    total = sum(len(pictures) * (1 + twice) for pictures, twice in splits)
    try:
        with Tally("maps", total) as tally:
            for L in _pictures(splits):
                kept.fill(trunk, L)
                tally.add(len(L))
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt("interrupted; the same command goes on") from stop
    print(f"maps         {total} of {len(data.train)} + {len(data.val)} + {len(data.test)} pictures, in {kept.cache}")


def _pictures(splits: list[tuple[Any, bool]]) -> Iterator[Any]:
    """Batches of L, each picture as it is, then mirrored where training mirrors it."""
    import torch

    from colorbench.batch import Batch

    for pictures, twice in splits:
        for ids, pixels in zip(pictures.ids.split(32), pictures.pixels.split(32), strict=True):
            for seen in (pixels, pixels.flip(-1))[: 1 + twice]:
                yield Batch.of_bytes(seen.to(torch.uint8), ids).L


if __name__ == "__main__":
    command.run("maps", main)
