"""The line that says how far a run is: what it holds, and when it speaks."""

import io

import pytest

from colorbench import progress as module
from colorbench.engine.budget import Clock
from colorbench.engine.progress import Progress
from colorbench.progress import Tally

from .toys import Line, Memory, engine


class Watch:
    """A clock that the test turns."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def watch(monkeypatch) -> Watch:
    watch = Watch()
    monkeypatch.setattr(module, "time", watch)
    return watch


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_where_no_terminal_is_a_plain_line_comes_now_and_then(watch):
    line = Progress("unet", stream=(out := io.StringIO()), every=10.0)
    for second in range(1, 101):
        watch.now += 1
        line.update(Clock(10 * second, float(second)), second / 100, lambda: "loss 0.1")
    lines = out.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[0] == "unet   10%  100 images  loss 0.1  10 images/s  1:30 left"
    assert lines[-1].startswith("unet  100%  1,000 images")


def test_nothing_is_claimed_before_it_is_known_and_the_bar_is_full_only_at_the_end(watch):
    line = Progress("unet", stream=(out := Terminal()))
    line.update(Clock(10, 1.0), 0.01)
    watch.now += 1
    line.update(Clock(10, 1.0), 0.01)
    assert "images/s" not in out.getvalue()
    watch.now += 1
    line.update(Clock(998, 99.8), 0.998)
    assert " 99%" in out.getvalue()
    assert "100%" not in out.getvalue()
    line.update(Clock(1000, 100.0), 1.0)
    assert "100%" in out.getvalue()


def test_a_note_does_not_tear_the_line(watch):
    line = Progress("unet", stream=(out := Terminal()))
    watch.now += 1
    line.update(Clock(10, 1.0), 0.5)
    line.note("alarm at 10 images")
    line.close()
    assert any(text.strip() == "alarm at 10 images" for text in out.getvalue().replace("\x1b[2K", "\n").splitlines())


def test_quiet_is_quiet(watch):
    line = Progress("unet", quiet=True, stream=(out := io.StringIO()))
    watch.now += 100
    line.update(Clock(10, 1.0), 1.0)
    line.note("something")
    assert not out.getvalue()


def test_a_tally_says_how_many_of_how_many_and_how_long_still(watch, capsys):
    with Tally("judging unet", 500) as tally:
        for _ in range(5):
            watch.now += 6
            tally.add(50)
    assert capsys.readouterr().err.splitlines() == [
        "judging unet   20%  100 of 500 pictures  0:48 left",
        "judging unet   40%  200 of 500 pictures  0:36 left",
    ]


def test_what_an_earlier_start_did_is_counted_and_says_nothing_of_the_pace(watch):
    lines = []
    tally = Tally("preparing", 100, done=60, tell=lines.append)
    watch.now += 10
    for _ in tally.over(range(20)):
        pass
    watch.now += 10
    tally.reach(120)
    assert lines == [
        "preparing   61%  61 of 100 pictures  6:30 left",
        "preparing  100%  120 of 120 pictures  0:00 left",
    ]


def test_a_run_says_its_loss_and_what_it_watches_against_gray(tmp_path, watch):
    line = Progress("toy", stream=(out := io.StringIO()), every=0.0)
    engine(Line(), tmp_path, progress=line, memory=Memory(scores=[1.5] * 99)).fit()
    last = out.getvalue().splitlines()[-1]
    assert "loss " in last
    assert "val/score 1.5 (gray 2)" in last


def test_in_a_notebook_one_line_below_the_cell_is_drawn_anew(watch, monkeypatch, capsys):
    shown: list[list[str]] = []

    class Handle:
        def display(self, data, raw):
            shown.append([data["text/plain"]])

        def update(self, data, raw):
            shown[-1].append(data["text/plain"])

    monkeypatch.setattr("IPython.display.DisplayHandle", Handle)
    monkeypatch.setattr(module, "in_notebook", lambda: True)
    line = Progress("unet")
    for images in (10, 20, 30):
        watch.now += 1
        line.update(Clock(images, images / 10), images / 30)
    line.note("alarm at 30 images")
    line.close()
    assert [len(lines) for lines in shown] == [3]
    assert shown[0][-1].startswith("unet  100%  30 images")
    assert capsys.readouterr().err == "alarm at 30 images\n"
