"""Evaluate: color the pictures of a protocol and judge them. ``python -m colorbench.evaluate RUN...``

    true L  --family-->  ab_hat  --join the true L, clip and round ONCE-->  8-bit picture  --metrics-->  rows

A stochastic family colors each picture K times, with the noise of (seed, picture, draw), which is the same for every
model. The trivial rows (gray, the training split's mean color, its mean color at each lightness, the nearest
neighbor's colors, and the truth sent through the same conversions) are judged once for each protocol and reused.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorbench.errors import UserError

if TYPE_CHECKING:
    import torch

    from colorbench.arrays import Bytes, Chroma
    from colorbench.batch import Batch
    from colorbench.family import Family
    from colorbench.noise import Noise
    from colorbench.protocol import Plan
    from colorbench.rows import Evaluation

Colorizer = Callable[["Batch", "Noise"], "Chroma"]
"""How a batch is colored. A family sees L only; the truth row sees everything."""

TRIVIAL = ("gray", "mean", "luma_mean", "nearest", "truth")
"""The rows that every table carries; truth is what the conversions leave of the true picture."""


def evaluate_family(
    family: "Family",
    plan: "Plan",
    *,
    folder: Path,
    record: Mapping[str, Any],
    device: "torch.device",
    batch_size: int = 64,
    precision: str = "fp32",
    force: bool = False,
) -> "Evaluation":
    """Judge a family (on ``device``, in eval mode, EMA weights loaded) and write its rows to ``folder``.

    plan: from :func:`colorbench.protocol.plan`. record: who this is: at least {"name": ...}; run folders add model, seed,
    experiment, group (what seeds are averaged over), parameters, images_seen, seconds, peak_memory_mb.
    A finished evaluation in ``folder`` is read instead, unless ``force``.
    """
    from colorbench import rows

    if rows.done(folder) and not force:
        return rows.Evaluation.read(folder)
    was_training = family.training
    family.eval()
    draws = plan.protocol.draws if family.stochastic else 1
    facts = {
        "kind": "model",
        "stochastic": family.stochastic,
        "evaluations": family.evaluations,
        "parameters": sum(p.numel() for group in family.trainable().values() for p in group.parameters()),
        **record,
    }
    try:
        return evaluate_colorizer(
            lambda batch, noise: family.colorize(batch.L, noise), plan, folder=folder, record=facts, device=device,
            draws=draws, batch_size=batch_size, precision=precision,
        )  # fmt: skip
    finally:
        family.train(was_training)


def evaluate_colorizer(
    colorize: Colorizer,
    plan: "Plan",
    *,
    folder: Path,
    record: Mapping[str, Any],
    device: "torch.device",
    draws: int = 1,
    batch_size: int = 64,
    precision: str = "fp32",
) -> "Evaluation":
    """Judge anything that colors a batch. Raises ValueError when an answer has another shape or is not finite."""
    import torch

    from colorbench import color
    from colorbench.engine.precision import autocast
    from colorbench.noise import Noise

    seconds = 0.0
    judge = _Judge(plan, draws, folder)
    with torch.inference_mode():
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
            judge.add(true, pictures, raws)
    speed = plan.protocol.images * draws / max(seconds, 1e-9)
    facts = {"kind": "model", "stochastic": draws > 1, "evaluations": 1, **record}
    facts |= {"draws": draws, "images_per_second": round(speed, 2), "device": str(device), "precision": precision}
    return judge.close(facts)


def evaluate_baselines(
    data: Any,
    plan: "Plan",
    *,
    output: Path,
    device: "torch.device",
    batch_size: int = 64,
    names: Sequence[str] = TRIVIAL,
) -> "list[Evaluation]":
    """The trivial rows of a protocol, in ``<output>/baselines/<protocol id>/``; those there already are read."""
    from colorbench import registry, rows
    from colorbench.config import conf_dir

    found = []
    for name in names:
        learned = name in ("mean", "luma_mean", "nearest")
        folder = output / "baselines" / plan.protocol.id / (f"{name}-{data.fingerprint[:8]}" if learned else name)
        record = {"name": name, "kind": "trivial", "group": folder.name, "parameters": 0, "seed": None}
        if learned:
            record["training"] = data.fingerprint
        if rows.done(folder):
            found.append(rows.Evaluation.read(folder))
        elif name == "truth":
            found.append(evaluate_colorizer(lambda batch, _: batch.ab, plan, folder=folder, record=record, device=device,
                                            batch_size=batch_size))  # fmt: skip
        else:
            import yaml

            family = registry.build("family", yaml.safe_load((conf_dir() / "model" / f"{name}.yaml").read_text()))
            if learned:
                family.prepare(data.train.batches(batch_size, device))
            found.append(evaluate_family(family.to(device), plan, folder=folder, record=record, device=device,
                                         batch_size=batch_size))  # fmt: skip
        if name == "truth":
            _check_truth(found[-1], plan)
    return found


class _Judge:
    """Collects the rows of one system, batch after batch."""

    def __init__(self, plan: "Plan", draws: int, folder: Path):
        self.plan, self.draws, self.folder = plan, draws, folder
        self.scores: dict[str, list[Any]] = {}
        self.over_draws: dict[str, list[Any]] = {}
        self.seen = 0
        self.sets = [metric.fresh() for metric in plan.suite.set_metrics if not metric.unavailable(plan.protocol.size)]

    def add(self, true: "Bytes", pictures: "list[Bytes]", raws: list[Any]) -> None:
        """One batch: the truth, and its K colorings."""
        import torch

        from colorbench.metrics.draws import score_draws
        from colorbench.metrics.metric import Pair

        pairs = [Pair(hat, true, raw) for hat, raw in zip(pictures, raws, strict=True)]
        scored = [self.plan.suite.score(pair) for pair in pairs]
        for name in scored[0]:
            self.scores.setdefault(name, []).append(torch.stack([s[name] for s in scored], dim=1).cpu())
        for name, values in score_draws(pictures, true).items():
            self.over_draws.setdefault(name, []).append(values.double().cpu())
        for accumulator in self.sets:
            accumulator.add(pairs[0])
        self._keep(true, pictures)
        self.seen += len(true)

    def close(self, record: Mapping[str, Any]) -> "Evaluation":
        """Write and give back the evaluation. Raises ValueError when pictures were lost on the way."""
        import torch

        from colorbench import rows

        protocol = self.plan.protocol
        if self.seen != protocol.images:
            raise ValueError(f"{record['name']}: {self.seen} pictures were judged, the protocol has {protocol.images}")
        scores = {name: torch.cat(parts).numpy() for name, parts in self.scores.items()}
        over = {name: torch.cat(parts).numpy() for name, parts in self.over_draws.items()}
        sets: dict[str, Any] = {}
        for accumulator in self.sets:
            sets |= accumulator.close()
        done = rows.Evaluation(protocol, dict(record), list(self.plan.pictures.names), scores, over, sets)
        return done.write(self.folder)

    def _keep(self, true: "Bytes", pictures: "list[Bytes]") -> None:
        from PIL import Image

        gallery = self.folder / "gallery"
        gallery.mkdir(parents=True, exist_ok=True)
        for i in range(max(0, min(len(true), self.plan.protocol.gallery - self.seen))):
            for k, hat in enumerate(pictures[:4]):
                Image.fromarray(hat[i].permute(1, 2, 0).cpu().numpy()).save(gallery / f"{self.seen + i:05d}-{k}.png")


def _check_truth(truth: "Evaluation", plan: "Plan") -> None:
    """The truth must survive the conversions, and be the pictures that a published protocol means."""
    psnr = truth.scores.get("psnr")
    if psnr is not None and psnr.min() < 60:
        raise ValueError(f"the truth itself came back with {psnr.min():.1f} dB: the color conversions are broken")
    expected = plan.expect.get("colorfulness_abs")
    if expected is None:
        return
    column = truth.scores.get("colorfulness_abs(ddcolor)_true")
    if column is None:
        raise UserError("protocol.expect.colorfulness_abs needs the literature's columns: add metrics=ddcolor")
    actual = float(column.mean())
    if abs(actual - expected) > 0.02:
        raise UserError(
            f"protocol {plan.protocol.name!r}: the true pictures' colorfulness is {actual:.2f}, the published set's is "
            f"{expected:.2f}; these are not the same pictures (crop, resize filter, file list?)"
        )


def _synchronize(device: "torch.device") -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)


def evaluate_run(
    path: Path, *, device: "torch.device", overrides: Mapping[str, Any], output: Path | None = None, batch_size: int = 64,
    precision: str = "auto", checkpoint: str = "last", force: bool = False,
) -> "Evaluation":  # fmt: skip
    """Evaluate a run folder and the trivial rows of its protocol.

    overrides: {"metrics": {...}, "protocol": {...}} that replace the run's own nodes.
    """
    from colorbench.engine.precision import choose_precision
    from colorbench.metrics.suite import Suite
    from colorbench.protocol import plan as make_plan
    from colorbench.run import open_run

    run = open_run(path)
    config = {**run.config, **overrides}
    data = run.data()
    plan = make_plan(config["protocol"], data, Suite.of(config["metrics"]))
    evaluate_baselines(data, plan, output=output or path.parents[1], device=device, batch_size=batch_size)
    return evaluate_family(
        run.family(device, checkpoint), plan, folder=path / "eval" / plan.protocol.id, record=run_record(run), device=device,
        batch_size=batch_size, precision=choose_precision(precision, device), force=force,
    )  # fmt: skip


def run_record(run: Any) -> dict[str, Any]:
    """Who a run is, for record.json: name, model, experiment, seed, group (all but the seed), budget and costs."""
    import hashlib
    import json

    from colorbench.config import NOT_SCIENCE, flatten

    flat = {
        key: value
        for key, value in flatten(run.config)
        if key != "seed" and not any(key == k or key.startswith(f"{k}.") for k in NOT_SCIENCE)
        and not key.startswith(("metrics.", "protocol."))
    }  # fmt: skip
    group = hashlib.sha256(json.dumps(flat, sort_keys=True, default=str).encode()).hexdigest()[:10]
    costs = ("parameters", "images_seen", "seconds", "peak_memory_mb", "state")
    return {
        "name": run.name.rsplit("-", 1)[0],
        "run": run.name,
        "kind": "model",
        "experiment": run.path.parent.name,
        "group": group,
        "seed": run.config["seed"],
        "budget": run.config["budget"],
        **{key: run.status[key] for key in costs if key in run.status},
    }


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="python -m colorbench.evaluate",
        description="Judge trained runs; rows go to RUN/eval/<protocol id>. A finished evaluation is kept.",
        epilog="Example: python -m colorbench.evaluate outputs/default/* --set protocol.draws=16",
    )
    p.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folder (outputs/<experiment>/<model>-<hash>)")
    p.add_argument("--set", dest="overrides", nargs="+", default=[], metavar="KEY=VALUE",
                   help="change metrics.* or protocol.* keys, or choose metrics=NAME, protocol=NAME")  # fmt: skip
    p.add_argument("--checkpoint", default="last", help="last, best, or the name of a kept checkpoint")
    p.add_argument("--device", default="auto")
    p.add_argument("--precision", default="auto", help="of the networks: auto, fp32, bf16, fp16; metrics are fp32 always")
    p.add_argument("--batch-size", type=int, default=64)
    p.add_argument("--force", action="store_true", help="evaluate again although it is done")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """0, or 2 for a mistake that the user can mend."""
    args = parser().parse_args(argv)
    try:
        from colorbench.engine.precision import choose_device

        overrides = _compose(args.overrides)
        for path in args.runs:
            done = evaluate_run(
                path, device=choose_device(args.device), overrides=overrides, batch_size=args.batch_size,
                precision=args.precision, checkpoint=args.checkpoint, force=args.force,
            )  # fmt: skip
            print(done.folder)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _compose(words: Sequence[str]) -> dict[str, Any]:
    """The metrics and protocol nodes that ``--set`` asks for; {} keeps the run's own."""
    for word in words:
        if not word.lstrip("+~").startswith(("metrics", "protocol")):
            raise UserError(f"--set {word}: only metrics.* and protocol.* can be changed after training")
    if not words:
        return {}
    from colorbench.config import compose

    config = compose(list(words))
    return {key: config[key] for key in ("metrics", "protocol")}


if __name__ == "__main__":
    raise SystemExit(main())
