"""The page on which somebody votes, and its server: this machine's browser, nothing but the standard library.

A picture's address says its question and its side, never its system; the page learns no name.
"""

import json
import re
import threading
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from colorbench.errors import UserError
from colorbench.report.sheet import Line
from colorbench.report.vote.ballot import GRAY, TRUTH, Votes
from colorbench.report.vote.results import needed

LOCAL = "127.0.0.1"
_MOST = 1000  # bytes of an answer


def galleries(lines: Sequence[Line], also: Sequence[str] = ()) -> dict[str, list[Path]]:
    """{label: pictures in their order} of the models, the truth, gray, and the trivial rows ``also``; as many pictures
    as all of them kept. UserError where a row kept none."""
    wanted = [line for line in lines if line.kind != "trivial" or line.label in (TRUTH, GRAY, *also)]
    found = {}
    for line in wanted:
        folder = line.evaluations[0].folder
        files = sorted((folder / "gallery").glob("*-0.png")) if folder is not None else []
        if not files:
            raise UserError(f"{folder or line.label}: no pictures were kept; evaluate it with protocol.gallery above 0")
        found[line.label] = files
    for name in (TRUTH, GRAY, *also):
        if name not in found:
            raise UserError(f"no row {name!r} beside these runs: evaluate them into one output folder")
    count = min(map(len, found.values()))
    return {label: files[:count] for label, files in found.items()}


class Poll(ThreadingHTTPServer):
    """Serves one ballot until it is shut down."""

    daemon_threads = True

    def __init__(self, votes: Votes, pictures: Mapping[str, Sequence[Path]], *, host: str = LOCAL, port: int = 0):
        """port 0: any free one. Raises OSError where the address is taken."""
        self.votes, self.pictures, self.lock = votes, pictures, threading.Lock()
        page = Path(__file__).with_name("vote.html").read_text(encoding="utf-8")
        self.page = page.replace("{{needed}}", needed()).encode()
        super().__init__((host, port), _Handler)
        self.local = host == LOCAL

    @property
    def address(self) -> str:
        """What a browser opens."""
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}"

    def state(self) -> dict[str, Any]:
        """What the page may know."""
        answered, total = len(self.votes.answers), len(self.votes.asked)
        return {"answered": answered, "total": total, "done": answered == total}


class _Handler(BaseHTTPRequestHandler):
    server: Poll
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if not self._trusted():
            return
        if self.path == "/":
            self._send(self.server.page, "text/html; charset=utf-8")
        elif self.path == "/state":
            self._state()
        elif found := re.fullmatch(r"/picture/(\d{1,9})/(left|right)", self.path):
            number, side = int(found[1]), found[2]
            if number >= len(self.server.votes.asked):
                self._refuse(HTTPStatus.NOT_FOUND, "no such question")
                return
            question = self.server.votes.asked[number]
            file = self.server.pictures[getattr(question, side)][question.picture]
            self._send(file.read_bytes(), "image/png")
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "no such page")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > _MOST:
            self.close_connection = True
            self._refuse(HTTPStatus.BAD_REQUEST, "a short answer is expected")
            return
        body = self.rfile.read(int(length))
        if not self._trusted():
            return
        if self.headers.get("Content-Type") != "application/json":  # another site's page cannot send this unasked
            self._refuse(HTTPStatus.BAD_REQUEST, "JSON is expected")
            return
        try:
            with self.server.lock:
                said = json.loads(body)
                if self.path == "/answer":
                    if said["side"] not in ("left", "right"):
                        raise ValueError("side: left or right")
                    self.server.votes.answer(int(said["number"]), said["side"], float(said["seconds"]))
                elif self.path == "/undo":
                    self.server.votes.undo()
                else:
                    raise KeyError(self.path)
        except (ValueError, KeyError, TypeError) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, f"not understood: {error}")
        except OSError as error:
            self._refuse(HTTPStatus.INSUFFICIENT_STORAGE, str(error.strerror))
        else:
            self._state()

    def _trusted(self) -> bool:
        """A page of another name that resolves to this machine is refused."""
        host = self.headers.get("Host", "").rpartition(":")[0]
        if not self.server.local or host in (LOCAL, "localhost"):
            return True
        self._refuse(HTTPStatus.FORBIDDEN, "this page is for this machine only")
        return False

    def _state(self) -> None:
        self._send(json.dumps(self.server.state()).encode(), "application/json")

    def _refuse(self, code: HTTPStatus, why: str) -> None:
        self._send(why.encode(), "text/plain; charset=utf-8", code)

    def _send(self, body: bytes, kind: str, code: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""
