"""Every number that needs a GPU, the most missed first; what the time does not reach is left out, and said.

    parity     small models in fp32: losses, gradients and colors of the device beside the processor's
    speed      images/s of training, and the share of the matrix peak, beside a loop by hand (benchmarks/engine.py)
    loader     the share of the time that training waits for data, with prepared pictures on the device and beside it
    ranks      two ranks on one device (gloo) and one rank under torchrun, beside the plain run
    families   every model trained for as many seconds, evaluated, in one table

Every part writes its table (CSV and Markdown) as soon as it has it. experiments/06_gpu/run.sh calls this.
"""

import argparse
import csv
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "benchmarks"))

MODELS = "unet,unetgan,pix2pix,gan,resnet,vae,unetvae,ddpm,flow,edm,consistency,energy,bins,tarflow"


class Session:
    """The clock, the folder, and how the programs of it are called."""

    def __init__(self, out: Path, device: str, minutes: float, size: int, models: list[str], steps: int) -> None:
        self.out, self.device, self.size, self.models, self.steps = out, device, size, models, steps
        self.words: list[str] = []  # of every training
        self.ends = time.monotonic() + 60 * minutes

    def left(self) -> float:
        """Seconds."""
        return self.ends - time.monotonic()

    def say(self, text: str) -> None:
        print(f"[{self.left():4.0f} s left] {text}", flush=True)

    def call(self, *words: str, limit: float) -> str:
        """A program's standard output; empty, and a line said, where it fails or takes over ``limit`` seconds."""
        self.say(shlex.join(words))
        try:
            done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, timeout=max(limit, 5))
        except subprocess.TimeoutExpired:
            self.say("cut: it took too long")
            return ""
        if done.returncode:
            self.say(f"failed: {(done.stderr.strip().splitlines() or ['no word'])[-1]}")
            return ""
        return done.stdout

    def write(self, name: str, rows: list[dict[str, Any]]) -> None:
        """``name``.csv and ``name``.md, with the hardware, the versions and the command above."""
        if not rows:
            return
        columns = list(rows[0])
        with open(self.out / f"{name}.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)
        lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
        lines += ["| " + " | ".join(_cell(row[c]) for c in columns) + " |" for row in rows]
        (self.out / f"{name}.md").write_text(f"{self.header()}\n\n" + "\n".join(lines) + "\n")
        self.say(f"{name}: {len(rows)} rows")

    def header(self) -> str:
        """What it ran on."""
        from engine import hardware

        git = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True)
        commit = git.stdout.strip() or "unknown"
        return f"{hardware(torch.device(self.device))}; commit {commit}; `{shlex.join(sys.argv)}`"


def parity(session: Session) -> None:
    """Small models, one batch: what differs between the device and the processor, in fp32."""
    sys.path.insert(0, str(REPOSITORY / "tests"))
    from families.conftest import pictures, small

    from colorbench.family import Weights
    from colorbench.noise import Noise

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    rows = []
    for model in session.models:
        found = []
        for device in ("cpu", session.device):
            family, batch = small(model), pictures()
            family.prepare([batch])
            family.to(device).train()
            there = type(batch)(*(t.to(device) for t in (batch.L, batch.ab, batch.ids, batch.visits)))
            noise = Noise.of(0, there.ids, there.visits)
            losses, gradients = [], []
            for objective in family.objectives(there, noise, Weights(family.weights)):
                loss = objective.loss.mean()
                own = [p for name in objective.groups for p in family.trainable()[name].parameters()]
                gradients += [
                    g.flatten().cpu() for g in torch.autograd.grad(loss, own, allow_unused=True) if g is not None
                ]
                losses.append(loss.detach().cpu())
            with torch.no_grad():
                colors = family.eval().colorize(there.L, noise).cpu()
            found.append((torch.stack(losses), torch.cat(gradients), colors))
        (loss, gradient, colors), (loss2, gradient2, colors2) = found
        rows.append(
            {
                "model": model,
                "loss, relative": float(((loss2 - loss) / loss.abs().clamp_min(1e-12)).abs().max()),
                "gradient, relative": float((gradient2 - gradient).norm() / gradient.norm().clamp_min(1e-12)),
                "colors, largest of [-1, 1]": float((colors2 - colors).abs().max()),
            }
        )
    session.write("parity", rows)


def speed(session: Session, seconds: float) -> None:
    """benchmarks/engine.py on the device; it writes row by row."""
    table = session.out / "speed.csv"
    each = max(0.5, 0.5 * seconds / len(session.models))
    batch = "64" if session.device == "cuda" else "4"
    words = [sys.executable, "benchmarks/engine.py", "--models", ",".join(session.models), "--batch", batch]
    words += ["--size", str(session.size), "--seconds", f"{each:.1f}", "--device", session.device, "--csv", str(table)]
    session.call(*words, limit=seconds)
    if table.exists():
        with open(table, newline="") as file:
            session.write("speed", list(csv.DictReader(file)))


def run(session: Session, model: str, *words: str, limit: float, ranks: int = 0) -> dict[str, Any]:
    """One training; its status.json, or nothing where it failed. ranks: under torchrun."""
    start = [sys.executable, "-m"]
    if ranks:
        start += ["torch.distributed.run", f"--nproc_per_node={ranks}", "--standalone", "-m"]
    common = [f"model={model}", f"device={session.device}", f"data.size={session.size}", f"output={session.out}/runs"]
    common += session.words
    before = set((session.out / "runs").rglob("status.json"))
    session.call(*start, "colorbench", *common, *words, limit=limit)
    new = set((session.out / "runs").rglob("status.json")) - before
    status = json.loads(new.pop().read_text()) if new else {}
    return status if status.get("state") == "finished" else {}


def loader(session: Session) -> None:
    """Waiting, with the pictures on the device and beside it, with and without augmentation."""
    images = f"budget.images={32 * session.steps}"
    rows = []
    for share in ("0.5", "0"):
        for name, words in {
            "none": [],
            "all": [f"data.augment.{key}" for key in ("rotation=15", "crop=0.8", "jitter=0.3", "blur=3")],
        }.items():
            study = f"study=loader-{share}-{name}"
            words = [*words, images, f"data.resident_share={share}", study, "evaluate=false"]
            status = run(session, session.models[0], *words, limit=60)
            if status:
                rows.append(
                    {
                        "model": session.models[0],
                        "share of the device's memory for pictures": share,
                        "augmentation": name,
                        "images/s": status["images_seen"] / status["seconds"],
                        "waiting share": status["waiting_seconds"] / status["seconds"],
                    }
                )
    session.write("loader", rows)


def ranks(session: Session) -> None:
    """The same training by no, one and two ranks on the one device."""
    rows = []
    for count in (0, 1, 2):
        words = [f"budget.images={32 * session.steps}", f"study=ranks-{count}", "evaluate=false"]
        status = run(session, session.models[0], *words, limit=60, ranks=count)
        if status:
            rows.append(
                {
                    "model": session.models[0],
                    "torchrun": f"{count} ranks" if count else "no",
                    "images/s": status["images_seen"] / status["seconds"],
                    "best": status["best"],
                }
            )
    session.write("ranks", rows)


def families(session: Session) -> None:
    """As many seconds of training for every model, then its place in one table."""
    done = 0
    for i, model in enumerate(session.models):
        each = (session.left() - 15) / (len(session.models) - i)
        if each < 8:
            session.say(f"not reached: {', '.join(session.models[i:])}")
            break
        words = ["budget.images=null", f"budget.seconds={0.5 * each:.1f}", "study=families", "protocol.draws=2"]
        done += bool(run(session, model, *words, "protocol.limit=64", "monitor.images=16", limit=session.left() - 10))
    if done:
        text = session.call(sys.executable, "-m", "colorbench", "table", f"{session.out}/runs/families", limit=60)
        (session.out / "families.md").write_text(f"{session.header()}\n\n{text}")
        session.say(f"families: {done} of {len(session.models)} models")


def _cell(value: Any) -> str:
    try:
        return f"{float(value):.3g}"
    except (TypeError, ValueError):
        return str(value)


def main() -> None:
    """Every part, as long as there is time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=9.5)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--scenes", type=int, help="paint so many training scenes only (a rehearsal)")
    parser.add_argument("--steps", type=int, default=200, help="of the loader's and the ranks' runs")
    arguments = parser.parse_args()
    out = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    models = arguments.models.split(",")
    session = Session(out, arguments.device, arguments.minutes, arguments.size, models, arguments.steps)
    if arguments.scenes:
        session.words = [f"data.source.train={arguments.scenes}", "data.source.val=32", "data.source.test=32"]
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    print(session.header(), flush=True)
    parity(session)
    speed(session, 0.3 * session.left())
    loader(session)
    ranks(session)
    families(session)
    session.say(f"tables in {out}")


if __name__ == "__main__":
    main()
