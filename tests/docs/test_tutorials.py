"""Every tutorial, run from its first cell to its last at a tiny size."""

import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image
from skimage import data

ROOT = Path(__file__).resolve().parents[2]
TUTORIALS = ROOT / "docs" / "tutorials"
WORDS = ("batch_size=8", "metrics=fast", "monitor.images=8", "protocol.draws=2")
SCENES = ("data.source.train=64", "data.source.val=8", "data.source.test=8")
TINY = {
    "three_families": {"IMAGES": 16, "SIZE": 32, "PICTURES": 6},
    "your_photographs": {"IMAGES": 16, "SIZE": 32, "PICTURES": 6, "PHOTOS": "photos", "GRAY": "photos"},
    "new_family": {"IMAGES": 64, "SIZE": 32, "PICTURES": 6},
    "reading_tables": {"PICTURES": 6, "SIZE": 32},
}


def photographs(folder: Path) -> None:
    """Thirty tiles of four photographs that scikit-image ships."""
    folder.mkdir()
    for name in ("astronaut", "chelsea", "coffee", "rocket"):
        picture = Image.fromarray(getattr(data, name)())
        for i in range(8):
            x, y = 96 * (i % 4), 96 * (i // 4)
            picture.crop((x, y, x + 96, y + 96)).save(folder / f"{name}-{i}.png")


def made_tiny(notebook: nbformat.NotebookNode, values: dict[str, object]) -> None:
    """Give the names of the cell of parameters other values; each must be there."""
    cell = next(c for c in notebook.cells if "parameters" in c.metadata.get("tags", ()))
    for name, value in values.items():
        cell.source, found = re.subn(rf"^{name} = .*$", f"{name} = {value!r}", cell.source, flags=re.MULTILINE)
        assert found == 1, name


def test_every_tutorial_is_run_here():
    assert {file.stem for file in TUTORIALS.glob("*.ipynb")} == set(TINY)


@pytest.mark.parametrize("name", sorted(TINY))
def test_a_tutorial_is_committed_without_outputs(name):
    cells = nbformat.read(TUTORIALS / f"{name}.ipynb", as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert len(code) > 4
    assert not any(cell.outputs or cell.execution_count for cell in code)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", sorted(TINY))
def test_a_tutorial_runs_from_its_first_cell_to_its_last(name, tmp_path, monkeypatch):
    notebook = nbformat.read(TUTORIALS / f"{name}.ipynb", as_version=4)
    made_tiny(notebook, {**TINY[name], "WORDS": WORDS if name == "your_photographs" else WORDS + SCENES})
    photographs(tmp_path / "photos")
    monkeypatch.setenv("COLORBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    NotebookClient(notebook, timeout=500, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert not any(output.output_type == "error" for output in shown)
    assert any("text/html" in output.get("data", {}) for output in shown)  # tables, as a notebook shows them
    assert any("image/png" in output.get("data", {}) for output in shown) or name == "new_family"
