"""Pages that are written from the code leave nothing out, and say what the code says."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from written import comments, keys, measured, notebooks, text, verbs
from written.schema import of_node

from colorbench.commands.overview import verbs as known_verbs
from colorbench.runs.config import choices, compose, conf_dir, flatten

ROOT = Path(__file__).resolve().parents[2]


def documented(words: list[str]) -> set[str]:
    """The keys that pages describe of what some overrides choose."""
    found = {key.name for key in keys.top()}
    for group, option in choices(words).items():
        if group in keys.GROUPS and group not in (*keys.ALONE, *keys.PRESETS):
            found |= {key.name for key in keys.keys_of(group, option)}
    return found | {key.name for key in of_node(keys.composed(*words)["model"], "model")}


@pytest.mark.parametrize("words", [["model=unetgan"], ["model=flow", "trunk=lite0", "data=photos"]], ids=" ".join)
def test_every_key_that_a_run_has_is_described(words):
    found = documented(words)
    taken = ("model.distance", "model.adversary", "model.perceptual", "model.sampler", "phases", "model.network.trunk")
    lacking = [
        name
        for name, _ in flatten(compose(words))
        if not name.startswith(taken)  # chosen by a group, and described there
        and not any(name == key or name.startswith(f"{key}.") for key in found)
        and not re.match(r"(hydra|run|logger|experiment)\b", name)
    ]
    assert lacking == []


def test_a_key_says_its_default_its_range_and_its_comment():
    page = keys.page("engine")
    assert "| `engine.checkpoint_seconds` | `60` | seconds, 0 or more | wall seconds between two" in page
    network = {key.name: key for key in of_node(keys.composed("model=unet")["model"], "model")}
    assert network["model.network.width"].default == 64
    assert network["model.network.width"].may_be == "a whole number from 1 to 4096"
    assert network["model.distance"].default == "${loss}"


def test_a_row_from_before_a_setting_says_which_one():
    today = dict(flatten({"model": compose(["model=energy"])["model"]}))

    def said(settings):
        line = SimpleNamespace(kind="model", record={"name": "energy", "settings": settings})
        return measured._since(SimpleNamespace(lines=[line]), "energy")

    assert said(today) == []
    before = {key: value for key, value in today.items() if key != "model.weights.gap"}
    assert said(before) == ["Trained before these were there: model.weights.gap (today 1.5)."]


def test_every_verb_stands_on_the_page_with_its_own_help():
    page = verbs.pages()["reference/commands.md"]
    for verb in known_verbs():
        assert f"\n## {verb}\n" in page
    assert "usage: colorbench table" in page


def test_comments_of_files_that_a_file_takes_are_its_own():
    assert comments.of_keys(conf_dir() / "data" / "folder.yaml")["size"] == "side of the square, in pixels"
    assert comments.of_keys(conf_dir() / "model" / "bins.yaml")["network.encoder.scale"].startswith("8: a fourth")
    assert comments.of_file(conf_dir() / "experiment" / "smoke.yaml").startswith("Every part once")


def test_words_of_docstrings_are_markdown():
    assert (
        text.prose("See :func:`colorbench.api.train`, ``x``.\n\n    a*b\n\nEnd.")
        == "See `train`, `x`.\n\n    a*b\n\nEnd."
    )
    assert text.prose("the a*b* plane") == "the a\\*b\\* plane"
    assert text.table(["a|b"], [["c\nd"]]) == "| a|b |\n| --- |\n| c d |\n".replace("a|b", "a\\|b")


def test_a_notebook_is_a_page_that_leads_to_the_notebook():
    page = notebooks.page(notebooks.TUTORIALS / "new_family.ipynb")
    assert page.startswith("# A new family in two files\n")
    assert "(new_family.ipynb)" in page
    assert "```python\n%%writefile toned.py" in page


def test_no_page_asks_another_machine_for_anything():
    settings = (ROOT / "mkdocs.yml").read_text()
    assert "font: false" in settings
    assert "http" not in re.sub(r"#.*", "", settings)
