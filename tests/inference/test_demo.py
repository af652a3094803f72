"""The page, in a real browser: upload, color, choose, download; and what it refuses."""

import asyncio
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
import torch
from browser import PROGRAM, Browser
from PIL import Image
from skimage import data as photographs

from colorbench import color
from colorbench.commands.demo import main
from colorbench.errors import UserError
from colorbench.inference import demo
from colorbench.inference.colorizer import Colorizer
from colorbench.inference.demo import colorize, full_size, open_models
from colorbench.inference.room import Door, Room

from .conftest import levels

needs_browser = pytest.mark.skipif(not PROGRAM or not find_spec("gradio"), reason="needs Chromium and Gradio")


@pytest.fixture
def scan(tmp_path) -> Path:
    """16 bits, larger than the screen."""
    file = tmp_path / "scan.png"
    Image.fromarray(levels(300, 430).astype(np.uint16) * 257).save(file)
    return file


def _sitting(scan, models, names=("regression", "vae"), **options):
    chosen = {name: Colorizer.from_pretrained(models(name), device="cpu") for name in names}
    return colorize(scan, chosen, **{"samples": 2, "seed": 3, "vivid": 1.0, "max_pixels": 10**7, **options})


def test_models_stand_side_by_side_and_only_those_that_draw_draw(scan, models, monkeypatch):
    monkeypatch.setattr(demo, "SCREEN", 200)
    sitting, failed = _sitting(scan, models)
    assert [c.label for c in sitting.colorings] == ["regression", "vae, mean of 2", "vae, draw 1", "vae, draw 2"]
    assert not failed
    assert all(c.shown.size == sitting.gray.size == (200, 140) for c in sitting.colorings)
    assert np.ptp(np.asarray(sitting.gray), axis=2).max() == 0
    assert len({c.shown.tobytes() for c in sitting.colorings}) == 4


def test_the_mean_says_how_far_its_draws_lie_apart_and_single_answers_do_not(scan, models):
    sitting, _ = _sitting(scan, models)
    single, mean, *draws = sitting.colorings
    assert [c.doubt is None for c in sitting.colorings] == [True, False, True, True]
    assert torch.allclose(mean.ab, torch.stack([c.ab for c in draws]).mean(dim=0))
    assert mean.doubt.over(sitting.small).size == sitting.gray.size
    words = demo.words_of(mean)
    assert f"{mean.doubt.guess:.0%} of this picture is a guess" in words
    assert words.count("--tint") == len(mean.doubt.legend) >= 3
    assert "nothing says how sure" in demo.words_of(single)


def test_vividness_and_a_reference_change_the_colors_and_what_nobody_measured_is_not_said(scan, models, tmp_path):
    plain, vivid = (_sitting(scan, models, ("vae",), vivid=v)[0].colorings[0] for v in (1.0, 1.6))
    assert torch.allclose(vivid.ab, 1.6 * plain.ab)
    assert vivid.doubt.certainty is None
    assert vivid.doubt.guess is None
    assert "share_that_is_a_guess" not in vivid.doubt.numbers
    assert "no longer say how sure" in demo.words_of(vivid)
    reference = tmp_path / "red.png"
    Image.fromarray(np.full((80, 100, 3), (180, 60, 60), np.uint8)).save(reference)
    _, failed = _sitting(scan, models, ("vae",), reference=reference)
    assert "takes no reference picture" in failed[0]
    gray, starter = demo.example(tmp_path), open_models(["starter"], "cpu")
    options = {"samples": 1, "seed": 0, "vivid": 1.0, "max_pixels": 10**7}
    reds = [colorize(gray, starter, reference=r, **options)[0].colorings[0].ab[:, 0].mean() for r in (None, reference)]
    assert reds[1] - reds[0] > 0.1


def test_the_download_is_what_colorize_makes_of_the_photograph(scan, models, tmp_path):
    sitting, _ = _sitting(scan, models)
    file, beside = full_size(sitting, 3, tmp_path, 10**7)
    assert file.name == "scan-vae-draw-2.png"
    assert b"compositeWithTrainedAlgorithmicMedia" in file.read_bytes()
    facts = json.loads(beside.read_text())
    assert (facts["file"], facts["answer"], facts["seed"], facts["size"]) == (file.name, "draw 2", 3, [430, 300])
    assert "share_that_is_a_guess" not in facts
    facts = json.loads(full_size(sitting, 1, tmp_path, 10**7)[1].read_text())
    assert facts["answer"] == "mean of 2 draws"
    assert 0 <= facts["share_that_is_a_guess"] <= 1
    assert file.read_bytes()[24:26] == bytes([16, 2])  # 16 bits, RGB
    from colorbench.inference.photo import read_photo

    model = Colorizer.from_pretrained(models("vae"), device="cpu")
    same = model.paint(read_photo(scan), seed=3, draw=1)
    assert np.array_equal(np.asarray(Image.open(file)), (same >> 8).astype(np.uint8))


def test_limits_hold_before_a_pixel_is_decoded(scan, models):
    for wrong in ({"max_pixels": 10**5}, {"samples": 9}, {"vivid": 0.0}, {"samples": 0}):
        with pytest.raises(UserError):
            _sitting(scan, models, **wrong)


def test_models_of_one_name_are_numbered_and_an_empty_folder_is_named(models, tmp_path):
    assert list(open_models([str(models("vae"))] * 2, "cpu")) == ["vae", "vae (2)"]
    with pytest.raises(UserError, match="no trained run"):
        main([str(tmp_path)])


@contextmanager
def serving(folder: Path, *words: str) -> Iterator[tuple[str, subprocess.Popen]]:
    """A page's address and process; it keeps its files in ``folder``."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "colorbench", "demo", *words, "--port", str(port), "--device", "cpu"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
    )
    try:
        assert f"http://127.0.0.1:{port}" in server.stdout.readline()
        yield f"http://127.0.0.1:{port}", server
    finally:
        server.terminate()
        server.communicate(timeout=60)


@pytest.fixture(scope="module")
def site(models, tmp_path_factory):
    """Address of a page that shows two models, and where it keeps its files."""
    folder = tmp_path_factory.mktemp("site")
    words = [str(models("regression")), str(models("vae")), "--max-megapixels", "2", "--max-megabytes", "3"]
    with serving(folder, *words) as (address, _):
        yield address, folder


def upload(address: str, data: bytes, name: str) -> int:
    """The answer's status."""
    head = f'--x\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
    request = Request(f"{address}/gradio_api/upload", head + data + b"\r\n--x--\r\n")
    request.add_header("Content-Type", "multipart/form-data; boundary=x")
    try:
        with urlopen(request, timeout=60) as answer:
            return answer.status
    except HTTPError as error:
        return error.code


@pytest.mark.skipif(not find_spec("gradio"), reason="needs Gradio")
def test_all_uploads_together_are_bounded_and_gone_after_sigterm(models, tmp_path):
    with serving(tmp_path, str(models("regression")), "--max-total", "2") as (address, server):
        codes = [upload(address, bytes([i]) * 600_000, f"{i}.png") for i in range(6)]
        assert codes == [200, 200, 200, 413, 413, 413]
        stored = [path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()]
        assert 1_800_000 <= sum(stored) <= 2 * 2**20
        server.send_signal(signal.SIGTERM)
        said = server.communicate(timeout=60)[1]
    assert not list(tmp_path.rglob("*.png"))
    assert not list(tmp_path.glob("colorbench-demo-*"))
    assert "Traceback" not in said


def test_an_upload_ends_where_the_room_does_and_old_files_make_room(tmp_path):
    room = Room(tmp_path, most=1000, kept=3600)
    (tmp_path / "old").write_bytes(bytes(900))
    os.utime(tmp_path / "old", (0, 0))
    (tmp_path / "new").write_bytes(bytes(400))
    got: list[int] = []

    async def form(scope, receive, send):
        while chunk := (await receive())["body"]:
            got.append(len(chunk))

    async def arrive(path: str, chunks: list[int]) -> None:
        async def receive():
            return {"body": bytes(chunks.pop(0)) if chunks else b""}

        await Door(form, room, OverflowError)({"type": "http", "method": "POST", "path": path}, receive, None)

    asyncio.run(arrive("/gradio_api/upload", [300, 300]))
    assert got == [300, 300]
    assert not (tmp_path / "old").exists()
    with pytest.raises(OverflowError, match="maximum allowed size"):
        asyncio.run(arrive("/gradio_api/upload", [300, 301]))
    assert got == [300, 300, 300]
    assert room.arriving == 0
    asyncio.run(arrive("/gradio_api/queue/join", [5000]))  # no upload
    room.demand()
    (tmp_path / "more").write_bytes(bytes(601))
    with pytest.raises(UserError, match="goes after 60 minutes"):
        room.demand()


@pytest.fixture
def browser(site, tmp_path):
    page = Browser(tmp_path)
    try:
        page.open(site[0])
        page.until("!!document.querySelector('#photograph input[type=file]')")
        yield page
    finally:
        page.close()


READY = "document.querySelector('#download').innerText.includes('{}, full size')"
SRC = "document.querySelector('#slider img').src"


@needs_browser
def test_a_photograph_is_colored_at_once_and_downloaded_and_nothing_leaves_the_machine(site, browser, scan, tmp_path):
    browser.upload("#photograph input[type=file]", scan)
    browser.until(READY.format("regression"))
    assert browser.value("document.querySelectorAll('#slider img').length") == 2
    assert browser.value("document.querySelectorAll('#tiles img').length") == 10  # regression; the mean and 8 draws
    browser.value("document.querySelectorAll('#tiles button img')[1].click()")
    browser.until(READY.format("vae, mean of 8"))
    assert "of this picture is a guess" in browser.value("document.querySelector('#said').innerText")
    for button in ("#download", "#facts"):
        browser.value(f"document.querySelector('{button}').click()")
    file = tmp_path / "downloads" / "scan-vae-mean-of-8.png"
    browser.until(lambda: file.is_file() and file.with_suffix(".json").is_file(), 30)
    assert json.loads(file.with_suffix(".json").read_text())["file"] == file.name
    with Image.open(file) as back:
        rgb = np.asarray(back.convert("RGB"))
    assert rgb.shape == (300, 430, 3)
    L = color.encode_bytes(torch.from_numpy(rgb.transpose(2, 0, 1).copy())[None])[0]
    gray = torch.from_numpy(np.repeat(levels(300, 430)[None], 3, axis=0))[None]
    assert (L - color.encode_bytes(gray)[0]).abs().max() * color.L_HALF < 1.0
    assert np.ptp(rgb.astype(int), axis=2).mean() > 3
    before = browser.value(SRC)
    browser.value("document.querySelectorAll('#left input')[1].click()")
    browser.until(f"{SRC} != {before!r}")  # the map of what is a guess
    outside = [a for a in browser.asked if not a.startswith((site[0], "data:", "blob:"))]
    assert not outside
    assert not browser.said
    assert list(site[1].iterdir())


@needs_browser
def test_the_example_is_colored_with_one_click_and_the_page_fits_a_phone(browser):
    browser.resize(390, 844)
    browser.until("!!document.querySelector('#example')")
    browser.value("document.querySelector('#example').click()")
    browser.until(READY.format("regression"))
    assert browser.value("document.documentElement.scrollWidth") == 390
    order = "['give', 'see', 'dial'].map(id => document.getElementById(id).getBoundingClientRect().top)"
    tops = browser.value(order)
    assert tops == sorted(tops)
    assert "example" in browser.value("document.querySelector('#photograph').innerText")


COLORED = "(document.querySelectorAll('#slider img')[1]?.src || '')"


def _lab(browser: Browser) -> torch.Tensor:
    """[3 n] of the colored picture that the page shows."""
    with urlopen(browser.value(COLORED), timeout=60) as answer:
        rgb = np.asarray(Image.open(io.BytesIO(answer.read())).convert("RGB"))
    return color.bytes_to_lab(torch.from_numpy(rgb.transpose(2, 0, 1).copy())[None])[0].flatten(1)


def _colored(browser: Browser, before: str) -> torch.Tensor:
    """As :func:`_lab`, once the page shows another picture than ``before`` and can hand it over."""
    browser.until(f"{COLORED} != {before!r}")
    browser.until(READY.format("starter, mean of 8") + " && !document.querySelector('#facts').disabled")
    return _lab(browser)


@needs_browser
@pytest.mark.timeout(900)  # five colorings of eight draws
def test_the_dial_makes_colors_vivid_and_a_reference_lends_its_own(tmp_path):
    cat, red = tmp_path / "cat.png", tmp_path / "red.png"
    Image.fromarray(photographs.chelsea()).convert("L").save(cat)
    Image.fromarray(np.full((80, 100, 3), (180, 60, 60), np.uint8)).save(red)
    browser = Browser(tmp_path)
    facts = tmp_path / "downloads" / "cat-starter-mean-of-8.json"

    def told() -> dict:
        facts.unlink(missing_ok=True)
        browser.value("document.querySelector('#facts').click()")
        return json.loads(browser.until(lambda: facts.is_file() and facts.read_text()))

    try:
        with serving(tmp_path) as (address, _):
            browser.open(address)
            browser.until("!!document.querySelector('#photograph input[type=file]')")
            browser.upload("#photograph input[type=file]", cat)
            plain = _colored(browser, "")
            assert 0 < told()["share_that_is_a_guess"] < 1
            before = browser.value(COLORED)
            browser.touch("#vivid input[type=range]", 0.9)
            vivid = _colored(browser, before)
            chroma = [float(lab[1:].norm(dim=0).mean()) for lab in (plain, vivid)]
            assert chroma[1] > 1.5 * chroma[0]
            assert (vivid[0] - plain[0]).abs().mean() < 0.5
            said = told()
            assert said["vivid"] > 1.6
            assert "share_that_is_a_guess" not in said  # the dial pulled the draws apart
            assert "no longer say how sure" in browser.value("document.querySelector('#said').innerText")
            before = browser.value(COLORED)
            browser.upload("#reference input[type=file]", red)
            lent = _colored(browser, before)
            assert told()["reference"] == "red.png"
            aim = color.bytes_to_lab(torch.tensor([180, 60, 60], dtype=torch.uint8).view(1, 3, 1, 1))[0, 1:].flatten()
            apart = [float((lab[1:].mean(dim=1) - aim).norm()) for lab in (vivid, lent)]
            assert apart[1] < 0.7 * apart[0]
            before = browser.value(COLORED)
            browser.value("document.querySelector('#reference button[aria-label=Clear]').click()")
            assert torch.equal(_colored(browser, before), vivid)
            assert "reference" not in told()
            assert not browser.said
    finally:
        browser.close()


@needs_browser
def test_too_many_pixels_are_refused_in_words(browser, tmp_path):
    Image.fromarray(np.zeros((2000, 2000), np.uint8)).save(tmp_path / "large.png")
    browser.upload("#photograph input[type=file]", tmp_path / "large.png")
    browser.until("document.body.innerText.includes('too large: 2000 x 2000')", 30)


@needs_browser
def test_too_many_bytes_are_not_stored(site, browser, tmp_path):
    (tmp_path / "heavy.png").write_bytes(bytes(5_000_000))
    browser.upload("#photograph input[type=file]", tmp_path / "heavy.png")
    time.sleep(4)
    assert not [p for p in site[1].rglob("heavy*") if p.stat().st_size > 3_100_000]


def test_the_page_needs_gradio_and_says_so(models, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(UserError, match=r"colorbench\[demo\]"):
        main([str(models("vae")), "--device", "cpu"])
