"""Atomic: whoever reads a file sees the old one or the new one, whole, after a kill, a full disk or a loss of power.

    a new file beside the old one -> written -> synced to the disk -> renamed over it -> the folder synced

A file system may carry out a rename before the writes that came before it; hence the first sync. Everything that the
package writes for others to read goes through here: :func:`replacing` and what is built on it for single files,
:func:`publish` for folders, :func:`append` for journals. What fails leaves the old file as it was and no new one, and
raises the OSError that says why; :func:`told` makes a UserError of it.
"""

import contextlib
import errno
import itertools
import json
import math
import os
import re
import socket
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorbench import lock
from colorbench.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

FULL = (errno.ENOSPC, errno.EDQUOT)
DISK = (*FULL, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ENOTDIR)
"""What disks and permissions say: nothing that a traceback would help with."""
_HOST = f"{zlib.crc32(socket.gethostname().encode()):08x}"
_PART = ".colorbench-{host}-{process}-{number}.part"
_numbers = itertools.count()


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A new, empty file beside ``target``, to be written by its name, which has no suffix.

    It takes the target's place when the block ends, and is gone when the block raises. Raises OSError.
    """
    part = target.with_name(_part())
    try:
        part.unlink(missing_ok=True)  # of a dead process of our number
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666))
        yield part
        sync(part)
        os.replace(part, target)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    sync(target.parent)


def write_text(target: Path, text: str, errors: str = "strict") -> None:
    """UTF-8, lines as they are. Raises OSError."""
    with replacing(target) as part:
        part.write_bytes(text.encode("utf-8", errors))


def write_json(target: Path, value: Any, *, indent: int | None = 1, sort_keys: bool = False) -> None:
    """As :func:`json_text`. Raises OSError."""
    write_text(target, json_text(value, indent=indent, sort_keys=sort_keys) + "\n")


def json_text(
    value: Any,
    *,
    indent: int | None = None,
    sort_keys: bool = False,
    separators: tuple[str, str] | None = None,
) -> str:
    """JSON that every reader knows; what JSON has no word for is text: a path, "nan", "inf"."""
    write = partial(json.dumps, indent=indent, sort_keys=sort_keys, separators=separators, default=str, allow_nan=False)
    try:
        return write(value)
    except ValueError:
        return write(_worded(value))


def _worded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _worded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_worded(inner) for inner in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def write_tensors(target: Path, tensors: "Mapping[str, Tensor]", metadata: Mapping[str, str] | None = None) -> None:
    """As safetensors, from any device. Raises OSError."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    plain = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    with replacing(target) as part:
        mode = part.stat().st_mode
        try:
            save_file(plain, part, metadata=dict(metadata) if metadata else None)
        except SafetensorError as error:
            said = re.search(r"os error (\d+)", str(error))
            if not said:
                raise
            raise OSError(int(said[1]), os.strerror(int(said[1])), str(target)) from error
        part.chmod(mode)  # the library replaces the file by one that only its owner may read


def write_state(target: Path, state: Mapping[str, Any]) -> None:
    """As torch.save. Raises OSError."""
    import torch

    with replacing(target) as part, part.open("wb") as stream:
        try:
            torch.save(dict(state), stream)
        except RuntimeError as error:  # torch's writer complains of positions; what the disk said is behind it
            if isinstance(error.__context__, OSError):
                raise error.__context__ from error
            raise


def point(link: Path, target: str) -> None:
    """Make ``link`` a symbolic link to ``target``. Raises OSError."""
    part = link.with_name(_part())
    try:
        part.unlink(missing_ok=True)
        part.symlink_to(target)
        os.replace(part, link)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync(link.parent)


def publish(building: Path, target: Path) -> None:
    """Sync all files of the folder ``building`` and give it its name, which must be free. Raises OSError."""
    for file in building.iterdir():
        sync(file)
    sync(building)
    building.rename(target)
    sync(target.parent)


def append(file: Path, text: str) -> None:
    """Add ``text`` to a journal, all of it or, when the disk refuses, nothing. Raises OSError."""
    with file.open("ab", buffering=0) as stream:
        end = stream.seek(0, os.SEEK_END)
        data = text.encode("utf-8", "surrogateescape")
        try:
            while data:
                data = data[stream.write(data) :]
        except BaseException:
            with contextlib.suppress(OSError):
                stream.truncate(end)
            raise


def sync(path: Path) -> None:
    """Wait until a file or a folder's list of names is on the disk. A system that cannot do it is no error."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


@contextmanager
def owning(folder: Path) -> Iterator[None]:
    """Make the folder and be its one owner, waiting for another process that is; the system takes a dead one's hold
    back. Where a file system cannot lock, nobody waits. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    own = lock.Lock(folder / ".lock")
    with contextlib.suppress(OSError):
        own.take(wait=True)
    try:
        yield
    finally:
        own.give_back()


def clear(folder: Path, *, owned: bool = False) -> None:
    """Remove what killed processes of this machine left half-written; where the folder is ``owned`` (no other process
    writes there), of any machine."""
    host = "*" if owned else _HOST
    for part in folder.glob(_PART.format(host=host, process="*", number="*")):
        process = part.name.split("-")[2]
        if owned or not _lives(int(process)):
            part.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    """Is there such a process on this machine? Where nobody can tell, yes."""
    if os.path.exists("/proc/self"):
        return os.path.exists(f"/proc/{process}")
    if os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def one_line(error: OSError, what: object, then: str) -> UserError:
    """``what``: the file or folder, where the error does not know it. ``then``: the way out, once that is mended."""
    if error.errno in FULL:
        return UserError(f"{what}: the disk is full; free some space and {then}")
    return UserError(f"{what}: cannot be written ({error.strerror or error}); {then}")


@contextmanager
def told(what: object, then: str) -> Iterator[None]:
    """:func:`one_line` of whatever a disk refuses within the block; other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK:
            raise
        raise one_line(error, error.filename or what, then) from error


def _part() -> str:
    return _PART.format(host=_HOST, process=os.getpid(), number=next(_numbers))
