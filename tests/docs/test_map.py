"""The map of CONTRIBUTING: whoever follows it finds what it names."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINES = re.findall(r"^\| (.+\?) \| (.+) \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize(("question", "answer"), LINES)
def test_every_file_of_the_map_is_there_and_holds_what_is_named(question, answer):
    files, text = [], ""
    for written in re.findall(r"`([^`]+)`", answer):
        word = written.replace("NAME", "families" if "conf" in written else "ssim")
        found = next((folder / word for folder in (ROOT / "colorbench", ROOT) if (folder / word).exists()), None)
        if found is None:  # a name, or a call, in one of the files before it
            assert re.search(rf"\b{re.escape(word.split('.')[-1].rstrip(':'))}", text), f"{word} is in none of {files}"
        elif found.is_file():
            files, text = [*files, word], text + found.read_text()
        else:
            files.append(word)
    assert files


def test_the_map_answers_more_than_ten_questions():
    assert len(LINES) > 10
