"""The judge: a colorizer and the pictures of a plan in, rows out.

    true L  --family-->  ab_hat  --join the true L, clip and round ONCE-->  8-bit picture  --metrics-->  rows

A stochastic family colors each picture K times, with the noise of (seed, picture, draw), which is the same for every
model. It knows no run, no folder layout and no other row: those are in :mod:`colorbench.evaluation.runs` and
:mod:`colorbench.evaluation.baselines`.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from colorbench import atomic, color
from colorbench.arrays import Bytes, Chroma, PerImage
from colorbench.batch import Batch
from colorbench.engine.precision import autocast
from colorbench.evaluation import rows
from colorbench.evaluation.protocol import Plan
from colorbench.evaluation.rows import Evaluation
from colorbench.family import Family
from colorbench.metrics.draws import score_draws
from colorbench.metrics.hue import hue_histogram
from colorbench.metrics.metric import Pair
from colorbench.noise import Noise
from colorbench.progress import Tally

Colorizer = Callable[["Batch", "Noise"], "Chroma"]
"""How a batch is colored. A family sees L only; the truth row sees everything."""
Likelihood = Callable[[Batch, Noise], Mapping[str, PerImage]]
"""Bits of the true colors, by column (see ``Family.likelihood``)."""


def evaluate_family(
    family: Family,
    plan: Plan,
    *,
    folder: Path,
    record: Mapping[str, Any],
    device: torch.device,
    batch_size: int = 64,
    precision: str = "fp32",
    force: bool = False,
) -> Evaluation:
    """Judge a family (on ``device``, in eval mode, EMA weights loaded) and write its rows to ``folder``.

    plan: of :mod:`colorbench.evaluation.protocol`. record: who this is: at least {"name": ...}; run folders add model,
    seed, experiment, group (what seeds are averaged over), parameters, images_seen, seconds, peak_memory_mb.
    A finished evaluation in ``folder`` is read instead, unless ``force`` or the model has been trained on since.
    """
    if rows.done(folder) and not force:
        known = rows.Evaluation.read(folder)
        if known.record.get("images_seen") == record.get("images_seen"):
            return known
    was_training = family.training
    family.eval()
    draws = plan.protocol.draws if family.stochastic else 1
    facts = {
        "kind": "model",
        "stochastic": family.stochastic,
        "evaluations": family.evaluations(plan.protocol.size, plan.protocol.size),
        "parameters": sum(p.numel() for group in family.trainable().values() for p in group.parameters()),
        **record,
    }
    try:
        return evaluate_colorizer(
            lambda batch, noise: family.colorize(batch.L, noise),
            plan,
            folder=folder,
            record=facts,
            device=device,
            draws=draws,
            batch_size=batch_size,
            precision=precision,
            likelihood=family.likelihood,
        )
    finally:
        family.train(was_training)


def evaluate_colorizer(
    colorize: Colorizer,
    plan: Plan,
    *,
    folder: Path,
    record: Mapping[str, Any],
    device: torch.device,
    draws: int = 1,
    batch_size: int = 64,
    precision: str = "fp32",
    likelihood: Likelihood = lambda batch, noise: {},
) -> Evaluation:
    """Judge anything that colors a batch. Raises ValueError when an answer has another shape or is not finite."""
    seconds = 0.0
    judge = Judge(plan, draws, folder)
    label = f"judging {record['name']}"
    with torch.inference_mode(), Tally(label, plan.protocol.images * draws, "colorings") as tally:
        for batch in plan.pictures.batches(batch_size, device):
            true, pictures, raws = color.to_bytes(batch.rgb), [], []
            for k in range(draws):
                start = time.perf_counter()
                with autocast(precision, device):
                    ab_hat = colorize(batch, Noise.of(plan.protocol.seed, batch.ids, k))
                ab_hat = ab_hat.float()
                _synchronize(device)
                seconds += time.perf_counter() - start
                if ab_hat.shape != batch.ab.shape or not bool(torch.isfinite(ab_hat).all()):
                    raise ValueError(
                        f"{record['name']}: colorize must give finite values {list(batch.ab.shape)}, gave "
                        f"{list(ab_hat.shape)}{'' if ab_hat.shape != batch.ab.shape else ' with NaN or infinity'}"
                    )
                raws.append((batch.L, ab_hat))
                pictures.append(color.to_bytes(color.decode(batch.L, ab_hat)))
                tally.add(len(batch))
            with autocast(precision, device):
                bits = likelihood(batch, Noise.of(plan.protocol.seed, batch.ids))
            judge.add(true, pictures, raws, bits)
    speed = plan.protocol.images * draws / max(seconds, 1e-9)
    facts = {"kind": "model", "stochastic": draws > 1, "evaluations": 1, **record}
    facts |= {"draws": draws, "images_per_second": round(speed, 2), "device": str(device), "precision": precision}
    return judge.close(facts)


class Judge:
    """Collects the rows of one system, batch after batch, and keeps the first pictures for the gallery."""

    def __init__(self, plan: Plan, draws: int, folder: Path):
        self.plan, self.draws, self.folder = plan, draws, folder
        self.scores: dict[str, list[Any]] = {}
        self.over_draws: dict[str, list[Any]] = {}
        self.seen = 0
        self.hues: dict[str, Any] = {"hat": 0.0, "true": 0.0}
        self.sets = [metric.fresh() for metric in plan.suite.set_metrics if not metric.unavailable(plan.protocol.size)]

    def add(
        self, true: Bytes, pictures: list[Bytes], raws: list[Any], bits: Mapping[str, PerImage] | None = None
    ) -> None:
        """One batch: the truth, its K colorings, and what bits the model gives the truth."""
        pairs = [Pair(hat, true, raw) for hat, raw in zip(pictures, raws, strict=True)]
        scored = self.plan.suite.score_all(pairs)
        for name in scored[0]:
            self.scores.setdefault(name, []).append(torch.stack([s[name] for s in scored], dim=1).cpu())
        for name, values in {**score_draws(pictures, true), **(bits or {})}.items():
            self.over_draws.setdefault(name, []).append(values.double().cpu())
        for accumulator in self.sets:
            accumulator.add(pairs[0])
        self.hues["hat"] += sum(hue_histogram(pair.lab_hat) for pair in pairs) / len(pairs)
        self.hues["true"] += hue_histogram(pairs[0].lab)
        self._keep(true, pictures)
        self.seen += len(true)

    def close(self, record: Mapping[str, Any]) -> Evaluation:
        """Write and give back the evaluation. Raises ValueError when pictures were lost on the way."""
        protocol = self.plan.protocol
        if self.seen != protocol.images:
            raise ValueError(f"{record['name']}: {self.seen} pictures were judged, the protocol has {protocol.images}")
        scores = {name: torch.cat(parts).numpy() for name, parts in self.scores.items()}
        over = {name: torch.cat(parts).numpy() for name, parts in self.over_draws.items()}
        sets: dict[str, Any] = {"hue": {name: (h / self.seen).tolist() for name, h in self.hues.items()}}
        for accumulator in self.sets:
            sets |= accumulator.close()
        done = rows.Evaluation(protocol, dict(record), list(self.plan.pictures.names), scores, over, sets)
        return done.write(self.folder)

    def _keep(self, true: Bytes, pictures: list[Bytes]) -> None:
        from PIL import Image

        gallery = self.folder / "gallery"
        gallery.mkdir(parents=True, exist_ok=True)
        for i in range(max(0, min(len(true), self.plan.protocol.gallery - self.seen))):
            for k, hat in enumerate(pictures[:4]):
                with atomic.replacing(gallery / f"{self.seen + i:05d}-{k}.png") as part:
                    Image.fromarray(hat[i].permute(1, 2, 0).cpu().numpy()).save(part, format="PNG")


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
