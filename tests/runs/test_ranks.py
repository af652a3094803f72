"""Several processes, one run."""

import io
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from engine.toys import SGD, engine
from families.conftest import alike, learners, pictures, small
from PIL import Image

from colorbench.engine.budget import Budget
from colorbench.engine.ranks import Ranks

HERE = str(Path(__file__).parent)
REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "engine"))


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_two_ranks_take_the_steps_of_one(tmp_path):
    sys.path.insert(0, HERE)
    from driver import share
    from toys import Line, engine, weights

    context = multiprocessing.get_context("spawn")
    port = free_port()
    workers = [context.Process(target=share, args=(rank, port, str(tmp_path))) for rank in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    torch.manual_seed(0)
    alone = Line()
    alone.weights = {"distance": 1.0, "noise": 1.0}
    engine(alone, tmp_path / "alone").fit()
    a, b = (torch.load(tmp_path / f"rank{rank}.pt") for rank in range(2))
    assert torch.equal(a, b)
    torch.testing.assert_close(a, weights(alone), atol=1e-6, rtol=1e-5)


class Meeting:
    """Two threads that hand in a value and get both."""

    def __init__(self) -> None:
        self.barrier, self.values = threading.Barrier(2, timeout=120), [None, None]

    def exchange(self, index, value):
        self.values[index] = value
        self.barrier.wait()
        both = list(self.values)
        self.barrier.wait()
        return both


@dataclass(frozen=True)
class Threads(Ranks):
    """Ranks of one process: the same steps as over sockets, and no process to start."""

    meeting: Meeting | None = None

    def sum(self, tensor):
        first, second = self.meeting.exchange(self.index, tensor)
        return first + second

    def any(self, flag):
        return any(self.meeting.exchange(self.index, flag))

    def broadcast(self, value):
        return self.meeting.exchange(self.index, value)[0]


def train(family, folder, ranks):
    """20 steps of plain descent on this rank's share of every batch of 8. (Adam divides gradients that are all rounding
    by their own size, and so makes them large: it would hide what is asked.)"""

    def share(start):
        while True:
            yield EVERY[start // 8 % len(EVERY)].split(8 // ranks.count)[ranks.index]
            start += 8

    budget = Budget(images=8 * 20, seconds=None)
    engine(family, folder, batches=share, ranks=ranks, optim={**SGD, "lr": 1e-4}, budget=budget).fit()


EVERY = [pictures(8, 16, seed) for seed in range(3)]
ROUNDING = 1e-5
"""Group norm, which knows no batch, lets two ranks and one differ by as much and more after 20 steps (1.4e-4)."""


QUICK = ("unetgan", "pix2pix", "vae")


@pytest.mark.parametrize(
    "model", [pytest.param(m, marks=[] if m in QUICK else pytest.mark.slow) for m in alike(learners())]
)
def test_two_ranks_train_every_model_as_one_does(model, tmp_path):
    families = [small(model) for _ in range(3)]
    for family in families:
        family.prepare(EVERY)
    train(families[0], tmp_path / "one", Ranks())
    meeting = Meeting()
    with ThreadPoolExecutor(2) as pool:
        runs = [
            pool.submit(train, family, tmp_path / str(i), Threads(i, 2, meeting=meeting))
            for i, family in enumerate(families[1:])
        ]
    for run in runs:
        run.result()
    one, two, other = (family.state_dict() for family in families)
    assert all(torch.equal(two[key], other[key]) for key in two)
    gaps = {key: float((two[key].double() - one[key].double()).abs().max()) for key in two if two[key].numel()}
    worst = max(gaps, key=gaps.get)
    assert gaps[worst] <= ROUNDING, worst


def test_torchrun_makes_one_run_and_skips_it_the_second_time(overrides, tmp_path):
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc_per_node=2",
        f"--master_port={free_port()}",
        "-m",
        "colorbench",
        *overrides(),
    ]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    first = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240)
    assert first.returncode == 0, first.stderr
    (status,) = (tmp_path / "outputs").rglob("status.json")
    record = json.loads(status.read_text())
    assert (record["state"], record["images_seen"]) == ("finished", 96)
    second = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240)
    assert second.returncode == 0, second.stderr
    assert second.stdout.count("finished before") == 1


SUICIDE = """
import os, signal
from pathlib import Path
from colorbench.engine.engine import Engine
from colorbench.__main__ import main

step, told = Engine._step, Path("died")

def dying(self, *arguments):
    if self.ranks.index == 1 and self.clock.images == 48 and not told.exists():
        told.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    step(self, *arguments)

Engine._step = dying
main()
"""


def torchrun(*words, cwd):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", f"--master_port={free_port()}"]
    command += ["--monitor-interval=0.5", *words]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=240)


@pytest.mark.slow
def test_a_lost_rank_ends_the_other_in_one_line(overrides, tmp_path):
    (tmp_path / "dying.py").write_text(SUICIDE)
    words = overrides("evaluate=false", "engine.validate_every=16")
    once = torchrun("dying.py", *words, f"output={tmp_path / 'once'}", cwd=tmp_path)
    assert once.returncode != 0
    (line,) = [line for line in once.stderr.splitlines() if line.startswith("colorbench")]
    assert "another rank was lost" in line or "stopped by SIGTERM" in line
    ours, _, _ = once.stderr.partition("failed (exitcode: -9)")  # what follows is torchrun's own
    assert "Traceback" not in ours


@pytest.mark.slow
def test_two_ranks_that_stream_shards_see_every_picture_once_in_each_epoch(tmp_path):
    pytest.importorskip("webdataset")
    sys.path.insert(0, HERE)
    from seen import count, ids

    shards = []
    for shard in range(5):  # the first is held out; 4 x 12 to train on
        path = tmp_path / f"set-{shard}.tar"
        with tarfile.open(path, "w") as tar:
            for i in range(12):
                small = np.random.default_rng(100 * shard + i).integers(0, 256, (4, 4, 3), dtype=np.uint8)
                content = io.BytesIO()
                Image.fromarray(small).resize((16, 16), Image.Resampling.BICUBIC).save(content, "PNG")
                info = tarfile.TarInfo(f"{shard}-{i}.png")
                info.size = content.tell()
                content.seek(0)
                tar.addfile(info, content)
        shards.append(str(path))
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "recorder.yaml").write_text(f"family: recorder\nfolder: {tmp_path}\n")
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc_per_node=2",
        f"--master_port={free_port()}",
        "-m",
        "colorbench",
        "--config-dir",
        str(tmp_path / "conf"),
        "plugins=[recorder]",
        "model=recorder",
        "data=stream",
        f"data.shards={tmp_path}/set-*.tar",
        "data.source.lanes=4",
        f"data.cache={tmp_path}/cache",
        "data.size=16",
        "batch_size=8",
        "budget.images=144",
        "device=cpu",
        "precision=fp32",
        "evaluate=false",
    ]
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{HERE}", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240)
    assert run.returncode == 0, run.stderr
    seen, ranks = count(tmp_path)
    assert ranks == {"0": 72, "1": 72}
    assert seen == dict.fromkeys(((epoch, name) for epoch in range(3) for name in ids(shards[1:])), 1)
