"""What the loggers wrote is read back; no account, no network."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorbench.errors import UserError
from colorbench.runs.loggers.tensorboard import TensorBoard
from colorbench.runs.loggers.weights_and_biases import WeightsAndBiases
from colorbench.runs.record import Journal, read_jsonl


@pytest.fixture
def picture(tmp_path) -> Path:
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "p.png")
    return tmp_path / "p.png"


def rows_file(folder: Path) -> Path:
    (folder / "rows.csv").write_text("image,sample,psnr\na.png,0,20.5\nb.png,0,21.5\n")
    return folder / "rows.csv"


def test_the_journal_writes_every_number_twice_and_forgets_what_lies_beyond_a_checkpoint(tmp_path):
    journal = Journal(tmp_path)
    for images in (10, 20, 30):
        journal.log(images, {"train/loss": 1.0 / images})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"images_seen": 40, "tra')  # cut by a kill
    Journal(tmp_path, images=20).log(30, {"train/loss": 7.0})
    assert [(r["images_seen"], r["train/loss"]) for r in read_jsonl(tmp_path / "metrics.jsonl")] == [
        (10, 0.1),
        (20, 0.05),
        (30, 7.0),
    ]
    assert (tmp_path / "metrics.csv").read_text().split() == [
        "images_seen,key,value",
        "10,train/loss,0.1",
        "20,train/loss,0.05",
        "30,train/loss,7.0",
    ]


def offline(tmp_path, monkeypatch) -> WeightsAndBiases:
    for key in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "wandb-config"))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "wandb-cache"))
    return WeightsAndBiases(project="p", entity=None, group=None, tags=["t"], mode="auto", artifacts=False)


def read_offline(folder: Path) -> list:
    """Every record of every offline file, oldest first. The format is LevelDB's log behind a header of 7 bytes."""
    from wandb.proto import wandb_internal_pb2

    records = []
    for file in sorted(folder.glob("wandb/offline-run-*/*.wandb"), key=os.path.getmtime):
        data, at, whole = file.read_bytes(), 7, b""
        while at + 7 <= len(data):
            if 32768 - at % 32768 < 7:  # the rest of a block that is too short for a header is padding
                at += 32768 - at % 32768
                continue
            length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
            whole += data[at + 7 : at + 7 + length]
            at += 7 + length
            if kind in (1, 4):  # complete, or the last part of several
                record = wandb_internal_pb2.Record()
                record.ParseFromString(whole)
                records.append(record)
                whole = b""
    return records


def history(records) -> list[dict]:
    rows = []
    for record in records:
        if record.WhichOneof("record_type") == "history":
            rows.append(
                {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            )
    return rows


def test_a_run_cut_after_its_evaluation_says_its_numbers_once(tmp_path):
    first = Journal(tmp_path)
    first.log(20, {"val/psnr": float("inf"), "train/loss": float("nan")})
    before = (tmp_path / "metrics.csv").read_text(), (tmp_path / "metrics.jsonl").read_text()
    assert "NaN" not in before[1]
    assert "Infinity" not in before[1]
    first.log(20, {"test/psnr": 21.0})
    Journal(tmp_path, images=20)
    assert ((tmp_path / "metrics.csv").read_text(), (tmp_path / "metrics.jsonl").read_text()) == before


def test_weights_and_biases_is_offline_without_a_key_and_a_resumed_run_goes_on(tmp_path, monkeypatch, picture):
    run = tmp_path / "run"
    run.mkdir()
    logger = offline(tmp_path, monkeypatch)
    assert logger.mode == "offline"
    start = {"name": "unet-123", "model": "unet", "group": "study", "folder": run, "config": {"seed": 0}}
    logger.start(**start)
    logger.log(10, {"val/psnr": 20.0})
    logger.picture(10, "val/previews", picture)
    logger.run.finish()
    time.sleep(1.1)  # W&B names a session's folder by the second
    again = offline(tmp_path, monkeypatch)
    again.start(**start)
    again.log(20, {"val/psnr": 21.0})
    again.finish({"state": "finished", "images_seen": 20}, rows_file(tmp_path), None)
    deadline = time.monotonic() + 20  # W&B's own process writes the files, and ends them with a record "exit"
    records = read_offline(run)
    while sum(r.WhichOneof("record_type") == "exit" for r in records) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
        records = read_offline(run)
    runs = [r.run for r in records if r.WhichOneof("record_type") == "run"]
    assert {r.run_id for r in runs} == {json.loads((run / "wandb.json").read_text())["id"]}
    assert {r.run_group for r in runs} == {"study"}
    assert set(runs[0].tags) == {"unet", "t"}
    points = sorted((row["images_seen"], row["val/psnr"]) for row in history(records) if "val/psnr" in row)
    assert points == [(10, 20.0), (20, 21.0)]
    assert any("val/previews" in "".join(row) for row in history(records))
    assert any("evaluation/rows" in "".join(row) for row in history(records))
    axes = [r.metric for r in records if r.WhichOneof("record_type") == "metric"]
    assert any(m.glob_name == "*" and m.step_metric == "images_seen" for m in axes)


def test_weights_and_biases_that_cannot_be_reached_never_stops_a_run(tmp_path, monkeypatch, capsys):
    import wandb

    logger = offline(tmp_path, monkeypatch)
    logger.mode = "online"
    init = wandb.init

    def unreachable(mode, **options):
        if mode == "online":
            raise wandb.errors.CommError("timed out")
        return init(mode=mode, **options)

    monkeypatch.setattr(wandb, "init", unreachable)
    run = tmp_path / "run"
    run.mkdir()
    logger.start(name="n", model="unet", group="g", folder=run, config={})
    logger.finish({}, None, None)
    assert "logged offline" in capsys.readouterr().err
    assert list(run.glob("wandb/offline-run-*"))


def test_weights_and_biases_missing_is_a_clear_line(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UserError, match="pip install wandb"):
        WeightsAndBiases(project="p", entity=None, group=None, tags=[], mode="auto", artifacts=False)


def test_tensorboard_shows_the_same_keys_on_the_images_axis(tmp_path, picture):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = TensorBoard()
    logger.start(name="r", model="unet", group="g", folder=tmp_path, config={"seed": 0})
    logger.log(10, {"val/psnr": 20.0})
    logger.log(20, {"val/psnr": 21.0})
    logger.picture(20, "val/previews", picture)
    logger.finish({"state": "finished"}, None, None)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("val/psnr")] == [(10, 20.0), (20, 21.0)]
    assert events.Tags()["images"] == ["val/previews"]
