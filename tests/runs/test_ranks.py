"""Several processes, one run."""

import io
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

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
