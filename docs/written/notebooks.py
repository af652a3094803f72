"""The tutorials as pages: a notebook's words and code, in its order. What it prints is seen when it is run."""

from pathlib import Path

import nbformat

TUTORIALS = Path(__file__).resolve().parents[1] / "tutorials"


def pages() -> dict[str, str]:
    """{address: Markdown}: one page for each notebook, beside it."""
    return {f"tutorials/{file.stem}.md": page(file) for file in sorted(TUTORIALS.glob("*.ipynb"))}


def page(file: Path) -> str:
    """A notebook as Markdown; the link to the notebook itself comes behind the title."""
    cells = nbformat.read(file, as_version=4).cells
    title, *rest = cells[0].source.split("\n", 1)
    link = f"[The notebook]({file.name}), to run it: `jupyter lab {file.name}`; a test runs it at a tiny size."
    parts = [title, f"*{link}*", *rest]
    parts += [c.source if c.cell_type == "markdown" else f"```python\n{c.source}\n```" for c in cells[1:]]
    return "\n\n".join(parts) + "\n"
