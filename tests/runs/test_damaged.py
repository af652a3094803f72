"""Files of a run that are empty, cut, garbage or changed: no traceback, no lost run, and the others' table stands."""

import copy
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from colorbench.commands import colorize, evaluate, report, runs, sweeps, table
from colorbench.errors import UserError
from colorbench.runs.config import compose
from colorbench.training.train import train

WORDS = [
    "model=unet",
    "model.network.width=8",
    "model.network.max_width=8",
    "model.network.levels=2",
    "data=scenes",
    "data.size=16",
    "data.source.train=16",
    "data.source.val=8",
    "data.source.test=8",
    "batch_size=8",
    "budget.images=32",
    "engine.validate_every=50%",
    "engine.keep_every=50%",
    "monitor.images=8",
    "monitor.previews=0",
    "device=cpu",
    "precision=fp32",
    "metrics=fast",
    "protocol.gallery=1",
]
FILES = (
    "run/status.json",
    "run/identity.json",
    "run/config.yaml",
    "run/metrics.jsonl",
    "run/metrics.csv",
    "run/checkpoints/last/state.pt",
    "run/checkpoints/last/weights.safetensors",
    "run/eval/record.json",
    "run/eval/protocol.json",
    "run/eval/set.json",
    "run/eval/rows.csv",
    "run/eval/draws.csv",
    "run/eval/gallery/00000-0.png",
    "baselines/gray/rows.csv",
    "baselines/mean/record.json",
    "cache/cache.json",
    "cache/manifest.csv",
    "cache/train.pixels",
    "cache/val.ids",
)
VALUES = (float("inf"), float("nan"), -1, 0, 10**30, None, True, "", "x", [], {}, [1], {"a": 1}, "../../evil")
Damage = Callable[[bytes, random.Random], bytes]


def structured(data: bytes, rng: random.Random) -> bytes:
    """One value of a JSON or YAML file is another, or gone."""
    try:
        tree = yaml.safe_load(data)
    except (yaml.YAMLError, UnicodeDecodeError):
        return b"{"
    node = tree
    while isinstance(node, dict | list) and node:
        key = rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
        if not isinstance(node[key], dict | list) or not node[key] or rng.random() < 0.3:
            if rng.random() < 0.3:
                del node[key]
            else:
                node[key] = rng.choice(VALUES)
            break
        node = node[key]
    return json.dumps(tree).encode() if data[:1] in b"{[" else yaml.safe_dump(tree).encode()


def flipped(data: bytes, rng: random.Random) -> bytes:
    """A few bytes are others."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


DAMAGES: dict[str, Damage] = {
    "empty": lambda data, rng: b"",
    "cut": lambda data, rng: data[: rng.randrange(len(data))],
    "garbage": lambda data, rng: rng.randbytes(rng.randint(1, 400)),
    "of its length": lambda data, rng: rng.randbytes(len(data)),
    "zeros": lambda data, rng: bytes(len(data)),
    "other JSON": lambda data, rng: rng.choice([b"[1]", b"null", b"3", b'"x"', b"{}", b"[" * 50_000, b'{"state": 3}']),
    "twice": lambda data, rng: data + data,
    "flipped": flipped,
    "structured": structured,
}


class Place:
    """A folder with two finished runs of one study, a photograph, and their cache."""

    def __init__(self, root: Path):
        self.root, self.outputs = root, root / "outputs"
        Image.fromarray(np.tile(np.arange(0, 240, 10, dtype=np.uint8), (20, 1))).save(root / "photo.png")
        for seed in (0, 1):
            assert not self.train(seed).skipped
        self.run, self.other = sorted(
            self.outputs.glob("default/*"), key=lambda p: "seed: 1" in (p / "config.yaml").read_text()
        )

    def train(self, seed: int) -> Any:
        if not hasattr(self, "config"):
            self.config = compose([*WORDS, f"output={self.outputs}", f"data.cache={self.root / 'cache'}"])
        return train(copy.deepcopy({**self.config, "seed": seed}), model="unet", experiment="default")

    def file(self, name: str) -> Path:
        top, _, rest = name.partition("/")
        if top == "run":
            (protocol,) = (self.run / "eval").iterdir()
            return self.run / rest.replace("eval/", f"eval/{protocol.name}/")
        if top == "baselines":
            family, _, leaf = rest.partition("/")
            (found,) = (self.outputs / "baselines").glob(f"*/{family}*/{leaf}")
            return found
        (found,) = (self.root / "cache").glob(f"scenes-*/{rest}")
        return found

    def commands(self) -> dict[str, Callable[[], Any]]:
        few = ["--resamples", "50"]
        return {
            "status": lambda: sweeps.main(["status", str(self.outputs)]),
            "runs": lambda: runs.main([str(self.outputs)]),
            "table": lambda: table.main([str(self.outputs), *few]),
            "report": lambda: report.main([str(self.outputs), "-o", str(self.root / "report.html"), *few]),
            "evaluate": lambda: evaluate.main([str(self.run), "--device", "cpu"]),
            "colorize": lambda: colorize.main(
                [
                    str(self.root / "photo.png"),
                    "--model",
                    str(self.run),
                    "--device",
                    "cpu",
                    "-o",
                    str(self.root / "out"),
                ]
            ),
            "train": lambda: self.train(0),
        }


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Place:
    made = Place(tmp_path_factory.mktemp("damaged"))
    shutil.copytree(made.root, made.root.with_name("whole"), symlinks=True)
    return made


def outcome(call: Callable[[], Any], capsys) -> tuple[str, str]:
    """(what it was refused with, what it printed)"""
    capsys.readouterr()
    try:
        call()
    except UserError as error:
        return str(error), ""
    return "", capsys.readouterr().out


def stands(place: Place, name: str, kind: str, seed: int, capsys) -> None:
    """Damage one file and try every command; what was whole is put back afterwards."""
    file = place.file(name)
    rng = random.Random(f"{name} {kind} {seed}")
    file.write_bytes(DAMAGES[kind](file.read_bytes(), rng))
    status = place.run / "status.json"
    if name.startswith("run/checkpoints"):  # cut in its last step, so that training has to go on from here
        status.write_text(json.dumps({**json.loads(status.read_text()), "state": "interrupted"}))
    rows = place.file("run/eval/rows.csv").read_bytes()
    whole = place.root.with_name("whole")
    try:
        for command, call in place.commands().items():
            refusal, said = outcome(call, capsys)
            assert len(refusal.splitlines()) <= 1
            if command in ("status", "runs", "table", "report"):
                assert not refusal, f"{command}: {refusal}"
            if command in ("status", "runs"):
                assert place.run.name in said
                assert place.other.name in said
            if command == "table":
                assert "unet" in said
            if command == "train" and name.startswith("run/checkpoints"):
                assert not refusal
                assert json.loads(status.read_text())["state"] == "finished"
                assert place.file("run/eval/rows.csv").read_bytes() == rows
    finally:
        for part in ("outputs", "cache"):
            shutil.rmtree(place.root / part)
            shutil.copytree(whole / part, place.root / part, symlinks=True)


@pytest.mark.parametrize("number", range(len(FILES)))
def test_a_damaged_file_is_one_line_and_the_rest_stands(number, place, capsys):
    """Every file with one damage."""
    stands(place, FILES[number], [*DAMAGES][number % len(DAMAGES)], 0, capsys)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_five_hundred_damaged_files_are_lines_and_no_run_is_lost(place, capsys):
    cases = [(name, kind, seed) for seed in range(3) for name in FILES for kind in DAMAGES]
    failures = []
    for name, kind, seed in cases:
        try:
            stands(place, name, kind, seed, capsys)
        except Exception as error:
            failures.append(f"{name}, {kind} {seed}: {type(error).__name__}: {error}")
    with capsys.disabled():
        print(f"\n{len(cases)} damaged files, {len(failures)} that were more than one line")
    assert len(cases) >= 500
    assert not failures, "\n".join(failures)
