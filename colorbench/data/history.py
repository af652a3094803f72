"""Early true-color photographs: the glass plates of Sergei Prokudin-Gorskii, 1905 to 1915, as scanned by the Library of
Congress (LC-DIG-prok, "no known restrictions on publication": public domain).

Real colors of a time whose photographs are gray: what colorization is used on, with the truth. The plates are fetched
once, one after another with a pause, and laid together by :mod:`colorbench.data.plate`; a plate whose exposures do not
fit, and a number that the library lacks, are left out with their reason.

CHECKSUMS ARE TRUST ON FIRST USE: this program was written offline and knows no plate's hash. The first download writes
``SHA256SUMS`` into the folder, and from then on every file must be what it was. Pass that file on with your results:
who lays it into an empty folder gets your plates or an error. Nor could the addresses be tried.

Plates of consecutive numbers often show one scene twice, so groups of ten are split, not plates.
"""

import hashlib
import io
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
from PIL import Image

from colorbench import atomic
from colorbench.data.decode import fit
from colorbench.data.folder import Held, stamp
from colorbench.data.source import Dropped, Item, Rendered, Source, hashed_split
from colorbench.errors import UserError
from colorbench.progress import Tally
from colorbench.ranges import Count, Seconds, Text, within
from colorbench.registry import register

SUMS = "SHA256SUMS"
ABSENT = "absent"
"""In place of a hash: the library answered that it has no such plate."""
Plates = Annotated[
    str,
    within("two numbers below 100000, first-last", lambda text: re.fullmatch(r"\d{1,5}-\d{1,5}", text) is not None),
]
_GROUP = 10
_WAITS = 4  # times that a server which asks for patience is waited for


@register("source", "history")
class History(Source):
    """The plates of some numbers.

    root: where they lie or go. plates: first-last, both with. address: of a scan, with {plate} and {hundred}; its last
    part is the file's name. pause: seconds between two requests. share: of the groups of ten plates that go to test,
    and as many to val. max_pixels: larger scans are dropped, by their header.
    """

    def __init__(
        self, *, root: Text, plates: list[Plates], address: Text, pause: Seconds, share: Held, max_pixels: Count
    ) -> None:
        self.root, self.address = Path(root).expanduser(), address
        self.plates = _numbers(plates)
        self.pause, self.share, self.max_pixels = pause, share, max_pixels

    def items(self) -> Iterable[Item]:
        """Every plate that the library has; those that are not here are fetched first."""
        known = self._known()
        missing = [n for n in self.plates if not self._file(n).is_file() and known.get(self._file(n).name) != ABSENT]
        with Tally("fetching plates", len(missing), "plates") as tally:
            for done, number in enumerate(missing):
                time.sleep(self.pause if done else 0)
                self._fetch(number, known)
                tally.add()
        there = [n for n in self.plates if self._file(n).is_file()]
        for number in there:
            self._check(self._file(number), known)
        if not there:
            raise UserError(f"data.source.plates: the library has none of them ({self._address(self.plates[0])})")
        for number in there:
            split = hashed_split(f"prok-{number // _GROUP}", self.share)
            yield Item(f"{number // 100 * 100:05d}/{number:05d}", split, stamp(self._file(number)))

    def render(self, items: Sequence[Item], size: int) -> Iterator[Rendered | Dropped]:
        from colorbench.data.plate import Misfit, compose

        for item in items:
            data = self._file(int(item.name.rsplit("/", 1)[1])).read_bytes()
            sha256 = hashlib.sha256(data).hexdigest()
            try:
                with Image.open(io.BytesIO(data), formats=("JPEG", "TIFF", "PNG")) as image:
                    width, height = image.size
                    if width * height > self.max_pixels:
                        yield Dropped(f"too large: {width} x {height}", sha256, width, height)
                        continue
                    scan = np.asarray(image if image.mode.startswith("I;16") else image.convert("L"))
                picture = Image.fromarray(compose(scan))
                yield Rendered(fit(picture, size), sha256, picture.width, picture.height)
            except (Misfit, OSError, ValueError) as error:
                yield Dropped(" ".join(str(error).split())[:120], sha256)

    def describe(self) -> Mapping[str, Any]:
        """Which scans (the plates are in the items), and the version of how they are laid together."""
        return {"address": self.address.rsplit("/", 1)[-1], "max_pixels": self.max_pixels, "plate": 1}

    def where(self) -> str:
        """The folder, resolved."""
        return str(self.root.resolve())

    def _address(self, number: int) -> str:
        try:
            return self.address.format(plate=number, hundred=number // 100 * 100)
        except (LookupError, ValueError) as error:
            raise UserError(
                f"data.source.address: {self.address!r}: fills in {{plate}} and {{hundred}} only"
            ) from error

    def _file(self, number: int) -> Path:
        return self.root / self._address(number).rsplit("/", 1)[-1]

    def _known(self) -> dict[str, str]:
        """{file name: its hash, or absent}."""
        file = self.root / SUMS
        if not file.is_file():
            return {}
        found = re.findall(rf"^([0-9a-f]{{64}}|{ABSENT})  (\S+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
        return {name: digest for digest, name in found}

    def _note(self, name: str, digest: str, known: dict[str, str]) -> None:
        known[name] = digest
        with atomic.replacing(self.root / SUMS) as part:
            part.write_text("".join(f"{known[n]}  {n}\n" for n in sorted(known)), encoding="utf-8")

    def _check(self, file: Path, known: dict[str, str]) -> None:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        if file.name not in known:  # laid here by hand
            self._note(file.name, digest, known)
        if known[file.name] != digest:
            raise UserError(
                f"data.root: {file} is not what was first fetched (by {SUMS} beside it); delete the file to fetch it "
                "again, or its line if the new content is meant"
            )

    def _fetch(self, number: int, known: dict[str, str]) -> None:
        address, file = self._address(number), self._file(number)
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            data = self._answer(address)
        except HTTPError as error:
            if error.code == 404:
                self._note(file.name, ABSENT, known)
                return
            raise self._unreached(address, f"HTTP {error.code} {error.reason}") from error
        except OSError as error:  # urllib's errors are OSErrors
            raise self._unreached(address, " ".join(str(error).split())[:160]) from error
        digest = hashlib.sha256(data).hexdigest()
        if known.get(file.name, digest) != digest:
            raise UserError(
                f"data=history: {address} is not what {self.root / SUMS} says; delete its line if it is meant"
            )
        with atomic.replacing(file) as part:
            part.write_bytes(data)
        self._note(file.name, digest, known)

    def _answer(self, address: str) -> bytes:
        request = Request(address, headers={"User-Agent": "colorbench"})
        for attempt in range(_WAITS + 1):
            try:
                with urlopen(request, timeout=60) as answer:
                    return bytes(answer.read())
            except HTTPError as error:
                if error.code not in (429, 503) or attempt == _WAITS:
                    raise
                time.sleep(25 * self.pause * 2**attempt)  # 5, 10, 20, 40 s as shipped
        raise AssertionError("the last attempt raises")

    def _unreached(self, address: str, why: str) -> UserError:
        return UserError(
            f"data=history: cannot fetch {address} ({why}); the same line goes on where it ended; offline, copy the "
            f"folder of a connected machine and name it with data.root=PATH (now {self.root})"
        )


def _numbers(ranges: Sequence[str]) -> list[int]:
    """Ascending, of first-last."""
    ends = [[int(end) for end in word.split("-")] for word in ranges]
    found = {number for first, last in ends for number in range(first, last + 1)}
    if not found:
        raise UserError("data.source.plates: names no plate; give first-last, such as [101-200]")
    return sorted(found)
