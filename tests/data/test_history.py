"""The plates of a library as a source; the library is a server of this test's."""

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
from PIL import Image

from colorbench.data import history
from colorbench.data.history import SUMS, History
from colorbench.data.source import Dropped, Rendered
from colorbench.errors import UserError
from colorbench.registry import check
from colorbench.runs.config import compose
from tests.data.test_plate import plate


def jpeg(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="JPEG", quality=95)
    return file.getvalue()


class Library:
    """address: of its scans. has: {path: content}. asked: every path, in order. busy: answers of 429 still to come."""

    def __init__(self) -> None:
        self.has = {
            f"/00100/{n:05d}v.jpg": jpeg(plate((n % 5, 2), (0, 0), (-3, n % 3), seed=n)) for n in (101, 106, 119)
        }
        self.has["/00100/00110v.jpg"] = jpeg(np.full((300, 100), 128, np.uint8))
        self.asked: list[str] = []
        self.busy = 0
        library = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                library.asked.append(self.path)
                library.busy -= 1
                data = library.has.get(self.path, b"")
                self.send_response(429 if library.busy >= 0 else 200 if data else 404)
                self.end_headers()
                self.wfile.write(data if library.busy < 0 else b"")

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_port}/{{hundred:05d}}/{{plate:05d}}v.jpg"


@pytest.fixture
def library() -> Iterator[Library]:
    made = Library()
    yield made
    made.server.shutdown()
    made.server.server_close()


def source(library: Library, root: Path, *plates: str) -> History:
    return History(
        root=str(root),
        plates=list(plates or ("101-119",)),
        address=library.address,
        pause=0.0,
        share=0.1,
        max_pixels=10**6,
    )


def test_plates_are_fetched_once_and_what_the_library_lacks_is_not_asked_for_again(
    library: Library, tmp_path: Path
) -> None:
    names = [item.name for item in source(library, tmp_path).items()]
    assert names == ["00100/00101", "00100/00106", "00100/00110", "00100/00119"]
    assert len(library.asked) == 19
    assert [item.name for item in source(library, tmp_path).items()] == names
    assert len(library.asked) == 19


def test_a_plate_becomes_a_picture_in_color_and_a_misfit_says_why(library: Library, tmp_path: Path) -> None:
    these = source(library, tmp_path)
    answers = list(these.render(list(these.items()), 64))
    assert [type(answer) for answer in answers] == [Rendered, Rendered, Dropped, Rendered]
    assert isinstance(answers[2], Dropped)
    assert answers[2].reason == "an exposure shows nothing"
    assert isinstance(answers[0], Rendered)
    assert answers[0].pixels.shape == (3, 64, 64)
    assert 280 < answers[0].height < 340
    assert np.ptp(answers[0].pixels.astype(int), axis=0).mean() > 10


def test_neighbors_on_the_shelf_share_a_split(library: Library, tmp_path: Path) -> None:
    library.has = {f"/{n // 100 * 100:05d}/{n:05d}v.jpg": b"x" for n in range(1, 1000)}
    items = list(source(library, tmp_path, "1-999").items())
    splits: dict[str, set[Any]] = {}
    for item in items:
        splits.setdefault(item.name[:-1], set()).add(item.split)
    assert all(len(found) == 1 for found in splits.values())
    shares = [sum(item.split == split for item in items) / len(items) for split in ("test", "val")]
    assert all(0.04 < share < 0.18 for share in shares)


def test_a_file_that_is_not_what_was_first_fetched_is_refused_and_mended_by_deleting_it(
    library: Library, tmp_path: Path
) -> None:
    list(source(library, tmp_path).items())
    file = tmp_path / "00106v.jpg"
    file.write_bytes(b"other")
    with pytest.raises(UserError, match=rf"00106v.jpg is not what was first fetched .*{SUMS}.*delete the file"):
        list(source(library, tmp_path).items())
    file.unlink()
    assert len(list(source(library, tmp_path).items())) == 4


def test_another_content_from_the_library_is_refused_too(library: Library, tmp_path: Path) -> None:
    list(source(library, tmp_path).items())
    (tmp_path / "00106v.jpg").unlink()
    library.has["/00100/00106v.jpg"] += b" "
    with pytest.raises(UserError, match=f"is not what .*{SUMS} says"):
        list(source(library, tmp_path).items())
    assert not (tmp_path / "00106v.jpg").exists()


def test_the_checksums_alone_bind_the_next_machine(library: Library, tmp_path: Path) -> None:
    list(source(library, tmp_path / "a").items())
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / SUMS).write_bytes((tmp_path / "a" / SUMS).read_bytes())
    library.has["/00100/00101v.jpg"] = b"swapped"
    with pytest.raises(UserError, match="is not what"):
        list(source(library, tmp_path / "b").items())


def test_a_library_that_asks_for_patience_is_waited_for(library: Library, tmp_path: Path) -> None:
    library.busy = 3
    assert len(list(source(library, tmp_path, "101-101").items())) == 1
    library.busy = 9
    with pytest.raises(UserError, match="HTTP 429"):
        list(source(library, tmp_path, "106-106").items())


def test_offline_is_one_clear_line(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: Any, **__: Any) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr(history, "urlopen", offline)
    with pytest.raises(
        UserError, match=r"data=history: cannot fetch http.*not known.*offline, .*data\.root=PATH"
    ) as told:
        list(source(library, tmp_path).items())
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("plates", "address", "message"),
    [
        (["9-1"], "", "names no plate"),
        (["404-404"], "", "the library has none"),
        (["1-1"], "http://127.0.0.1/{number}.jpg", "address: .*{plate} and {hundred} only"),
    ],
)
def test_wrong_numbers_and_addresses_are_one_clear_line(
    library: Library, tmp_path: Path, plates: list[Any], address: str, message: str
) -> None:
    options: Any = {"root": str(tmp_path), "plates": plates, "address": address or library.address, "pause": 0.0}
    with pytest.raises(UserError, match=message):
        list(History(**options, share=0.1, max_pixels=10**6).items())


def test_the_config_brings_the_columns_of_dullness_whatever_metrics_are_chosen() -> None:
    for words in (["data=history"], ["data=history", "metrics=fast"]):
        config = compose(words)
        assert {"psnr", "chroma_skin", "chroma_textiles_true"} <= set(config["metrics"])
    address = config["data"]["source"]["address"].format(plate=1031, hundred=1000)
    assert address == "https://tile.loc.gov/storage-services/service/pnp/prok/01000/01031v.jpg"


@pytest.mark.parametrize("word", ["1-x", "101", "1-2-3", "-4", "1-200000"])
def test_what_is_no_range_of_plates_is_refused(tmp_path: Path, word: str) -> None:
    node = dict(compose(["data=history"])["data"]["source"], root=str(tmp_path), plates=[word])
    with pytest.raises(UserError, match=r"plates.*expected two numbers below 100000, first-last"):
        check("source", node)
