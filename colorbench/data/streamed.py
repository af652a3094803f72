"""The training sequence of a data set too large to prepare.

Its parts (shards) are dealt into W lanes, anew each epoch by a hash of (seed, epoch, part); each lane reads its parts
front to back through its own shuffle buffer and begins the next epoch when they end. Picture k of the run is the next
picture of lane k mod W. So the sequence depends on the seed, the parts and W alone: a rank r of w takes the lanes l
with l mod w = r, whatever number of threads read ahead, and another number of ranks goes on with the same sequence. A
picture comes once in each epoch, and ``visits`` is that epoch; lanes need not end an epoch together.

Resuming at image n means skipping n / W pictures of each lane. What a part holds (which pictures pass the filters) is
remembered on disk once it was read, so whole epochs are skipped without reading and pictures without decoding.
"""

import contextlib
import hashlib
import itertools
import json
import os
import queue
import random
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from colorbench import atomic
from colorbench.batch import Batch
from colorbench.data.augment import Standard
from colorbench.data.cache import Recipe, objection, tones
from colorbench.data.feed import augmented, part_of
from colorbench.data.recycled import Recycled
from colorbench.data.source import Lanes, Rendered
from colorbench.errors import UserError
from colorbench.noise import stable_id


@dataclass(frozen=True)
class Shown:
    """One picture of a lane: uint8 [3, size, size], its name and its lane's epoch."""

    pixels: NDArray[np.uint8]
    name: str
    epoch: int


class StreamedFeed:
    """Endless batches from lanes. census: the folder where it is remembered what each part holds."""

    def __init__(self, lanes: Lanes, recipe: Recipe, augment: Standard, census: Path) -> None:
        self.lanes, self.recipe, self.augment = lanes, recipe, augment
        self.count = min(lanes.count, len(lanes.parts))
        self.census = census
        self._recycled = Recycled()

    @property
    def fingerprint(self) -> str:
        """A hash of the parts' names and of how they are dealt."""
        what = [sorted(os.path.basename(part) for part in self.lanes.parts), self.count, self.lanes.shuffle]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]

    def batches(
        self, *, batch_size: int, seed: int, start: int, device: torch.device, rank: int, world: int
    ) -> Iterator[Batch]:
        w = self.count
        if w % world:
            raise UserError(
                f"data.source.lanes: {w} lanes cannot be shared by {world} processes; give a multiple of them"
            )
        if world > 1 and batch_size % w:
            raise UserError(f"batch_size: {batch_size} must be a multiple of the number of lanes, {w}")
        share = part_of(batch_size, world)
        mine = range(rank, w, world)
        readers = {lane: _Reader(partial(self._lane, seed, lane, (start - lane + w - 1) // w), share) for lane in mine}
        cores = torch.get_num_threads()
        try:
            for first in itertools.count(start, batch_size):
                shown = [next(readers[k % w]) for k in range(first, first + batch_size) if k % w in readers]
                torch.set_num_threads(cores)  # a reader's setting is also the default of threads yet unborn
                pixels = torch.from_numpy(np.stack([picture.pixels for picture in shown]))
                ids = torch.tensor([stable_id(picture.name) for picture in shown])
                visits = torch.tensor([picture.epoch for picture in shown])
                at_once = (pixels.to(device), ids.to(device), visits.to(device))
                yield augmented(*at_once, seed, self.augment, self._recycled)
        finally:
            for reader in readers.values():
                reader.stop()

    def _lane(self, seed: int, lane: int, skip: int) -> Iterator[Shown]:
        """The lane's pictures from number ``skip`` on, for ever."""
        for epoch in itertools.count():
            order = sorted(self.lanes.parts, key=lambda part: stable_id(f"{seed} {epoch} {os.path.basename(part)}"))
            parts = order[lane :: self.count]
            known = [self._known(part) for part in parts]
            if all(kept is not None for kept in known):
                total = sum(int(kept.sum()) for kept in known if kept is not None)
                if 0 < total <= skip:
                    skip -= total
                    continue
            shown = 0
            for name, content in self._shuffled(parts, random.Random(f"{seed} {epoch} {lane}")):
                shown += 1
                if skip:
                    skip -= 1
                elif (pixels := self._pixels(content)) is not None:
                    yield Shown(pixels, name, epoch)
            if not shown:
                raise UserError(f"data.shards: no usable picture in {', '.join(map(os.path.basename, parts))}")

    def _shuffled(self, parts: Sequence[str], draw: random.Random) -> Iterator[tuple[str, bytes | NDArray[np.uint8]]]:
        """Every good picture of the parts once, through a buffer that gives up a random one for each that comes."""
        buffer: list[tuple[str, bytes | NDArray[np.uint8]]] = []
        for entry in itertools.chain.from_iterable(map(self._good, parts)):
            buffer.append(entry)
            if len(buffer) > self.lanes.shuffle:
                at = int(draw.random() * len(buffer))
                buffer[at], buffer[-1] = buffer[-1], buffer[at]
                yield buffer.pop()
        draw.shuffle(buffer)
        yield from buffer

    def _good(self, part: str) -> Iterator[tuple[str, bytes | NDArray[np.uint8]]]:
        """The pictures of a part that pass the filters: still encoded where that is known, else decoded to find out."""
        known, verdicts = self._known(part), []
        for at, (name, content) in enumerate(self.lanes.members(part)):
            if known is not None:
                if at >= len(known):
                    raise UserError(f"data.shards: {part} has changed since it was first read; remove {self.census}")
                if known[at]:
                    yield name, content
                continue
            pixels = self._pixels(content)
            verdicts.append(pixels is not None)
            if pixels is not None:
                yield name, pixels
        if known is None:
            self._remember(part, verdicts)

    def _pixels(self, content: bytes | NDArray[np.uint8]) -> NDArray[np.uint8] | None:
        if not isinstance(content, bytes):
            return content
        picture = self.lanes.picture(content, self.recipe.size)
        if not isinstance(picture, Rendered):
            return None
        return None if objection(picture, *tones(picture.pixels[None])[0], self.recipe) else picture.pixels

    def _entry(self, part: str) -> Path:
        return self.census / f"{hashlib.sha256(part.encode()).hexdigest()[:16]}.npy"

    def _known(self, part: str) -> NDArray[np.bool_] | None:
        try:
            return np.asarray(np.load(self._entry(part)), dtype=bool)
        except OSError:
            return None

    def _remember(self, part: str, verdicts: list[bool]) -> None:
        """Written whole or not at all; on a disk that cannot be written, resuming is only slower."""
        with contextlib.suppress(OSError):
            self.census.mkdir(parents=True, exist_ok=True)
            with atomic.replacing(self._entry(part)) as draft, draft.open("wb") as file:
                np.save(file, np.array(verdicts, dtype=bool))


class _Reader:
    """A lane read ahead by its own thread, at most ``room`` pictures."""

    def __init__(self, lane: "partial[Iterator[Shown]]", room: int) -> None:
        self._queue: queue.Queue[Shown | BaseException] = queue.Queue(max(room, 2))
        self._stopped = threading.Event()
        threading.Thread(target=self._run, args=(lane,), daemon=True).start()

    def __next__(self) -> Shown:
        entry = self._queue.get()
        if isinstance(entry, BaseException):
            raise entry
        return entry

    def stop(self) -> None:
        """Let the thread end."""
        self._stopped.set()

    def _run(self, lane: "partial[Iterator[Shown]]") -> None:
        torch.set_num_threads(1)
        try:
            for shown in lane():
                if not self._put(shown):
                    return
        except BaseException as error:  # handed to the thread that asks for the next picture
            self._put(error)

    def _put(self, entry: Shown | BaseException) -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(entry, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False
