"""Room: how much the page of `colorbench demo` may keep on the disk, whoever uploads, and for how long."""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from colorbench.errors import UserError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
App = Callable[[Message, Receive, Any], Awaitable[None]]


class Room:
    """A folder of uploads and results. most: bytes that may lie in it. kept: seconds for which a file stays."""

    def __init__(self, folder: Path, *, most: int, kept: float):
        self.folder, self.most, self.kept = folder, most, kept
        self.arriving = 0  # bytes of uploads under way

    def used(self) -> int:
        """Bytes that lie in the folder, once what is too old is gone."""
        total, oldest = 0, time.time() - self.kept
        for file in [path for path in self.folder.rglob("*") if path.is_file()]:
            try:
                found = file.stat()
                if found.st_mtime < oldest:
                    file.unlink()
                else:
                    total += found.st_size
            except FileNotFoundError:  # moved or removed meanwhile
                continue
        return total

    def demand(self) -> None:
        """Raise UserError where there is no room for more."""
        if self.used() > self.most:
            raise UserError(
                f"the page keeps {self.most // 2**20} MB at most, and they are used; "
                f"what was uploaded goes after {self.kept / 60:.0f} minutes"
            )


class Door:
    """ASGI middleware: an upload for which there is no room is ended while it arrives.

    refusal: makes the exception that the form's parser answers with 413 and by deleting what had come.
    """

    def __init__(self, app: App, room: Room, refusal: Callable[[str], Exception]):
        self.app, self.room, self.refusal = app, room, refusal

    async def __call__(self, scope: Message, receive: Receive, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].rstrip("/").endswith("/upload"):
            await self.app(scope, receive, send)
            return
        used, came = self.room.used(), 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            size = len(message.get("body", b""))
            came += size
            self.room.arriving += size
            if used + self.room.arriving > self.room.most:
                most = self.room.most // 2**20
                raise self.refusal(f"The page is full: the maximum allowed size of all uploads is {most} MB.")
            return message

        try:
            await self.app(scope, counted, send)
        finally:
            self.room.arriving -= came
