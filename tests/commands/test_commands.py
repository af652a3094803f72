"""Every command ends the same way."""

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from colorbench import __version__, commands
from colorbench.__main__ import main as program
from colorbench.commands import command, completion
from colorbench.commands.overview import open_verb, verbs
from colorbench.errors import UserError
from colorbench.runs.config import options

FOLDER = Path(commands.__file__).parent
COMMANDS = [verb for verb in verbs() if verb != "train"]


def ends(capsys, name, main, argv=None):
    """(exit code, lines on standard error)."""
    with pytest.raises(SystemExit) as end:
        command.run(name, main, argv)
    return end.value.code, capsys.readouterr().err.splitlines()


def test_the_commands_are_found():
    assert {"colorize", "evaluate", "prepare", "stages", "table"} <= {*COMMANDS}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_a_main_with_help_and_one_line_for_a_mistake(name, capsys):
    module = importlib.import_module(f"colorbench.commands.{name.replace('-', '_')}")
    assert open_verb(name) is module.main
    with pytest.raises(SystemExit) as end:
        module.main(["--help"])
    text = capsys.readouterr().out
    assert end.value.code == 0
    assert text.startswith(f"usage: colorbench {name} ")
    assert all(line in text for line in module.__doc__.replace("``", "`").splitlines())
    code, lines = ends(capsys, name, module.main, ["--no-such-option"])
    assert code == 2
    assert len(lines) == 1
    assert lines[0].startswith(f"colorbench {name}: ")
    assert lines[0].endswith("--help explains")


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_ends_a_mistake_by_itself(name):
    """UserError may be told and passed over (one bad picture of many); the code 2 and the exit are command.run's."""
    tree = ast.parse((FOLDER / f"{name.replace('-', '_')}.py").read_text())
    main = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main")
    assert not [node for node in ast.walk(main) if isinstance(node, ast.Return) and ast.unparse(node) == "return 2"]
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "sys.exit"]


@pytest.mark.parametrize(
    ("outcome", "code", "lines"),
    [
        (None, 0, []),
        (1, 1, []),
        (UserError("no\nsuch file"), 2, ["colorbench x: no such file"]),
        (KeyboardInterrupt(), 130, ["colorbench x: interrupted"]),
        (KeyboardInterrupt("it goes on"), 130, ["colorbench x: it goes on"]),
    ],
)
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


def said(capsys, *words):
    """(exit code, standard output, lines on standard error) of the program."""
    try:
        program(list(words))
        code = 0
    except SystemExit as end:
        code = end.code
    out, err = capsys.readouterr()
    return code, out, err.splitlines()


def test_help_has_a_line_for_every_verb_and_model_and_names_every_group(capsys):
    code, out, _ = said(capsys, "--help")
    assert code == 0
    lines = {line.split()[0]: line.split(maxsplit=1)[1:] for line in out.splitlines() if line.startswith("  ")}
    for verb, what in verbs().items():
        assert lines[verb] == [what]
        assert len(what) > 10
    for model in options("model"):
        assert lines[model], f"{model} has no line: its yaml begins with no comment"
    assert {"loss", "optim", "data", "sampler", "protocol", "monitor"} <= {*lines}


def test_the_version_is_colorbenchs(capsys):
    assert said(capsys, "--version") == (0, f"colorbench {__version__}\n", [])


def test_a_misspelt_verb_is_one_line_with_the_close_match(capsys):
    code, out, lines = said(capsys, "tabel", "outputs")
    assert (code, out, len(lines)) == (2, "", 1)
    assert lines[0].startswith("colorbench: unknown verb 'tabel'; did you mean 'table'")


def test_the_mechanism_costs_no_import():
    code = "import sys, colorbench.commands.command; assert not {'torch', 'numpy', 'yaml', 'hydra'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=FOLDER.parents[1])


def test_a_shell_is_offered_the_verbs_that_fit_and_nothing_of_hydra_behind_one():
    assert completion.offered("colorbench ta", verbs()) == ["table"]
    assert completion.offered("colorbench  ", verbs()) == [*verbs()]
    assert completion.offered("colorbench -m data=", verbs()) == []
    assert completion.offered("colorbench table ou", verbs()) is None
    assert completion.offered("colorbench tab le", verbs()) == []


def test_the_shell_completes_verbs_groups_and_options():
    def query(line):
        asked = {**os.environ, "COMP_LINE": line, "COMP_POINT": str(len(line))}
        words = [sys.executable, "-m", "colorbench", "-sc", "query=bash"]
        return subprocess.run(
            words, check=True, timeout=60, cwd=FOLDER.parents[1], env=asked, capture_output=True, text=True
        ).stdout.split()

    assert {"train", "table", "model=", "schedule="} <= {*query("colorbench ")}
    assert query("colorbench data=sce") == ["data=scenes"]
    assert query("colorbench table m") == []


def test_make_help_prints_every_target():
    makefile = FOLDER.parents[1] / "Makefile"
    phony = next(line for line in makefile.read_text().splitlines() if line.startswith(".PHONY")).split()[1:]
    out = subprocess.run(["make", "help"], check=True, cwd=makefile.parent, capture_output=True, text=True).stdout
    lines = [line.split(maxsplit=1) for line in out.splitlines() if line.startswith("  ")]
    assert {target for target, _ in lines} == {*phony}


def test_a_reader_that_has_seen_enough_ends_a_command_without_a_traceback(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as out:
        done = subprocess.run(
            [sys.executable, "-m", "colorbench", "fetch-weights"],
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
            timeout=120,
        )
    assert (done.returncode, done.stderr) == (141, "")


def test_words_come_when_they_are_said_in_a_pipe_too():
    """``| tee``: a process that ends without Python's last flush has told what it told."""
    code = (
        "import os; from colorbench.commands import command\n"
        "command.run('x', lambda argv: (print('rung 1'), os._exit(0)), [])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=250)
    assert done.stdout == "rung 1\n"
