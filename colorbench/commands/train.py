"""Train one run, evaluate it, print its row: ``colorbench [GROUP=OPTION | KEY=VALUE]...``

With ``-m``, every combination of comma-separated values is a run of its own (Hydra's multirun); a failed run does not
stop the others and makes the exit code non-zero. Exit codes: 0 done or skipped, 1 a run failed, 2 something the user
can mend (one line on stderr), 130 interrupted (the same command goes on). ``colorbench --help`` lists verbs, models and
config groups.
"""

import json
import math
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorbench import atomic
from colorbench.commands.command import unheard
from colorbench.errors import UserError
from colorbench.runs import cells
from colorbench.runs.config import compose, conf_dir, learn_words, normalize

if TYPE_CHECKING:
    from omegaconf import DictConfig

_FAILURES = "COLORBENCH_FAILURES"  # a file that every cell of a sweep appends its failure to, in any process
_DONE = "COLORBENCH_DONE"  # one that every cell of a sweep appends its folder to
_AXES = "COLORBENCH_AXES"  # how many cells a sweep has, and the keys in which they differ


def main(argv: Sequence[str] | None = None) -> None:
    import hydra
    from hydra._internal.utils import get_args_parser

    learn_words()
    argv = normalize(sys.argv[1:] if argv is None else argv)
    arguments = get_args_parser().parse_args(argv)
    folders = [arguments.config_dir] if arguments.config_dir else []
    output = None
    if not (arguments.help or arguments.hydra_help or arguments.cfg or arguments.info or arguments.shell_completion):
        try:
            argv, arguments.overrides = _with_cells(argv, arguments, [conf_dir(), *map(Path, folders)])
            output = _validate(arguments.overrides, arguments.multirun, folders)
        except UserError as error:
            _exit(error)
    sys.argv[1:] = argv
    task = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(_task)
    try:
        _start(task, output if arguments.multirun else None, arguments.overrides)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(f"{str(stop) or 'interrupted'}; the same command goes on") from stop


def _with_cells(argv: Sequence[str], arguments: Any, folders: Sequence[Path]) -> tuple[list[str], list[str]]:
    """The command and its overrides with the cells that the experiment lists: an axis of a sweep, or the one chosen."""
    words = arguments.overrides
    if arguments.multirun:
        asked = cells.swept(words, folders)
    elif (known := cells.listed(words, folders)) and not any(word.startswith("cell=") for word in words):
        names = ", ".join(known)
        raise UserError(f"this experiment lists cells, {names}: add -m, or choose one: cell={next(iter(known))}")
    else:
        asked = cells.expanded(words, folders)
    return [*(word for word in argv if word not in words), *asked], asked


def _start(task: Callable[[], Any], sweeping: Path | None, words: Sequence[str]) -> None:
    """sweeping: the output folder of a multirun, whose failures are told at its end. words: its overrides."""
    if sweeping is None:
        task()
        return
    # on the disk that the runs are on: a launcher's jobs may be on other machines
    folder, host = sweeping / ".multirun", socket.gethostname()
    failures, done = (folder / f"{what}-{host}-{os.getpid()}" for what in ("failures", "done"))
    for left in folder.glob(f"*-{host}-*"):  # by killed sweeps
        if not Path("/proc", left.name.rpartition("-")[2]).exists():
            left.unlink(missing_ok=True)
    os.environ |= {_FAILURES: str(failures), _DONE: str(done), _AXES: json.dumps(_axes(words))}
    try:
        task()
        failed = failures.read_text().splitlines() if failures.exists() else []
        finished = done.read_text().splitlines() if done.exists() else []
    finally:
        failures.unlink(missing_ok=True)
        done.unlink(missing_ok=True)
    _conclude([Path(line) for line in dict.fromkeys(finished)])
    if failed:
        print(f"colorbench: {len(failed)} run(s) failed:", *failed, sep="\n  ", file=sys.stderr)
        sys.exit(1)


def _conclude(finished: Sequence[Path]) -> None:
    """What a sweep ends with: one table of its runs, and what to type next."""
    judged = [run for run in finished if (run / "eval").is_dir()]
    if len(judged) < 2:
        return
    from colorbench.api import results

    print(f"\n{len(finished)} runs of this sweep:\n")
    results(*judged).show()
    studies = " ".join(dict.fromkeys(str(run.parent) for run in finished))
    print(f"\nnext: colorbench report {studies} -o report.html")


def _axes(overrides: Sequence[str]) -> dict[str, Any]:
    """{"cells": how many a grid over these words has, "keys": what differs}; as the basic sweeper counts."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    swept = [o for o in OverridesParser.create().parse_overrides(list(overrides)) if _listed(o)]
    count = math.prod(len(list(o.sweep_string_iterator())) for o in swept)
    return {"cells": count, "keys": [o.get_key_element() for o in swept]}


def _announce(number: int, overrides: Sequence[str]) -> None:
    """``cell 2 of 6: model=unet seed=1``, before a cell of a sweep begins."""
    axes = json.loads(os.environ.get(_AXES, "null")) or {"cells": 0, "keys": []}
    differs = [word for word in overrides if word.partition("=")[0] in axes["keys"]] or overrides
    of = f" of {axes['cells']}" if number < axes["cells"] else ""  # another sweeper may try more
    print(f"\ncell {number + 1}{of}: {' '.join(differs)}", file=sys.stderr)


def _task(tree: "DictConfig") -> float | None:
    """One run: Hydra calls this, in this process or in a launcher's."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    runtime = HydraConfig.get()
    overrides, choices = list(runtime.overrides.task), runtime.runtime.choices
    sweeping = runtime.mode == RunMode.MULTIRUN
    folders = [source.path for source in runtime.runtime.config_sources if source.provider == "command-line"]
    if runtime.sweeper.get("params") and not sweeping:
        _exit(
            UserError(
                f"experiment={choices['experiment']}: this is a sweep over {', '.join(runtime.sweeper.params)}; add -m"
            )
        )
    try:
        from colorbench.api import train
        from colorbench.engine.engine import Interrupted
        from colorbench.runs.folder import Busy
    except ImportError as error:
        _exit(UserError(f"{error}; run `make setup` or `pip install -e .`"))
    if sweeping:
        _announce(runtime.job.num, overrides)
    try:
        result = train(*overrides, config_dirs=folders)
        if sweeping and os.environ.get(_DONE):
            done = Path(os.environ[_DONE])
            done.parent.mkdir(parents=True, exist_ok=True)
            atomic.append(done, f"{result.path}\n")
        return result.best
    except Interrupted as stop:
        try:
            print(f"colorbench: {stop}; the same command goes on from there", file=sys.stderr)
        except BrokenPipeError:
            sys.exit(unheard())
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(unheard())
    except Busy as error:
        if not sweeping:
            _exit(error)
        print(f"colorbench: {error}", file=sys.stderr)
    except Exception as error:
        if not sweeping:
            if isinstance(error, UserError):
                _exit(error)
            raise
        line = f"{' '.join(overrides)}: {type(error).__name__}: {error}"
        print(f"colorbench: failed: {line}", file=sys.stderr)
        failures = Path(os.environ[_FAILURES])
        failures.parent.mkdir(parents=True, exist_ok=True)
        atomic.append(failures, line.replace("\n", " ") + "\n")
    return None


def _validate(overrides: list[str], sweeping: bool, extra_dirs: list[str]) -> Path:
    """Compose before anything starts, so that a mistake is one line at once; of a sweep, every value of every axis.

    Returns the output folder.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    if not sweeping:  # train looks at it before it does anything else
        return _output(compose(overrides, extra_dirs))
    try:
        from colorbench.training.schema import check
    except ImportError as error:
        raise UserError(f"{error}; run `make setup` or `pip install -e .`") from error
    try:
        parsed = OverridesParser.create().parse_overrides(overrides)
    except Exception as error:  # Hydra raises several kinds here
        raise UserError(" ".join(str(error).split())[:300]) from error
    axes = [[f"{o.get_key_element()}={v}" for v in o.sweep_string_iterator()] if _listed(o) else None for o in parsed]
    fixed = [
        word
        for word, axis, o in zip(overrides, axes, parsed, strict=True)
        if axis is None and not o.is_sweep_override()
    ]
    first = [axis[0] for axis in axes if axis]
    for i, axis in enumerate([axis for axis in axes if axis] or [[""]]):
        for value in axis:
            others = [word for j, word in enumerate(first) if j != i]
            config = compose([*fixed, *others, *([value] if value else [])], extra_dirs)
            check(config)
    return _output(config)


def _output(config: Mapping[str, Any]) -> Path:
    return Path(config["output"]).resolve()


def _listed(override: Any) -> bool:
    return (override.is_sweep_override() and override.is_choice_sweep()) or (
        override.is_sweep_override() and override.is_discrete_sweep()
    )


def _exit(error: UserError) -> None:
    print(f"colorbench: {error}", file=sys.stderr)
    sys.exit(2)
