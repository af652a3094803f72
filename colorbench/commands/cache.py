"""What lies in the cache, how large it is, and emptying it: ``colorbench cache``

    colorbench cache                list: size, last change, what it is
    colorbench cache empty          delete all of it; the next run prepares its pictures again
    colorbench cache empty NAME     delete one entry

The cache holds prepared pictures, the maps that frozen trunks made of them, and downloads of data sets; runs are not in
it. Pretrained weights lie in the folders of torch hub and of the Hugging Face Hub, which are listed and left alone.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from colorbench.commands import command


def _parser() -> argparse.ArgumentParser:
    p = command.parser("cache", __doc__)
    p.add_argument("action", nargs="?", choices=("list", "empty"), default="list")
    p.add_argument("names", nargs="*", metavar="NAME", help="of entries (default: all)")
    p.add_argument("--folder", type=Path, help="another than data.cache's default")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    args = _parser().parse_args(argv)
    from colorbench.data.kept import empty, kept
    from colorbench.runs.config import cache_folder

    root = args.folder or Path(cache_folder()).expanduser()
    if args.action == "empty":
        gone, busy = empty(root, args.names)
        for entry in busy:
            print(f"{entry.path.name}: is being built; left")
        print(f"{root}: {_counted(len(gone))} deleted, {_megabytes(sum(entry.size for entry in gone))} freed")
        return
    found = kept(root)
    for entry in found:
        touched = time.strftime("%F", time.gmtime(entry.touched))
        print(f"{_megabytes(entry.size):>10}  {touched}  {entry.path.name}  {entry.what}")
    print(
        f"{_megabytes(sum(entry.size for entry in found)):>10}  {root}: {_counted(len(found))}; colorbench cache empty"
    )
    for name, folder in _others().items():
        if folder.is_dir():
            size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file() and not f.is_symlink())
            print(f"{_megabytes(size):>10}  {folder}: {name}, shared with other programs")


def _others() -> dict[str, Path]:
    import torch
    from huggingface_hub import constants

    return {"torch hub": Path(torch.hub.get_dir()), "the Hugging Face Hub": Path(constants.HF_HUB_CACHE)}


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _counted(count: int) -> str:
    return f"{count} {'entry' if count == 1 else 'entries'}"
