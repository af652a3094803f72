"""Build the cache of a data set ahead of time: ``colorbench prepare data=folder data.root=PATH``

Takes the same overrides as training. Stopped or killed, it goes on where it was; a cache that is there is only read. It
prints what the data set is: pictures of each split, what was dropped and why, the fingerprint, the folder.
"""

from collections.abc import Sequence

from colorbench.commands import command


def main(argv: Sequence[str] | None = None) -> None:
    parser = command.parser("prepare", __doc__)
    parser.add_argument("words", nargs="+", metavar="KEY=VALUE", help="overrides, as of python -m colorbench")
    words = parser.parse_args(argv).words
    from colorbench.data.cache import read_meta
    from colorbench.data.dataset import open_data
    from colorbench.data.source import SPLITS
    from colorbench.runs.config import compose

    try:
        data = open_data(compose(words)["data"])
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt("interrupted; the same command goes on") from stop
    meta = read_meta(data.folder)
    print(f"data         {data.name}, {data.train.size} x {data.train.size} pixels, fingerprint {data.fingerprint}")
    kept = ", ".join(f"{split} {meta['kept'][split]}" for split in SPLITS)
    dropped = ", ".join(f"{reason} {n}" for reason, n in sorted(meta["dropped"].items()))
    print(f"pictures     {kept}")
    print(f"dropped      {dropped or 'none'}")
    print(f"cache        {data.folder} (manifest.csv says why each picture was kept or dropped)")


if __name__ == "__main__":
    command.run("prepare", main)
