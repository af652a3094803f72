"""Several processes, one run."""

import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from engine.toys import SGD, engine
from families.conftest import _composed, alike, learners, pictures, small
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from colorbench.engine.budget import Budget
from colorbench.engine.ranks import Ranks
from colorbench.engine.sharednorm import share_norms
from colorbench.runs.config import compose
from colorbench.runs.labels import labels, settings
from colorbench.runs.run import open_run
from colorbench.training import train as training

HERE = str(Path(__file__).parent)
REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "engine"))


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_two_ranks_take_the_steps_of_one(processes, tmp_path):
    from driver import share
    from toys import Line, engine, weights

    port = free_port()
    workers = [processes.Process(target=share, args=(rank, port, str(tmp_path))) for rank in range(2)]
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


def train(family, folder, ranks, pictures, optim):
    """20 steps on this rank's share of every batch of 8."""

    def share(start):
        while True:
            yield pictures[start // 8 % len(pictures)].split(8 // ranks.count)[ranks.index]
            start += 8

    engine(family, folder, batches=share, ranks=ranks, optim=optim, budget=Budget(images=8 * 20, seconds=None)).fit()


def gap(folder, families, pictures, optim):
    """(largest difference of any number of the model after one rank trained it and two did, of which number)"""
    for family in families:
        family.prepare(pictures)
    train(families[0], folder / "one", Ranks(), pictures, optim)
    meeting = Meeting()
    with ThreadPoolExecutor(2) as pool:
        runs = [
            pool.submit(train, family, folder / str(i), Threads(i, 2, meeting=meeting), pictures, optim)
            for i, family in enumerate(families[1:])
        ]
    for run in runs:
        run.result()
    one, two, other = (family.state_dict() for family in families)
    assert all(torch.equal(two[key], other[key]) for key in two)
    gaps = {key: float((two[key].double() - one[key].double()).abs().max()) for key in two if two[key].numel()}
    worst = max(gaps, key=gaps.get)
    return gaps[worst], worst


EVERY = [pictures(8, 16, seed) for seed in range(3)]
QUICK = ("unetgan", "vae")
SLOW = (pytest.mark.slow, pytest.mark.timeout(3600))
MODELS = [pytest.param(m, marks=() if m in QUICK else SLOW) for m in alike(learners())]


@pytest.mark.parametrize("model", MODELS)
def test_two_ranks_train_every_model_as_one_does(model, tmp_path):
    """By plain descent: Adam divides gradients that are all rounding by their own size (a bias before a norm has no
    other), and so makes them steps of the learning rate: in float32 two ranks then differ by 1e-3, as one rank does
    from itself where its first weights differ in the last bit."""
    found, worst = gap(tmp_path, [small(model) for _ in range(3)], EVERY, {**SGD, "lr": 1e-4})
    assert found <= 1e-5, worst  # group norm, which knows no batch, differs by as much and more (1.4e-4)


class WithRelu(nn.BatchNorm2d):
    """A norm that does more than a norm, as timm's."""

    def forward(self, x):
        return super().forward(x).relu()


def test_a_norm_of_another_class_stays_what_it_is_besides():
    norms = [nn.Sequential(nn.Conv2d(2, 4, 1), WithRelu(4)) for _ in range(3)]
    meeting = Meeting()
    for index, norm in enumerate(norms):
        norm.load_state_dict(norms[0].state_dict())
        if index:
            share_norms(norm, Threads(index - 1, 2, meeting=meeting))
            assert isinstance(norm[1], WithRelu)
    x = torch.randn(8, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    whole = norms[0](x)
    with ThreadPoolExecutor(2) as pool:
        halves = list(pool.map(lambda norm, part: norm(part), norms[1:], x.split(4)))
    assert float(whole.detach().min()) == 0.0
    torch.testing.assert_close(torch.cat(halves), whole)
    for norm in norms[1:]:
        torch.testing.assert_close(norm.state_dict(), norms[0].state_dict())
        torch.testing.assert_close(norm.eval()(x), norms[0].eval()(x))


@pytest.fixture
def float64(monkeypatch):
    """Whatever computes in float32 computes in float64 (flags stay: the fused optimizers want theirs so)."""
    single = torch.Tensor.float
    monkeypatch.setattr(torch.Tensor, "float", lambda t: single(t) if t.dtype == torch.bool else t.double())
    monkeypatch.setattr(torch, "float32", torch.float64)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.mark.parametrize("model", MODELS)
def test_two_ranks_and_each_models_own_optimizer_differ_by_rounding_and_by_nothing_else(model, float64, tmp_path):
    """In float64 rounding is 1e-16, far below Adam's epsilon, and so is what is left."""
    optim = _composed(model, ())["optim"]
    exact = [replace(batch, L=batch.L.double(), ab=batch.ab.double()) for batch in EVERY]
    words = ["model.index.index=torch"] if model == "resunetgan_retrieval" else []  # FAISS knows float32 only
    families = [small(model, *words).double() for _ in range(3)]
    found, worst = gap(tmp_path, families, exact, optim)
    assert families[0].state_dict()[worst].dtype == torch.float64
    assert found <= 1e-10, worst


@pytest.mark.slow
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


class Echo(Ranks):
    """The first of several ranks, alone: the others see what it sees."""

    def sum(self, tensor):
        return tensor * self.count

    def any(self, flag):
        return flag

    def broadcast(self, value):
        return value


def test_another_number_of_ranks_is_another_run_which_is_said_where_it_begins(overrides, monkeypatch, capsys):
    words = overrides("evaluate=false", "budget.images=8", "monitor.previews=0")
    runs = []
    for count in (2, 2, 1, 4):
        monkeypatch.setattr(Ranks, "join", lambda count=count: Echo(0, count) if count > 1 else Ranks())
        done = training.train(compose(words), model="unetgan", experiment="default")
        runs.append((done.path, done.skipped, capsys.readouterr().out))
    (two, _, first), (again, skipped, _), (one, _, second), (four, _, third) = runs
    assert (again, skipped) == (two, True)
    assert len({one, two, four}) == 3
    assert "rank" not in first
    assert second.splitlines() == [f"{two}: this run on 2 ranks (finished) is another; on 1 it begins with nothing"]
    assert third.splitlines() == [
        f"{one}: this run on 1 rank (finished) is another; on 4 it begins with nothing",
        f"{two}: this run on 2 ranks (finished) is another; on 4 it begins with nothing",
    ]
    assert labels([{"name": "unetgan", "settings": settings(open_run(run).config)} for run in (one, two, four)]) == [
        "unetgan",
        "unetgan ranks=2",
        "unetgan ranks=4",
    ]


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
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--monitor-interval=0.5", *words]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=1200)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("where", ["--standalone", f"--master_port={free_port()}"], ids=["standalone", "port"])
def test_a_group_that_loses_a_rank_restarts_and_ends_as_if_it_had_not(overrides, where, tmp_path):
    (tmp_path / "dying.py").write_text(SUICIDE)
    words = overrides("evaluate=false", "engine.validate_every=16")
    torchrun(where, "-m", "colorbench", *words, f"output={tmp_path / 'whole'}", cwd=tmp_path).check_returncode()
    cut = torchrun(where, "--max-restarts=1", "dying.py", *words, f"output={tmp_path / 'cut'}", cwd=tmp_path)
    assert cut.returncode == 0, cut.stderr
    assert (tmp_path / "died").exists()
    assert "resumed at 48 images" in cut.stdout + cut.stderr
    (one,), (other,) = ([*(tmp_path / name / "default").iterdir()] for name in ("whole", "cut"))
    assert one.name == other.name
    assert json.loads((other / "status.json").read_text())["state"] == "finished"
    for name in ("weights", "ema"):
        a, b = (load_file(run / "checkpoints" / "last" / f"{name}.safetensors") for run in (one, other))
        assert all(torch.equal(a[key], b[key]) for key in a | b)


@pytest.mark.slow
def test_a_lost_rank_ends_the_other_in_one_line(overrides, tmp_path):
    (tmp_path / "dying.py").write_text(SUICIDE)
    words = overrides("evaluate=false", "engine.validate_every=16")
    once = torchrun("--standalone", "dying.py", *words, f"output={tmp_path / 'once'}", cwd=tmp_path)
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
