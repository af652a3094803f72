"""The tables in the experiments' READMEs are what their committed rows say."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXPERIMENTS = sorted(f.parent for f in (ROOT / "experiments").glob("*/tables.yaml"))
pytestmark = pytest.mark.slow


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "experiments/tables.py"), *words], capture_output=True, text=True, cwd=ROOT
    )


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda folder: folder.name)
def test_no_table_of_an_experiment_is_stale(experiment: Path) -> None:
    done = run("--check", str(experiment))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_number_that_the_rows_do_not_have_is_found_and_mended(tmp_path: Path) -> None:
    folder = shutil.copytree(ROOT / "experiments/01_families", tmp_path / "families")
    page = folder / "README.md"
    true = page.read_text("utf-8")
    row = next(line for line in true.splitlines() if line.startswith("| neighbors, learned nothing"))
    page.write_text(true.replace(row, row.replace("11.11", "9.11")), "utf-8")
    assert page.read_text("utf-8") != true
    assert run("--check", str(folder)).returncode == 1
    assert run(str(folder)).returncode == 0
    assert page.read_text("utf-8") == true


def test_a_row_that_nobody_has_is_named(tmp_path: Path) -> None:
    folder = shutil.copytree(ROOT / "experiments/01_families", tmp_path / "families")
    tables = folder / "tables.yaml"
    tables.write_text(tables.read_text("utf-8").replace("8cf3d4d0b5", "0000000000"), "utf-8")
    done = run(str(folder))
    assert done.returncode == 1
    assert "'0000000000'" in done.stderr
