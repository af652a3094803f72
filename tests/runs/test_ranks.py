"""Several processes, one run."""

import json
import multiprocessing
import os
import socket
import subprocess
import sys
from pathlib import Path

import torch

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


def test_torchrun_makes_one_run_and_skips_it_the_second_time(overrides, tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", f"--master_port={free_port()}",
               "-m", "colorbench", *overrides()]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    first = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240)
    assert first.returncode == 0, first.stderr
    (status,) = (tmp_path / "outputs").rglob("status.json")
    record = json.loads(status.read_text())
    assert (record["state"], record["images_seen"]) == ("finished", 96)
    second = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240)
    assert second.returncode == 0, second.stderr
    assert second.stdout.count("finished before") == 1
