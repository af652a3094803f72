"""Two thousand damaged files: no crash, no hang, every one accounted for."""

import io
import time

import numpy as np
import pytest
from PIL import Image

from colorbench.commands.colorize import main
from colorbench.data.decode import render_bytes
from colorbench.data.source import Dropped, Rendered

from .conftest import levels

COUNT = 2000
KINDS = (("PNG", "L"), ("JPEG", "L"), ("TIFF", "L"), ("WEBP", "RGB"), ("BMP", "L"), ("PNG", "I;16"), ("PNG", "LA"))


def _mutated(seed):
    """(suffix, bytes) of a picture with some bytes changed, cut out, put in or repeated."""
    random = np.random.default_rng(seed)
    kind, mode = KINDS[seed % len(KINDS)]
    gray = levels(24, 32, seed % 5)
    image = Image.fromarray(gray.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(gray).convert(mode)
    held = io.BytesIO()
    image.save(held, format=kind)
    data = bytearray(held.getvalue())
    head = len(data) if seed % 3 else min(len(data), 64)  # a third of them: the header only
    for _ in range(int(random.integers(1, 6))):
        place = int(random.integers(0, head))
        match int(random.integers(0, 4)):
            case 0:
                data[min(place, len(data) - 1)] = int(random.integers(0, 256))
            case 1:
                del data[place : place + int(random.integers(1, 30))]
            case 2:
                data[place:place] = random.integers(0, 256, int(random.integers(1, 30)), dtype=np.uint8).tobytes()
            case 3:
                data = data[:place] if random.random() < 0.3 else data + data[place:]
        if not data:
            break
        head = min(head, len(data))
    return kind.lower().replace("jpeg", "jpg").replace("tiff", "tif"), bytes(data)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_thousand_mutated_pictures_are_colored_or_named(models, tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    slowest, kept = 0.0, 0
    for seed in range(COUNT):
        suffix, data = _mutated(seed)
        (folder / f"{seed:04d}.{suffix}").write_bytes(data)
        start = time.process_time()
        answer = render_bytes(data, 16, max_pixels=10**6)  # what prepare does with each file
        slowest = max(slowest, time.process_time() - start)
        assert isinstance(answer, Rendered | Dropped)
        kept += isinstance(answer, Rendered)
    words = ["--model", str(models("regression")), "-o", str(tmp_path / "out"), "--device", "cpu", "--recolor"]
    code = main([str(folder), *words, "--max-pixels", "1000000"])
    said = capsys.readouterr()
    failed = {line.split(": ")[1].rsplit("/", 1)[-1] for line in said.err.splitlines() if line.startswith("colorbench")}
    colored = {p.name for p in (tmp_path / "out").iterdir() if p.suffix != ".jsonl"}
    with capsys.disabled():
        print(
            f"\nprepare: {kept} kept, {COUNT - kept} dropped, slowest {slowest:.3f} s; "
            f"colorize: {len(colored)} colored, {len(failed)} named"
        )
    assert code == 1
    assert not colored & failed
    assert len(colored) + len(failed) == COUNT
    assert slowest < 5
