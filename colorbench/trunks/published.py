"""Published weights, by name: which file, from where, what for, and the digits of its sha256 that its name carries.

Only ``colorbench fetch-weights`` and a model that asks for ``imagenet`` download anything; metrics look where torch hub
keeps its files and say what to type.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from colorbench.errors import UserError
from colorbench.registry import suggest
from colorbench.trunks.classifiers import Name, cached, source
from colorbench.trunks.weights import download, file_digest, hub_file, impatient

_INCEPTION = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
)
_SERVES: dict[Name, str] = {
    "alexnet": "LPIPS (alex)",
    "vgg16": "LPIPS (vgg), perceptual=vgg",
    "squeezenet1_1": "LPIPS (squeeze), trunk=squeezenet",
    "resnet18": "trunk=resnet18, experiment=seed_000",
    "resnet34": "trunk=resnet34",
    "resnet50": "trunk=resnet50",
}
GROUPS = {"lpips": ("alexnet",), "fid": ("inception",), "kid": ("inception",)}
"""What a column's word asks for."""


@dataclass(frozen=True)
class Published:
    """name: what is typed. url, file: where it comes from, and where torch hub keeps it. serves: in words."""

    name: str
    url: str
    file: Path
    serves: str

    @property
    def flaw(self) -> str:
        """Why the file here cannot be used; empty where it can. UserError is never raised."""
        if not self.file.is_file():
            return "absent"
        digits = re.search(r"-([0-9a-f]{8,})$", self.file.stem)
        whole = digits is None or file_digest(self.file).startswith(digits[1])
        return "" if whole else "not the published file (its sha256 is another)"


def published() -> dict[str, Published]:
    """Everything that can be fetched from torch hub's places."""
    found: dict[str, Published] = {n: Published(n, source(n), cached(n), serves) for n, serves in _SERVES.items()}
    found["inception"] = Published("inception", _INCEPTION, hub_file(_INCEPTION.rpartition("/")[2]), "FID, KID")
    return found


def wanted(names: Sequence[str]) -> list[str]:
    """``lpips`` is its network; ``all`` is everything of torch hub; each once. UserError for a word nobody knows."""
    known = published()
    found: list[str] = []
    for word in names:
        some = tuple(known) if word == "all" else GROUPS.get(word, (word,))
        if word not in known and word not in GROUPS and word != "all" and not _of_timm(word):
            raise UserError(f"{word}: no such weights{suggest(word, [*known, *GROUPS, 'all'])}; or a name of timm's")
        found += some
    return list(dict.fromkeys(found))


def fetch(name: str) -> str:
    """Make sure that weights are here, whole; a line that says where. UserError: they cannot be had, or are others."""
    known = published()
    if name not in known:
        return _fetch_timm(name)
    one = known[name]
    if not one.flaw:
        return f"{name}: {one.file} (there already, checksum right)"
    one.file.unlink(missing_ok=True)
    download(one.url, one.file, name)
    if one.flaw:
        one.file.unlink(missing_ok=True)
        raise UserError(f"{name}: what {one.url} gave has another checksum than its name says; nothing was kept")
    return f"{name}: {one.file} ({one.file.stat().st_size / 1e6:.0f} MB, checksum right)"


def _of_timm(name: str) -> bool:
    import timm

    return bool(timm.is_model(name))


def _fetch_timm(name: str) -> str:
    """Of the Hugging Face Hub, whose client checks what it downloads."""
    import timm

    try:
        with impatient():
            timm.create_model(name, pretrained=True)
    except Exception as error:  # timm, the hub's client and the network each have their own
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
        raise UserError(
            f"{name}: cannot be had ({why}); copy the folder of the Hub's cache from a machine with a network"
        ) from error
    return f"{name}: in the Hugging Face Hub's cache"
