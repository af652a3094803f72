"""A folder from anywhere chooses among registered names: it imports nothing, whichever command opens it."""

import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image

from colorbench import registry
from colorbench.commands import colorize, demo, evaluate, export, law, portable, prune
from colorbench.commands import inspect as anatomy
from colorbench.engine.checkpoint import Checkpoints
from colorbench.errors import UserError
from colorbench.inference.demo import open_models
from colorbench.inference.portable import Portable, save
from colorbench.runs.folder import RunFolder
from colorbench.runs.run import open_run

from .conftest import REGRESSION, colorful, levels

CODE = """
from pathlib import Path
from colorbench.families.regression import Regression
from colorbench.registry import register
Path({marker!r}).write_text("it ran")
@register("family", "theirs")
class Theirs(Regression):
    pass
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A downloaded run in the current folder, beside the module that its config names; the marker that running leaves;
    a picture."""
    run = tmp_path / "outputs" / "study" / "downloaded"
    model = {**REGRESSION, "family": "theirs"}
    config = {
        "model": model,
        "plugins": ["their_code"],
        "engine": {"patience": None},
        "seed": 0,
        "budget": {},
        "run": {"model": "theirs"},
        "data": {"size": 16, "source": {"source": "scenes"}, "limit": None},
        "metrics": {},
        "protocol": {},
    }
    with RunFolder(run) as folder:
        folder.write_text("config.yaml", yaml.safe_dump(config))
        folder.set_status("finished")
    weights = colorful(REGRESSION).state_dict()
    Checkpoints(run / "checkpoints").save(0, weights, weights, {"images": 0})
    (tmp_path / "their_code.py").write_text(CODE.format(marker=str(tmp_path / "marker")))
    Image.fromarray(levels()).save(tmp_path / "gray.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # as python -m does with the current folder
    yield run
    registry._components.pop(("family", "theirs"), None)
    registry._plugins.discard("their_code")
    sys.modules.pop("their_code", None)


COMMANDS = {
    "colorize": lambda run: colorize.main(["gray.png", "--model", str(run), "--device", "cpu"]),
    "demo": lambda run: open_models([str(run)], "cpu"),
    "evaluate": lambda run: evaluate.main([str(run), "--device", "cpu"]),
    "evaluate --export": lambda run: evaluate.main([str(run), "--export", "pictures"]),
    "evaluate --truth": lambda run: evaluate.main(["pictures", "--truth", str(run), "--name", "x"]),
    "export": lambda run: export.main([str(run), "-o", "x.onnx"]),
    "inspect": lambda run: anatomy.main([str(run), "output=x.png"]),
    "law": lambda run: law.main([str(run), "--device", "cpu"]),
    "portable": lambda run: portable.main([str(run), "-o", "portable"]),
    "prune": lambda run: prune.main([str(run), "-o", "pruned"]),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_imports_what_a_folder_names(name, here):
    with pytest.raises(UserError, match=r"made with the plugins 'their_code'.*add --plugins MODULE"):
        COMMANDS[name](here)
    assert not Path("marker").exists()
    assert "their_code" not in sys.modules


def test_what_the_user_names_is_imported(here):
    assert colorize.main(["gray.png", "--model", str(here), "--device", "cpu", "--plugins", "their_code"]) == 0
    assert Path("marker").read_text() == "it ran"
    assert Path("colorized/gray.png").is_file()


def test_another_plugin_of_the_user_opens_no_door(here):
    with pytest.raises(UserError, match="plugins 'their_code'"):
        colorize.main(["gray.png", "--model", str(here), "--plugins", "json"])
    assert not Path("marker").exists()


def test_every_command_that_opens_a_model_takes_plugins(capsys):
    for module in (colorize, demo, evaluate, export, anatomy, law, portable, prune):
        with pytest.raises(SystemExit):
            module.main(["--help"])
        assert "--plugins" in capsys.readouterr().out, module.__name__


def test_the_portable_files_of_a_run_folder_are_preferred(here):
    save(colorful(REGRESSION), Portable("safe", 16, REGRESSION), here, "# card\n")
    assert colorize.main(["gray.png", "--model", str(here), "--device", "cpu"]) == 0
    assert not Path("marker").exists()
    assert open_run(here).name == "theirs"


def test_a_name_that_is_no_name_is_shown_as_text(here):
    config = yaml.safe_load((here / "config.yaml").read_text())
    (here / "config.yaml").write_text(yaml.safe_dump({**config, "plugins": ["\x1b[2J", "os"]}))
    with pytest.raises(UserError) as caught:
        colorize.main(["gray.png", "--model", str(here)])
    assert "'\\x1b[2J', 'os'" in str(caught.value)
