"""Many photographs at once: which files, where their colorings go, and a journal that makes a second start go on."""

import glob
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from colorbench import atomic
from colorbench.data.folder import stamp, walk
from colorbench.errors import UserError
from colorbench.inference import origin
from colorbench.inference.colorizer import Colorizer
from colorbench.inference.doubt import Doubt
from colorbench.inference.paint import paint
from colorbench.inference.photo import (
    OTHERS,
    SUFFIXES,
    keeps_depth,
    read_photo,
    same_format,
    write_photo,
    write_whole,
)
from colorbench.progress import Tally

JOURNAL = ".colorbench.jsonl"


@dataclass(frozen=True)
class Job:
    """source: the picture. targets: where its colorings go, one for each draw. answer: where their mean goes, with the
    map of how far they lie apart and a JSON file beside it; or None."""

    source: Path
    targets: tuple[Path, ...]
    answer: Path | None = None

    @property
    def sheet(self) -> Path:
        """The contact sheet's place."""
        first = self.targets[0]
        return first.with_name(f"{first.stem.removesuffix('-1')}-sheet.png")

    @property
    def files(self) -> tuple[Path, ...]:
        """All that is written."""
        sheet = (self.sheet,) if len(self.targets) > 1 else ()
        if self.answer is None:
            return (*self.targets, *sheet)
        stem = self.answer.stem
        return (
            *self.targets,
            *sheet,
            self.answer,
            *(self.answer.with_name(f"{stem}{end}") for end in ("-uncertainty.png", ".json")),
        )


def find(words: Sequence[str]) -> tuple[list[tuple[Path, Path]], list[str]]:
    """([(file, its place under the output)], [what is not there]) of files, folders, globs and -."""
    files: list[tuple[Path, Path]] = []
    missing = []
    folders = sum(os.path.isdir(word) for word in words)
    for word in _expanded(words):
        if not word:
            raise UserError("a picture's name is empty; is a variable of the shell unset?")
        path = Path(word)
        if path.is_dir():
            inside = Path(path.resolve().name) if folders > 1 else Path()
            files += [(Path(found), inside / name) for found, name in walk(path)]
        elif path.exists():
            files.append((path, Path(path.name)))
        else:
            missing.append(word)
    unique = {os.path.realpath(file): (file, place) for file, place in reversed(files)}
    return list(reversed(unique.values())), missing


def _expanded(words: Sequence[str]) -> Iterator[str]:
    for word in words:
        if word == "-":
            text = sys.stdin.buffer.read()
            names = text.split(b"\0" if b"\0" in text else b"\n")
            yield from (os.fsdecode(name.rstrip(b"\r")) for name in names if name.strip())
        elif glob.has_magic(word) and not os.path.exists(word):
            yield from sorted(glob.glob(word, recursive=True)) or [word]
        else:
            yield word


def plan(
    files: Sequence[tuple[Path, Path]], out: Path, kind: str, samples: int, uncertainty: bool = False
) -> list[Job]:
    """Where each result goes. A name that another picture has taken keeps its old suffix before the new one."""
    jobs, taken = [], set()
    single = out.suffix.lower() in SUFFIXES | OTHERS and not out.is_dir()
    if single and (len(files) > 1 or samples > 1):
        raise UserError(f"-o {out}: a file takes one coloring of one picture; give a folder")
    for source, place in files:
        suffix = same_format(place.suffix) if kind == "same" else f".{kind}"
        target = out if single else out / place.with_suffix(suffix)
        number = 1
        while target in taken:
            number += 1
            again = "" if number == 2 else f" ({number})"
            target = out / place.with_name(f"{place.name}{again}{suffix}")
        taken.add(target)
        numbered = (target.with_name(f"{target.stem}-{k + 1}{target.suffix}") for k in range(samples))
        jobs.append(Job(source, tuple(numbered) if samples > 1 else (target,), target if uncertainty else None))
    return jobs


def colorize(
    jobs: Sequence[Job], model: Colorizer, out: Path, options: Any, failures: list[tuple[str, str]]
) -> tuple[int, int]:
    """(colored, finished before); what fails is appended to ``failures`` and does not stop the others."""
    root = out.parent if jobs and jobs[0].targets == (out,) else out
    try:
        root.mkdir(parents=True, exist_ok=True)
        journal = Journal(root / JOURNAL)
    except OSError as error:
        raise UserError(f"-o {out}: cannot be written ({error.strerror})") from error
    for folder in {target.parent for job in jobs for target in job.targets}:
        atomic.clear(folder)
    reference = None
    if options.hint:
        try:
            reference = model.reference(Path(options.hint))
        except UserError as error:
            raise UserError(f"--hint {options.hint}: {error}") from error
    settings = _settings(model, options)
    originals = {_inode(job.source) for job in jobs}
    done = skipped = 0
    with Tally(model.name, len(jobs)) as tally:
        for job in tally.over(jobs):
            made = f"{settings} {_stamp(job.source)} {os.path.realpath(job.source)}"
            targets = job.files
            begun = False
            try:
                if all(journal.says(target, made) for target in targets):
                    skipped += 1
                    continue
                for target in targets:
                    _allowed(target, root, originals, journal)
                begun = True
                for target in targets:  # so that after a kill, half a set of draws is known as our own
                    journal.note(target, "begun")
                _one(job, model, options, reference)
                for target in targets:
                    journal.note(target, made)
                done += 1
                begun = False
            except UserError as error:
                failures.append((str(job.source), str(error)))
            except (MemoryError, RuntimeError) as error:  # torch reports lack of memory as RuntimeError
                why = " ".join(str(error).split())[:150] or "out of memory"
                failures.append((str(job.source), f"{type(error).__name__}: {why}"))
            except OSError as error:
                if error.errno in atomic.FULL:
                    raise atomic.one_line(error, out, "run again: it goes on") from error
                failures.append((str(job.source), error.strerror or str(error)))
            if begun:
                for target in targets:
                    if not os.path.lexists(target):
                        journal.note(target, "")
    return done, skipped


def _one(job: Job, model: Colorizer, options: Any, reference: Any) -> None:
    photo = read_photo(job.source, recolor=options.recolor, max_pixels=options.max_pixels)
    several = len(job.targets) > 1
    chosen: dict[str, Any] = {"seed": options.seed, "strength": options.strength, "reference": reference}
    told = {"strength": options.strength, "vivid": options.vivid, "hint": options.hint}
    small: list[Any] = []
    maps: list[Any] = []

    def write(target: Path, L: Any, ab: Any, made: Any) -> None:
        pixels = paint(photo, L, ab)
        if photo.deep and not keeps_depth(target.suffix):
            raise UserError(f"{target.suffix} cannot hold its 16 bits; --format png keeps them")
        target.parent.mkdir(parents=True, exist_ok=True)
        write_photo(target, pixels, photo, origin.xmp(made))
        small.append(_thumbnail(pixels))

    for draw, target in enumerate(job.targets):
        L, ab = model.maps(photo, draw=draw if several else None, **chosen)
        maps.append(ab)
        number, draws = (draw + 1, 1) if several else (None, model.average)
        write(target, L, ab, origin.record(model, seed=options.seed, draw=number, draws=draws, **told))
    if several:
        write_whole(job.sheet, lambda file: contact_sheet(small).save(file, format="PNG"))
    if job.answer is not None:
        answer = torch.stack(maps).mean(dim=0)
        made = origin.record(model, seed=options.seed, draw=None, draws=len(maps), **told)
        write(job.answer, L, answer, made)
        plain = options.strength == 1.0 and options.vivid is None and reference is None
        doubt = Doubt.of(L, maps, answer, model.certainty, own=plain)
        picture, beside = job.files[-2:]
        write_whole(picture, lambda file: doubt.picture(photo).save(file, format="PNG"))
        facts = {"file": job.answer.name, "map": picture.name, "size": list(photo.size[::-1]), **made, **doubt.numbers}
        atomic.write_json(beside, facts)


def _thumbnail(pixels: Any, side: int = 320) -> Any:
    """A small Pillow picture of uint8 or uint16 [h w 3]."""
    from PIL import Image

    step = max(1, max(pixels.shape[:2]) // (4 * side))
    some = np.ascontiguousarray(pixels[::step, ::step])
    tile = Image.fromarray(some if some.dtype == np.uint8 else (some >> 8).astype(np.uint8))
    tile.thumbnail((side, side))
    return tile


def contact_sheet(tiles: Sequence[Any]) -> Any:
    """All draws of one picture beside each other, numbered. tiles: Pillow pictures of one size."""
    from PIL import Image, ImageDraw, ImageFont

    across = min(len(tiles), max(1, round(len(tiles) ** 0.5 + 0.49)))
    width, height, head = tiles[0].width + 8, tiles[0].height + 8, 20
    sheet = Image.new("RGB", (across * width + 8, -(-len(tiles) // across) * (height + head) + 8), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for k, tile in enumerate(tiles):
        x, y = 8 + k % across * width, 8 + k // across * (height + head)
        pen.text((x, y), str(k + 1), fill="black", font=font)
        sheet.paste(tile, (x, y + head))
    return sheet


class Journal:
    """Which results are finished, and what they were made of: one JSON line each, in the output folder."""

    def __init__(self, path: Path):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666))
        self.root, self.path = path.parent, path
        self.made: dict[str, str] = {}
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
                self.made[str(entry["file"])] = str(entry["made"])
            except (ValueError, KeyError, TypeError):  # a line cut by a kill: that picture is made again
                continue

    def knows(self, target: Path) -> bool:
        """Was it made by this command?"""
        return bool(self.made.get(self._key(target)))

    def says(self, target: Path, made: str) -> bool:
        """Is it there, made of just this?"""
        return target.is_file() and not target.is_symlink() and self.made.get(self._key(target)) == _hashed(made)

    def note(self, target: Path, made: str) -> None:
        """It is finished; ``made`` is "begun" before, and empty when nothing came of it."""
        self.made[self._key(target)] = _hashed(made) if made else ""
        atomic.append(self.path, json.dumps({"file": self._key(target), "made": self.made[self._key(target)]}) + "\n")

    def _key(self, target: Path) -> str:
        name = os.path.relpath(target, self.root)
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _allowed(target: Path, root: Path, originals: set[tuple[int, int]], journal: Journal) -> None:
    """UserError where writing would touch an original, somebody else's file, or anything outside of the folder."""
    below = os.path.relpath(target.parent, root)
    if os.path.realpath(target.parent) != os.path.normpath(os.path.join(os.path.realpath(root), below)):
        raise UserError(f"{target.parent} is reached through a symbolic link; remove it")
    if target.is_symlink():
        raise UserError(f"{target} is a symbolic link; remove it")
    if target.exists():
        if _inode(target) in originals:
            raise UserError(f"{target} is an original: nothing is written over it; choose another -o")
        if not journal.knows(target):
            raise UserError(f"{target} exists and was not made here; remove it or choose another -o")


def _settings(model: Colorizer, options: Any) -> str:
    hint = hashlib.sha256(Path(options.hint).read_bytes()).hexdigest() if options.hint else ""
    kinds = ("samples", "seed", "strength", "vivid", "uncertainty", "recolor", "format")
    chosen = {key: getattr(options, key) for key in kinds}
    drawn = "".join(f" {word}" for word in model.drawing)
    return f"{model.digest} {hint} {model.size} {model.average}{drawn} {json.dumps(chosen, sort_keys=True)}"


def _hashed(made: str) -> str:
    return hashlib.sha256(made.encode("utf-8", "surrogateescape")).hexdigest()[:24]


def _stamp(path: Path) -> str:
    return stamp(path)


def _inode(path: Path) -> tuple[int, int]:
    try:
        info = os.stat(path)
    except OSError:
        return (-1, -1)
    return info.st_dev, info.st_ino
