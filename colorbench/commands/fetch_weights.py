"""Pretrained weights into this machine's caches, checked: ``colorbench fetch-weights NAME...``

    colorbench fetch-weights                 what there is, what is here, what each serves
    colorbench fetch-weights lpips fid       what these columns need
    colorbench fetch-weights vgg16 all       by name; all of torch hub's
    colorbench fetch-weights convnext_tiny   any of timm's, from the Hugging Face Hub

Nothing else downloads a metric's weights: without them LPIPS, FID and KID read n/a. A file whose sha256 is not what its
name says is refused. Without a network the line says which file to put where.
"""

import argparse
from collections.abc import Sequence

from colorbench.commands import command
from colorbench.errors import UserError


def _parser() -> argparse.ArgumentParser:
    p = command.parser("fetch-weights", __doc__)
    p.add_argument("names", nargs="*", metavar="NAME")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    args = _parser().parse_args(argv)
    from colorbench.trunks.published import fetch, published, wanted

    if not args.names:
        for one in published().values():
            print(f"{one.name:14} {one.flaw or 'here':10}  {one.serves}")
        print("columns: lpips (alexnet), fid and kid (inception); any name of timm.list_models(pretrained=True) too")
        return
    failed = []
    for name in wanted(args.names):
        try:
            print(fetch(name))
        except UserError as error:  # one that cannot be had does not keep the others
            failed.append(str(error))
    if failed:
        raise UserError("; ".join(failed))
