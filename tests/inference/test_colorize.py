"""The command, on folders of everything."""

import io
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from colorbench import atomic, color
from colorbench.commands.colorize import main
from colorbench.errors import UserError
from colorbench.inference.colorize import plan
from colorbench.inference.colorizer import Colorizer

from .conftest import levels


@pytest.fixture
def album(tmp_path):
    """Gray pictures of three kinds, one in color, one damaged, in two folders."""
    root = tmp_path / "album"
    (root / "deep").mkdir(parents=True)
    Image.fromarray(levels()).save(root / "a.png")
    Image.fromarray(levels(31, 90, 1)).save(root / "deep" / "b.tif")
    Image.fromarray(levels(50, 20, 2)).save(root / "deep" / "c.jpg")
    return root


def _run(album, models, *words, model="regression"):
    return main([str(album), "--model", str(models(model)), "-o", str(album.parent / "out"), "--device", "cpu", *words])


def test_a_folder_is_colored_with_its_own_lightness_and_its_names(album, models, capsys):
    assert _run(album, models, "--format", "png") == 0
    out = album.parent / "out"
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*.*g")) == ["a.png", "deep/b.png", "deep/c.png"]
    for name, height, width, seed in (("a", 40, 56, 0), ("deep/b", 31, 90, 1)):
        rgb = np.asarray(Image.open(out / f"{name}.png"))
        L = color.encode_bytes(torch.from_numpy(rgb.transpose(2, 0, 1).copy())[None])[0]
        gray = torch.from_numpy(np.repeat(levels(height, width, seed)[None], 3, axis=0))[None]
        assert (L - color.encode_bytes(gray)[0]).abs().max() * color.L_HALF < 0.75
        assert (rgb.max(axis=2).astype(int) - rgb.min(axis=2)).mean() > 3
    assert "3 colored, 0 failed" in capsys.readouterr().out


def test_a_second_start_skips_what_is_finished_and_only_that(album, models, capsys):
    assert _run(album, models) == 0
    before = {p: p.stat().st_mtime_ns for p in (album.parent / "out").rglob("*.*") if p.suffix != ".jsonl"}
    Image.fromarray(levels(seed=9)).save(album / "new.png")
    assert _run(album, models) == 0
    assert "1 colored, 3 finished before, 0 failed" in capsys.readouterr().out
    assert all(p.stat().st_mtime_ns == time for p, time in before.items())
    assert _run(album, models, "--strength", "0.5") == 0
    assert "4 colored, 0 failed" in capsys.readouterr().out


def test_after_kill_9_every_file_is_whole_and_the_second_start_makes_the_rest(models, tmp_path, capsys):
    album, out = tmp_path / "album", tmp_path / "out"
    album.mkdir()
    for i in range(30):
        Image.fromarray(levels(400, 500, i)).save(album / f"{i:02d}.png")
    words = [str(album), "--model", str(models("regression")), "-o", str(out), "--device", "cpu"]
    victim = subprocess.Popen([sys.executable, "-m", "colorbench", "colorize", *words])
    while len(list(out.glob("*.png"))) < 3:
        assert victim.poll() is None
        time.sleep(0.005)
    victim.kill()
    victim.wait()
    finished = {p: p.stat().st_mtime_ns for p in out.glob("*.png")}
    assert len(finished) < 30
    for file in finished:
        with Image.open(file) as image:
            image.load()
    half, other = (
        out / atomic._part().replace(f"-{os.getpid()}-", f"-{process}-") for process in (victim.pid, os.getppid())
    )
    half.write_bytes(b"half")  # what it leaves when killed while writing
    other.write_bytes(b"another program's, at work")
    assert main(words) == 0
    said = capsys.readouterr().out
    skipped = int(said.split(" finished before")[0].split()[-1])
    assert len(finished) - 1 <= skipped <= len(finished)  # the last one may have been whole and not yet noted
    assert len(list(out.glob("*.png"))) == 30
    assert sum(p.stat().st_mtime_ns == time for p, time in finished.items()) >= skipped
    assert [p.name for p in out.glob(".*.part")] == [other.name]


def test_every_failure_is_named_and_nothing_is_written_for_it(album, models, capsys):
    Image.new("RGB", (30, 30), (200, 20, 20)).save(album / "red.png")
    Image.new("L", (30, 30), 0).save(album / "black.png")
    (album / "cut.jpg").write_bytes((album / "deep" / "c.jpg").read_bytes()[:200])
    (album / "text.png").write_text("no picture")
    (album / "evil\n\x1b[31m.png").write_text("no picture")
    assert (
        main(
            [
                str(album),
                str(album / "gone.png"),
                "--model",
                str(models("regression")),
                "-o",
                str(album.parent / "out"),
                "--device",
                "cpu",
            ]
        )
        == 1
    )
    said = capsys.readouterr()
    assert "3 colored, 6 failed" in said.out
    for word in (
        "red.png: in color already",
        "black.png: no color",
        "cut.jpg: unreadable",
        "text.png: not a picture",
        "gone.png: no such",
        "evil\\n\\x1b[31m.png",
    ):
        assert word in said.err
    assert "\x1b" not in said.err
    written = {p.name for p in (album.parent / "out").rglob("*.*") if p.suffix != ".jsonl"}
    assert written == {"a.png", "b.tif", "c.jpg"}


def test_originals_and_strangers_are_never_written_over(album, models, capsys):
    before = {p: p.read_bytes() for p in album.rglob("*.*")}
    assert main([str(album), "--model", str(models("regression")), "-o", str(album), "--device", "cpu"]) == 1
    assert "is an original" in capsys.readouterr().err
    assert {p: p.read_bytes() for p in before} == before
    out = album.parent / "out"
    out.mkdir()
    (out / "a.png").write_text("mine")
    elsewhere = album.parent / "elsewhere"
    elsewhere.mkdir()
    (out / "deep").symlink_to(elsewhere)
    assert _run(album, models) == 1
    said = capsys.readouterr().err
    assert "was not made here" in said
    assert "symbolic link" in said
    assert (out / "a.png").read_text() == "mine"
    assert not list(elsewhere.iterdir())


def test_names_come_from_globs_and_from_standard_input(album, models, capsys, monkeypatch):
    out = album.parent / "out"
    words = ["--model", str(models("regression")), "-o", str(out), "--device", "cpu"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{album}/a.png\n{album}/deep/b.tif\n".encode())))
    assert main(["-", *words]) == 0
    assert main([f"{album}/**/*.jpg", *words]) == 0
    assert sorted(p.name for p in out.glob("*.*") if p.suffix != ".jsonl") == ["a.png", "b.tif", "c.jpg"]
    assert main([f"{album}/a.png", "--model", words[1], "-o", str(album.parent / "one.png"), "--device", "cpu"]) == 0
    assert (album.parent / "one.png").is_file()


def test_draws_differ_repeat_and_come_with_a_contact_sheet(album, models, capsys):
    assert _run(album / "a.png", models, "--samples", "3", "--seed", "4", model="vae") == 0
    out = album / "out"
    first = [(out / f"a-{k}.png").read_bytes() for k in (1, 2, 3)]
    assert len(set(first)) == 3
    assert Image.open(out / "a-sheet.png").width > 100
    model = Colorizer.from_pretrained(models("vae"), device="cpu")
    again = model(album / "a.png", seed=4, draw=1)
    assert np.array_equal(np.asarray(again), np.asarray(Image.open(out / "a-2.png")))
    with pytest.raises(UserError, match="one answer"):
        _run(album, models, "--samples", "2")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a.png", "--hint", "absent.png"], "--hint absent.png: no such file"),
        (["a.png", "--hint", "folder"], "--hint folder: not a regular file"),
        (["a.png", "--hint", "a.png"], "--hint a.png: a gray picture has no colors to give"),
        (["a.png", "--samples", "0"], "--samples 0: expected 1 or more"),
        (["a.png", "--size", "3"], "--size 3: expected 8 to 4096"),
        (["a.png", "--uncertainty"], "--uncertainty: regression gives one answer"),
        (["a.png", "b ü.png", "-o", "x.png"], "-o x.png: a file takes one coloring of one picture; give a folder"),
        ([""], "name is empty"),
        (["run", "a.png"], "run: a run folder, not pictures; color with its model by --model run"),
    ],
)
def test_a_stranger_s_mistake_is_one_line_that_says_which(words, said, models, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b ü.png"):
        Image.fromarray(levels()).save(name)
    (tmp_path / "folder").mkdir()
    (tmp_path / "run" / "previews").mkdir(parents=True)
    (tmp_path / "run" / "config.yaml").touch()
    Image.fromarray(levels()).save(tmp_path / "run" / "previews" / "8.png")
    with pytest.raises(UserError, match=f"^[^\n]*{re.escape(said)}[^\n]*$"):
        main([*words, "--model", str(models("regression")), "--device", "cpu"])
    assert not list(tmp_path.rglob("x.png"))


def test_files_that_cannot_be_colored_are_named_with_their_reasons(models, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    gray = Image.fromarray(levels())
    gray.save("a b ü.png")
    gray.save("two.webp", save_all=True, append_images=[gray.rotate(180)], duration=100)
    (tmp_path / "empty.jpg").touch()
    words = ["--model", str(models("regression")), "--device", "cpu"]
    assert main(["a b ü.png", "two.webp", "empty.jpg", *words]) == 1
    told = capsys.readouterr().err
    assert "two.webp: holds 2 pages or frames; give each as a file of its own" in told
    assert "empty.jpg: an empty file" in told
    assert [p.name for p in (tmp_path / "colorized").glob("*.*g")] == ["a b ü.png"]
    assert main(["a b ü.png", "-o", "out.gif", *words]) == 1
    assert "cannot write .gif" in capsys.readouterr().err
    assert not (tmp_path / "out.gif").exists()


def test_a_reference_picture_gives_its_colors(models, tmp_path):
    model = Colorizer.from_pretrained(models("retrieval"), device="cpu")
    gray = Image.fromarray(levels())
    pictures = {}
    for name, paint in (("red", (220, 40, 40)), ("blue", (40, 60, 220))):
        Image.new("RGB", (30, 20), paint).save(tmp_path / f"{name}.png")
        pictures[name] = np.asarray(model(gray, hint=tmp_path / f"{name}.png")).astype(int)
    redder = pictures["red"][..., 0] - pictures["red"][..., 2] - (pictures["blue"][..., 0] - pictures["blue"][..., 2])
    assert redder.mean() > 20
    with pytest.raises(UserError, match="no reference"):
        Colorizer.from_pretrained(models("regression"), device="cpu")(gray, hint=tmp_path / "red.png")
    with pytest.raises(UserError, match="gray picture has no colors"):
        model(gray, hint=gray)


def test_a_picture_may_be_a_path_a_picture_an_array_or_a_tensor(models, tmp_path):
    color, gray = Colorizer.from_pretrained(models("regression")), levels()
    Image.fromarray(gray).save(tmp_path / "a.png")
    wanted = np.asarray(color(tmp_path / "a.png"))
    rgb = np.repeat(gray[:, :, None], 3, axis=2)
    floats = torch.from_numpy(gray / 255.0)
    for given in (str(tmp_path / "a.png"), Image.fromarray(gray), gray, gray[:, :, None], rgb, rgb.transpose(2, 0, 1)):
        assert np.array_equal(np.asarray(color(given)), wanted)
    for given in (gray / 255.0, floats, floats[None], floats.float()[None, None], torch.from_numpy(rgb)):
        assert np.array_equal(np.asarray(color(given)), wanted)
    for wrong, message in (
        (gray.astype(float), r"lies in \[0, 1\]"),
        (gray.astype(np.int32) * 100, "0 to 255"),
        (np.zeros((4, 5, 6)), r"shape \[4, 5, 6\]"),
    ):
        with pytest.raises(UserError, match=message):
            color(wrong)


def test_a_colorizer_introduces_itself_in_one_line(models):
    assert len(repr(Colorizer.from_pretrained(models("regression")))) < 100


def test_a_folder_of_models_names_those_inside(models, tmp_path):
    model = models("regression")
    with pytest.raises(UserError, match=f"give one of them: .*{model.name}"):
        Colorizer.from_pretrained(model.parent)
    with pytest.raises(UserError, match="none is inside"):
        Colorizer.from_pretrained(tmp_path)


def test_a_gray_answer_is_an_error(tmp_path):
    from colorbench.registry import build

    model = Colorizer(build("family", {"family": "gray"}), 16, "gray", torch.device("cpu"), tmp_path)
    with pytest.raises(UserError, match="no color came out"):
        model(Image.fromarray(levels()))


def test_strength_is_a_factor_of_the_chroma(models):
    model = Colorizer.from_pretrained(models("regression"), device="cpu")
    spread = [
        np.ptp(np.asarray(model(Image.fromarray(levels()), strength=s)).astype(int), axis=2).mean() for s in (0.25, 1.0)
    ]
    assert spread[0] < 0.5 * spread[1]


def test_sixteen_bits_transparency_and_panoramas_go_through(models, tmp_path):
    deep = tmp_path / "in" / "deep.png"
    deep.parent.mkdir()
    Image.fromarray(levels().astype(np.uint16) * 257).save(deep)
    Image.merge("LA", [Image.fromarray(levels(seed=s)) for s in (0, 1)]).save(tmp_path / "in" / "alpha.png")
    Image.fromarray(levels(10, 400)).save(tmp_path / "in" / "wide.png")
    Image.fromarray(levels(3, 2)[:1, :1] // 2 + 60).save(tmp_path / "in" / "pixel.png")
    words = ["--model", str(models("regression")), "-o", str(tmp_path / "out"), "--device", "cpu"]
    assert main([str(tmp_path / "in"), *words]) == 0
    assert (tmp_path / "out" / "deep.png").read_bytes()[24:26] == bytes([16, 2])  # depth 16, RGB
    assert Image.open(tmp_path / "out" / "alpha.png").mode == "RGBA"
    assert Image.open(tmp_path / "out" / "wide.png").size == (400, 10)


@pytest.mark.slow
def test_fifty_megapixels_are_colored_in_bounded_memory(models, tmp_path):
    Image.fromarray(levels(6000, 8000)).save(tmp_path / "scan.png", compress_level=1)
    program = (
        "import resource, sys; from colorbench.commands.colorize import main; code = main(sys.argv[1:]); "
        "print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024); sys.exit(code)"
    )
    peaks = {}
    Image.fromarray(levels()).save(tmp_path / "small.png")
    for name in ("small", "scan"):
        words = [str(tmp_path / f"{name}.png"), "--model", str(models("regression")), "-o", str(tmp_path / "out")]
        done = subprocess.run(
            [sys.executable, "-c", program, *words, "--device", "cpu"],
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            check=True,
        )
        peaks[name] = int(done.stdout.split("peak")[1])
    print(peaks)
    assert peaks["scan"] - peaks["small"] < 800  # MB; the pixels alone are 48 in and 144 out
    rgb = np.asarray(Image.open(tmp_path / "out" / "scan.png"))
    gray = np.asarray(Image.open(tmp_path / "scan.png"))
    for top in range(0, 6000, 500):
        part = torch.from_numpy(rgb[top : top + 500].transpose(2, 0, 1).copy())[None]
        true = torch.from_numpy(np.repeat(gray[None, top : top + 500], 3, axis=0))[None]
        assert (color.encode_bytes(part)[0] - color.encode_bytes(true)[0]).abs().max() * color.L_HALF < 0.75


def test_pictures_that_would_get_one_name_keep_their_old_suffix_and_then_a_number():
    files = [(Path(folder) / "a.jpg", Path("a.jpg")) for folder in ("1", "2", "3", "4")]
    places = [job.targets[0].name for job in plan(files, Path("out"), "png", samples=1)]
    assert places == ["a.png", "a.jpg.png", "a.jpg (3).png", "a.jpg (4).png"]
