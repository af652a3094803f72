"""Every command ends the same way."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import colorbench
from colorbench import command
from colorbench.errors import UserError

FOLDER = Path(colorbench.__file__).parent


def guard(name):
    """What the module does when it is the program, as text; None where nothing."""
    for node in ast.parse((FOLDER / f"{name}.py").read_text()).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'":
            return "\n".join(map(ast.unparse, node.body))
    return None


COMMANDS = [p.stem for p in sorted(FOLDER.glob("*.py")) if p.stem != "__main__" and guard(p.stem)]


def ends(capsys, name, main, argv=None):
    """(exit code, lines on standard error)."""
    with pytest.raises(SystemExit) as end:
        command.run(name, main, argv)
    return end.value.code, capsys.readouterr().err.splitlines()


def test_the_commands_are_found():
    assert {"colorize", "evaluate", "prepare", "stages", "table"} <= {*COMMANDS}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_a_main_with_help_and_one_line_for_a_mistake(name, capsys):
    assert guard(name) == f"command.run('{name}', main)"
    module = importlib.import_module(f"colorbench.{name}")
    with pytest.raises(SystemExit) as end:
        module.main(["--help"])
    text = capsys.readouterr().out
    assert end.value.code == 0
    assert text.startswith(f"usage: python -m colorbench.{name} ")
    assert all(line in text for line in module.__doc__.replace("``", "`").splitlines())
    code, lines = ends(capsys, name, module.main, ["--no-such-option"])
    assert code == 2
    assert len(lines) == 1
    assert lines[0].startswith(f"colorbench.{name}: ")
    assert lines[0].endswith("--help explains")


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_ends_a_mistake_by_itself(name):
    """UserError may be told and passed over (one bad picture of many); the code 2 and the exit are command.run's."""
    tree = ast.parse((FOLDER / f"{name}.py").read_text())
    main = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main")
    assert not [node for node in ast.walk(main) if isinstance(node, ast.Return) and ast.unparse(node) == "return 2"]
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "sys.exit"]


@pytest.mark.parametrize(
    ("outcome", "code", "lines"),
    [
        (None, 0, []), (1, 1, []), (UserError("no\nsuch file"), 2, ["colorbench.x: no such file"]),
        (KeyboardInterrupt(), 130, ["colorbench.x: interrupted"]),
        (KeyboardInterrupt("it goes on"), 130, ["colorbench.x: it goes on"]),
    ],
)  # fmt: skip
def test_what_comes_of_main_is_one_code_and_at_most_one_line(capsys, outcome, code, lines):
    def main(argv):
        assert argv == ["word"]
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    assert ends(capsys, "x", main, ["word"]) == (code, lines)


def test_a_defect_keeps_its_traceback():
    def main(argv):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        command.run("x", main)


def test_the_mechanism_costs_no_import():
    code = "import sys, colorbench.command; assert not {'torch', 'numpy', 'yaml', 'hydra'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=FOLDER.parent)
