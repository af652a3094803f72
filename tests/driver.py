"""Runs in processes of their own; imported by name, so that a fork server or a spawned process finds them."""

import os
from pathlib import Path

import hydra.main  # noqa: F401 (what a run imports on its way: a fork has it already)
import matplotlib.backends.backend_agg  # noqa: F401
import scipy.stats  # noqa: F401

from colorbench.runs.config import compose
from colorbench.training.train import train
from colorbench.trunks import lean

lean.timm()


def run(overrides: list[str]) -> None:
    """Train without evaluation, on one thread."""
    import torch

    torch.set_num_threads(1)
    config = compose([*overrides, "evaluate=false"])
    train(config, model="unetgan", experiment="default", overrides=overrides)


def share(rank: int, port: int, folder: str) -> None:
    """Train a toy on this rank's half of every batch, and leave its weights in a file."""
    import torch
    from toys import Line, batches, engine, weights

    from colorbench.batch import Batch
    from colorbench.engine.ranks import Ranks

    os.environ.update(
        WORLD_SIZE="2", RANK=str(rank), LOCAL_RANK=str(rank), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port)
    )
    torch.set_num_threads(1)
    ranks = Ranks.join()

    def half(start):
        for batch in batches()(start):
            parts = batch.split(4)
            yield Batch(parts[rank].L, parts[rank].ab, parts[rank].ids, parts[rank].visits)

    torch.manual_seed(0)
    family = Line()
    family.weights = {"distance": 1.0, "noise": 1.0}
    engine(family, Path(folder) / "run", batches=half, ranks=ranks).fit()
    torch.save(weights(family), Path(folder) / f"rank{rank}.pt")
    ranks.leave()


def chain(words: list[str]) -> None:
    """Train stages on one thread."""
    import torch

    from colorbench.training import stages

    torch.set_num_threads(1)
    stages.run(stages.split(words))


def typed(words: list[str], folder: str, environment: dict[str, str], out: str, err: str) -> None:
    """The program in a folder, as typed there; what it says goes to two files."""
    import sys

    import torch

    from colorbench.__main__ import main

    torch.set_num_threads(1)
    os.chdir(folder)
    os.environ.clear()
    os.environ |= environment
    sys.path.insert(0, folder)
    sys.argv = ["colorbench", *words]
    for number, name in ((1, out), (2, err)):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), number)
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
    main(words)


def sweep(words: list[str], log: str) -> None:
    """A multirun on one thread, as typed; what it prints goes to a file."""
    import sys

    import torch

    from colorbench.__main__ import main

    torch.set_num_threads(1)
    with open(log, "a", buffering=1) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        sys.stdout = sys.stderr = file
        main(["-m", *words])


def several(runs: list[list[str]]) -> None:
    """Train several runs in one process."""
    for overrides in runs:
        run(overrides)


def stopped(words: list[str], log: str, where: str, signal: int) -> None:
    """The program on one thread, as typed, which gets a signal each time that it calls ``module:Class.function``."""
    import sys
    from functools import reduce
    from importlib import import_module

    import torch

    from colorbench.__main__ import main

    torch.set_num_threads(1)
    module, _, name = where.partition(":")
    *owners, function = name.split(".")
    owner = reduce(getattr, owners, import_module(module))
    original = getattr(owner, function)

    def ringing(*args, **options):
        os.kill(os.getpid(), signal)
        return original(*args, **options)

    setattr(owner, function, ringing)
    file = open(log, "w", buffering=1)  # noqa: SIM115 (until the process ends)
    os.dup2(file.fileno(), 1)
    os.dup2(file.fileno(), 2)
    sys.stdout = sys.stderr = file
    main(words)


def unheard(words: list[str], where: str) -> None:
    """The program in a pipe whose reader leaves when it calls ``module:Class.function``: ``| head``."""
    import sys
    from functools import reduce
    from importlib import import_module

    import torch

    from colorbench.__main__ import main

    torch.set_num_threads(1)
    module, _, name = where.partition(":")
    *owners, function = name.split(".")
    owner = reduce(getattr, owners, import_module(module))
    original = getattr(owner, function)
    reader, writer = os.pipe()

    def leaving(*args, **options):
        setattr(owner, function, original)
        os.close(reader)
        return original(*args, **options)

    setattr(owner, function, leaving)
    for number in (1, 2):
        os.dup2(writer, number)
    os.close(writer)
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
    main(words)


def ignoring(words: list[str], log: str, where: str, number: int) -> None:
    """As by nohup."""
    import signal

    signal.signal(number, signal.SIG_IGN)
    stopped(words, log, where, number)


def composed(config: dict, model: str) -> None:
    """Train and evaluate what was composed elsewhere, on one thread."""
    import torch

    torch.set_num_threads(1)
    train(config, model=model, experiment="default")
