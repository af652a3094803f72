"""``python -m colorbench.prepare data=folder data.root=PATH``: build the cache of a data set ahead of time.

Takes the same overrides as training. Stopped or killed, it goes on where it was; a cache that is there is only read. It
prints what the data set is: pictures of each split, what was dropped and why, the fingerprint, the folder.
"""

import sys
from collections.abc import Sequence

from colorbench.errors import UserError


def main(argv: Sequence[str]) -> None:
    """Build, then describe."""
    if not argv or argv[0] in ("-h", "--help"):
        print(__doc__)
        return
    from colorbench.config import compose
    from colorbench.data.cache import read_meta
    from colorbench.data.dataset import open_data
    from colorbench.data.source import SPLITS

    data = open_data(compose(argv)["data"])
    meta = read_meta(data.folder)
    print(f"data         {data.name}, {data.train.size} x {data.train.size} pixels, fingerprint {data.fingerprint}")
    kept = ", ".join(f"{split} {meta['kept'][split]}" for split in SPLITS)
    dropped = ", ".join(f"{reason} {n}" for reason, n in sorted(meta["dropped"].items()))
    print(f"pictures     {kept}")
    print(f"dropped      {dropped or 'none'}")
    print(f"cache        {data.folder} (manifest.csv says why each picture was kept or dropped)")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as error:
        print(f"colorbench.prepare: {error}", file=sys.stderr)
        sys.exit(2)
