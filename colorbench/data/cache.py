"""The cache: every picture decoded, cropped and resized once, kept as uint8 and memory-mapped ever after.

One folder holds one prepared data set; its name is a hash of everything that made it: the source's description and
place, every item's name and stamp, the size, the filters, the limits. So a changed file or option is another cache, and
nothing is ever updated in place. The folder is built as ``NAME.building`` and renamed when whole: a cache that exists
is complete. A build that was killed goes on where its journal ends; a second process that wants the same cache waits
for the first.

    cache.json      what it is, how many pictures each split has, why pictures were dropped
    manifest.csv    one row for every picture: name, sha256, width, height, split, chroma, kept or dropped, reason
    SPLIT.pixels    uint8 [n, 3, size, size], raw
    SPLIT.sha256    32 bytes a picture     SPLIT.ids  int64 a picture     SPLIT.names, SPLIT.offsets  the names

Pictures stand in the order of a hash of their names, so the first n of them are a fair sample of the rest.
"""

import csv
import errno
import hashlib
import io
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from operator import index
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray

from colorbench import atomic, color
from colorbench.data.ahead import ahead
from colorbench.data.source import SPLITS, Dropped, Item, Rendered, Source, Split, hashed_split
from colorbench.errors import UserError
from colorbench.lock import Lock, Taken
from colorbench.noise import stable_id
from colorbench.progress import Tally
from colorbench.spreadsheet import guarded, plain

VERSION = 1
"""Raise it when the pixels or the verdicts of an unchanged source would change."""
ORDER: tuple[Split, ...] = ("test", "val", "train")
"""Of a duplicate pair, the one in the earlier split stays: a training picture never equals a test picture."""
JOURNAL_SECONDS = 1.0
"""How much of a build a kill may cost; every word of the journal waits for the disk."""
COLUMNS = ("name", "sha256", "width", "height", "split", "chroma", "verdict", "reason", "pixels")


@dataclass(frozen=True)
class Recipe:
    """What makes a cache besides its source.

    size: side of the square, pixels. limits: kept pictures of each split at most (None: all).
    min_chroma: mean Lab chroma below which a picture is dropped as near-gray. min_contrast: standard deviation of L*
    below which it is flat. min_side: shorter side of the original in pixels below which it is tiny.
    duplicates: keep pictures whose file or whose resized pixels were seen before? filtered: the splits whose near-gray
    and flat pictures are dropped, all or train.
    """

    size: int
    limits: dict[str, int | None]
    min_chroma: float
    min_contrast: float
    min_side: int
    duplicates: bool
    filtered: str = "all"

    @property
    def spoken(self) -> dict[str, Any]:
        """What a cache's name hashes; what it did not say before it had a choice, it does not say now."""
        return {key: value for key, value in asdict(self).items() if (key, value) != ("filtered", "all")}

    def of(self, split: Split | None) -> "Recipe":
        """What a split's pictures must be like."""
        if self.filtered in ("all", split):
            return self
        return replace(self, min_chroma=0.0, min_contrast=0.0)


def find_or_build(
    source: Source, name: str, recipe: Recipe, root: Path, workers: int, tell: Callable[[str], None]
) -> Path:
    """The folder of a complete cache; built, or awaited, when there is none."""
    items = _listing(source)
    folder = root / f"{name}-{_key(source, name, recipe, items)}"
    if _flaw(folder, recipe.size) is None:
        return folder
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _disk_error(error, root) from error
    with _locked(folder, tell):
        flaw = _flaw(folder, recipe.size)
        if flaw is not None:  # whoever held the lock may have built it
            try:
                if folder.exists():
                    tell(f"{folder}: damaged ({flaw}); prepared again")
                    shutil.rmtree(folder)
                _Build(source, name, recipe, items, folder, workers, tell).run()
            except OSError as error:
                raise _disk_error(error, root) from error
    return folder


def _flaw(folder: Path, size: int) -> str | None:
    """Why a cache cannot be used; None for a whole one."""
    try:
        meta = read_meta(folder)
        kept, _ = meta["kept"], (meta["listed"], dict(meta["dropped"]))
        lengths: dict[str, int] = {}
        for split in SPLITS:
            if (n := index(kept[split])) < 0:
                raise ValueError(f"{n} pictures")
            lengths |= {f"{split}.pixels": n * 3 * size**2, f"{split}.sha256": n * 32, f"{split}.ids": n * 8}
            lengths[f"{split}.offsets"] = (n + 1) * 8
    except OSError as error:
        return f"{error.filename or folder}: {error.strerror}"
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        return f"cache.json: {error}"
    short = _short(folder, lengths)
    return short and f"{short} is shorter than cache.json says"


def read_meta(folder: Path) -> dict[str, Any]:
    """cache.json."""
    return json.loads((folder / "cache.json").read_text())


def manifest(folder: Path) -> Iterator[dict[str, str]]:
    """The rows of manifest.csv; names come back byte for byte."""
    with open(folder / "manifest.csv", newline="", encoding="utf-8", errors="surrogateescape") as file:
        yield from ({key: plain(cell or "") for key, cell in row.items() if key} for row in csv.DictReader(file))


def _listing(source: Source) -> list[Item]:
    """Every item with its split: test first, then in the order of a hash of the name."""
    items = list(source.items())
    free = all(item.split is None for item in items)
    items = [item if item.split else _assigned(item, hashed_split(item.name, source.share)) for item in items]
    items.sort(key=_rank)
    _fair(items, source.share)
    if free and len(items) >= len(SPLITS):  # a handful of pictures: leave no split empty by bad luck
        for split in ORDER:
            counts = Counter(item.split for item in items)
            if not counts[split]:
                at = next(i for i, item in enumerate(items) if item.split == counts.most_common(1)[0][0])
                items[at] = _assigned(items[at], split)
                items.sort(key=_rank)
    return items


def _fair(items: Sequence[Item], share: float) -> None:
    """Raise UserError when the hash of the names, and not a folder, leaves hardly any picture to train on."""
    train = sum(item.split == "train" for item in items)
    if len(items) < 10 or 2 * train >= len(items):
        return
    if all(item.split in ("train", hashed_split(item.name, share)) for item in items):
        last, n = Counter(item.name.rsplit("/", 1)[-1] for item in items).most_common(1)[0]
        raise UserError(
            f"data: the split by names leaves {train} of {len(items)} pictures to train on ({n} are called {last!r}); "
            "give the files names of their own, or folders train, val and test, or a list (data=list)"
        )


def _assigned(item: Item, split: Split) -> Item:
    return Item(item.name, split, item.stamp)


def _rank(item: Item) -> tuple[int, int, str]:
    return ORDER.index(item.split or "train"), stable_id(item.name), item.name


def _key(source: Source, name: str, recipe: Recipe, items: Sequence[Item]) -> str:
    digest = hashlib.sha256()
    made_by = {"version": VERSION, "source": name, "where": source.where(), "describe": dict(source.describe())}
    digest.update(json.dumps(made_by | recipe.spoken, sort_keys=True).encode())
    for item in items:
        digest.update(f"{item.name}\0{item.split}\0{item.stamp}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


@contextmanager
def _locked(folder: Path, tell: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of a cache; the system gives it back when a holder dies, however it dies."""
    lock = Lock(folder.with_suffix(".lock"))
    try:
        try:
            lock.take(str(os.getpid()))
        except Taken as taken:
            tell(f"waiting for process {taken.owner or '?'}, which is building the cache {folder.name}")
            lock.take(str(os.getpid()), wait=True)
    except OSError as error:
        raise _disk_error(error, folder.parent) from error
    try:
        yield
    finally:
        lock.give_back()


class _Build:
    """One build: renders the items in order, judges each, and appends it to the files and to the journal."""

    def __init__(
        self,
        source: Source,
        name: str,
        recipe: Recipe,
        items: list[Item],
        folder: Path,
        workers: int,
        tell: Callable[[str], None],
    ) -> None:
        self.source, self.name, self.recipe, self.items, self.folder = source, name, recipe, items, folder
        self.workers, self.tell = workers, tell
        self.building = folder.with_name(folder.name + ".building")
        self.done = 0
        self.kept: Counter[str] = Counter(dict.fromkeys(SPLITS, 0))
        self.dropped: Counter[str] = Counter()
        self.seen: dict[str, str] = {}
        self.progress = Tally("preparing", _wanted(items, recipe), tell=tell)

    def run(self) -> None:
        self.building.mkdir(exist_ok=True)
        self._resume()
        with self.source.building(self.workers), _Files(self.building) as files:
            spoken = time.monotonic()
            for chunk in self._rendered():
                self._add(files, chunk)
                self.done = chunk.start + len(chunk.items)
                if time.monotonic() - spoken >= JOURNAL_SECONDS:
                    files.sync()  # the journal never says more than the disk holds
                    self._journal(files)
                    spoken = time.monotonic()
                self.progress.reach(self._looked_at)
            files.sync()
            self._journal(files)
        self._finish()

    @property
    def _looked_at(self) -> int:
        """Pictures kept or dropped so far; those of a full split are not looked at."""
        return sum(self.kept.values()) + sum(self.dropped.values())

    def _resume(self) -> None:
        """Go on after the last chunk that the journal holds; whatever was written after it is cut off. A file that is
        shorter than the journal says has lost pictures: nothing of the build is trusted."""
        journal = self.building / "journal.json"
        if not journal.is_file():
            return self._anew("")
        try:
            state = json.loads(journal.read_text())
            self.done = int(state["done"])
            kept, dropped = ({str(k): int(n) for k, n in state[key].items()} for key in ("kept", "dropped"))
            self.kept, self.dropped = Counter(kept), Counter(dropped)
            if not 0 <= self.done <= len(self.items) or min((0, *kept.values())) < 0:
                raise ValueError(f"{self.done} of {len(self.items)} pictures")
            lengths = {"manifest.csv": int(state["manifest"])}
            for split in SPLITS:
                lengths[f"{split}.pixels"] = self.kept[split] * 3 * self.recipe.size**2
                lengths[f"{split}.sha256"] = self.kept[split] * 32
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            return self._anew(f"its journal is damaged ({error})")
        short = _short(self.building, lengths)
        if short:
            return self._anew(f"{short} is shorter than its journal says (a loss of power?)")
        for name, length in lengths.items():
            os.truncate(self.building / name, length)
        try:
            for row in manifest(self.building):
                if row["verdict"] == "kept":
                    self.seen[row["sha256"]] = self.seen[row["pixels"]] = row["name"]
        except (KeyError, csv.Error) as error:
            return self._anew(f"its manifest is damaged ({error})")
        self.progress = Tally("preparing", _wanted(self.items, self.recipe), done=self._looked_at, tell=self.tell)
        self.tell(f"going on with {self.building.name} at picture {self.done} of {len(self.items)}")

    def _anew(self, why: str) -> None:
        """Begin with the first picture."""
        if why:
            self.tell(f"{self.building.name}: {why}; prepared from the first picture again")
        self.done, self.kept, self.dropped = 0, Counter(dict.fromkeys(SPLITS, 0)), Counter()
        for path in self.building.iterdir():
            path.unlink()
        with open(self.building / "manifest.csv", "w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(COLUMNS)

    def _full(self, split: Split | None) -> bool:
        limit = self.recipe.limits[str(split)]
        return limit is not None and self.kept[str(split)] >= limit

    def _chunks(self) -> Iterator[tuple[int, list[Item]]]:
        """(position, items of one split) until the end, leaving out splits that are full."""
        at = self.done
        while at < len(self.items):
            split = self.items[at].split
            stop = at + 1
            while stop < len(self.items) and stop - at < self.source.chunk and self.items[stop].split == split:
                stop += 1
            if not self._full(split):
                yield at, self.items[at:stop]
            at = stop

    def _rendered(self) -> Iterator["_Chunk"]:
        """Every chunk in order; decoded ahead by threads where the source gains from it."""
        jobs = (partial(self._chunk, start, items) for start, items in self._chunks())
        return ahead(jobs, self.workers if self.source.parallel else 0)

    def _chunk(self, start: int, items: list[Item]) -> "_Chunk":
        answers = list(self.source.render(items, self.recipe.size))
        pictures = [answer.pixels for answer in answers if isinstance(answer, Rendered)]
        return _Chunk(start, items, answers, tones(np.stack(pictures)) if pictures else [])

    def _add(self, files: "_Files", chunk: "_Chunk") -> None:
        """Judge the pictures of one chunk and write them down, until their split is full."""
        measured = iter(chunk.tones)
        for item, answer in zip(chunk.items, chunk.answers, strict=True):
            chroma, contrast = next(measured) if isinstance(answer, Rendered) else (0.0, 0.0)
            if self._full(item.split):
                continue
            hashed = _digest(answer.pixels) if isinstance(answer, Rendered) else ""
            reason = self._objection(item.split, answer, chroma, contrast, hashed)
            split = str(item.split)
            files.row(
                item.name,
                answer.sha256,
                answer.width,
                answer.height,
                split,
                round(chroma, 3),
                "dropped" if reason else "kept",
                reason,
                hashed,
            )
            if reason:
                self.dropped[reason.split(":")[0]] += 1
            elif isinstance(answer, Rendered):
                self.kept[split] += 1
                self.seen[answer.sha256] = self.seen[hashed] = item.name
                files.picture(split, answer)

    def _objection(
        self, split: Split | None, answer: Rendered | Dropped, chroma: float, contrast: float, hashed: str
    ) -> str:
        """Why a picture is not used; empty when it is."""
        if isinstance(answer, Dropped):
            return answer.reason
        twin = self.seen.get(answer.sha256) or self.seen.get(hashed)
        again = f"duplicate: of {twin}" if twin and not self.recipe.duplicates else ""
        return objection(answer, chroma, contrast, self.recipe.of(split)) or again

    def _journal(self, files: "_Files") -> None:
        state = {"done": self.done, "kept": self.kept, "dropped": self.dropped, "manifest": files.rows.tell()}
        atomic.write_json(self.building / "journal.json", state, indent=None)

    def _finish(self) -> None:
        """Names and ids of what was kept, then cache.json, then the name that says it is whole."""
        names: dict[str, list[bytes]] = {split: [] for split in SPLITS}
        for row in manifest(self.building):
            if row["verdict"] == "kept":
                names[row["split"]].append(row["name"].encode("utf-8", "surrogateescape"))
        for split, kept in names.items():
            (self.building / f"{split}.names").write_bytes(b"".join(kept))
            np.cumsum([0, *map(len, kept)], dtype=np.int64).tofile(self.building / f"{split}.offsets")
            ids = [stable_id(name.decode("utf-8", "surrogateescape")) for name in kept]
            np.array(ids, dtype=np.int64).tofile(self.building / f"{split}.ids")
        meta = {
            "version": VERSION,
            "source": self.name,
            "describe": dict(self.source.describe()),
            "recipe": asdict(self.recipe),
            "listed": len(self.items),
            "kept": self.kept,
            "dropped": self.dropped,
        }
        atomic.write_json(self.building / "cache.json", meta)
        atomic.publish(self.building, self.folder)
        (self.folder / "journal.json").unlink(missing_ok=True)
        kept_, dropped = sum(self.kept.values()), sum(self.dropped.values())
        self.tell(f"prepared {kept_} pictures, dropped {dropped}{_why(self.dropped)}: {self.folder}")


@dataclass(frozen=True)
class _Chunk:
    """Some items from ``start`` on, what was rendered of them, and the tones of those that are pictures."""

    start: int
    items: list[Item]
    answers: list[Rendered | Dropped]
    tones: list[tuple[float, float]]


class _Files:
    """The growing files of a build."""

    def __init__(self, folder: Path) -> None:
        self.rows = open(folder / "manifest.csv", "ab")  # noqa: SIM115 (closed by __exit__)
        self.pixels: dict[str, IO[bytes]] = {}
        self.sha256: dict[str, IO[bytes]] = {}
        for split in SPLITS:
            self.pixels[split] = open(folder / f"{split}.pixels", "ab")  # noqa: SIM115 (closed by __exit__)
            self.sha256[split] = open(folder / f"{split}.sha256", "ab")  # noqa: SIM115 (closed by __exit__)

    def __enter__(self) -> "_Files":
        return self

    def __exit__(self, *exception: object) -> None:
        for file in self._all():
            file.close()

    def row(self, *values: object) -> None:
        line = io.StringIO(newline="")
        cells = [guarded(value) if isinstance(value, str) else value for value in values]
        csv.writer(line, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC).writerow(cells)
        self.rows.write(line.getvalue().encode("utf-8", "surrogateescape"))

    def picture(self, split: str, picture: Rendered) -> None:
        self.pixels[split].write(picture.pixels.tobytes())
        self.sha256[split].write(bytes.fromhex(picture.sha256))

    def sync(self) -> None:
        """Wait until everything is on the disk."""
        for file in self._all():
            file.flush()
            os.fsync(file.fileno())

    def _all(self) -> list[IO[bytes]]:
        return [self.rows, *self.pixels.values(), *self.sha256.values()]


def _wanted(items: Sequence[Item], recipe: Recipe) -> int:
    """How many pictures a build looks at if it drops none: no more of a split than its limit."""
    counts = Counter(str(item.split) for item in items)
    return sum(n if (most := recipe.limits[split]) is None else min(n, most) for split, n in counts.items())


def _digest(pixels: NDArray[np.uint8]) -> str:
    return hashlib.blake2b(pixels.tobytes(), digest_size=8).hexdigest()


def tones(pixels: NDArray[np.uint8]) -> list[tuple[float, float]]:
    """(mean Lab chroma, standard deviation of L*) of each picture of [n, 3, h, w]."""
    lab = color.bytes_to_lab(torch.from_numpy(pixels))
    chroma = (lab[:, 1].square() + lab[:, 2].square()).sqrt().mean(dim=(1, 2))
    contrast = lab[:, 0].std(dim=(1, 2))
    return list(zip(chroma.tolist(), contrast.tolist(), strict=True))


def objection(picture: Rendered, chroma: float, contrast: float, recipe: Recipe) -> str:
    """Why a picture that can be read is not wanted; empty when it is."""
    if min(picture.width, picture.height) < recipe.min_side:
        return f"tiny: {picture.width} x {picture.height}, min_side is {recipe.min_side}"
    if contrast < recipe.min_contrast:
        return f"flat: standard deviation of L* {contrast:.2f}, min_contrast is {recipe.min_contrast:g}"
    if chroma < recipe.min_chroma:
        return f"near-gray: mean chroma {chroma:.2f}, min_chroma is {recipe.min_chroma:g}"
    return ""


def census(folder: Path, source: Source, recipe: Recipe) -> Path:
    """Beside the caches: where a streamed source's verdicts are remembered, for this size and these filters."""
    what = json.dumps({"version": VERSION, "describe": dict(source.describe())} | recipe.spoken, sort_keys=True)
    return folder.parent / f"census-{hashlib.sha256(what.encode()).hexdigest()[:16]}"


def _short(folder: Path, lengths: Mapping[str, int]) -> str | None:
    """The first file of ``folder`` that is shorter than ``lengths`` says, in bytes, or is not there."""
    sizes = {name: (folder / name).stat().st_size if (folder / name).is_file() else -1 for name in lengths}
    return next((name for name, length in lengths.items() if sizes[name] < length), None)


def _why(dropped: Mapping[str, int]) -> str:
    return f" ({', '.join(f'{n} {reason}' for reason, n in sorted(dropped.items()))})" if dropped else ""


def _disk_error(error: OSError, root: Path) -> UserError:
    cure = "give another folder with data.cache=FOLDER or COLORBENCH_CACHE"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(f"data.cache: the disk of {root} is full; free some space and run again to go on, or {cure}")
    return UserError(f"data.cache: cannot write {error.filename or root} ({error.strerror or error}); {cure}")
