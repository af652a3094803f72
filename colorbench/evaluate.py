"""Evaluate: color the pictures of a protocol and judge them. ``python -m colorbench.evaluate RUN...``

    true L  --family-->  ab_hat  --join the true L, clip and round ONCE-->  8-bit picture  --metrics-->  rows

A stochastic family colors each picture K times, with the noise of (seed, picture, draw), which is the same for every
model. The trivial rows (gray, the training split's mean color, its mean color at each lightness, the nearest
neighbor's colors, and the truth sent through the same conversions) are judged once for each protocol and reused.

Rows go to RUN/eval/<protocol id>; a finished evaluation is kept. A folder of pictures that another program made is
judged like a run (folder mode).

    python -m colorbench.evaluate outputs/default/* --set protocol.draws=16
    python -m colorbench.evaluate outputs/default/RUN --export PICTURES      # truth/ and gray/ as PNG
    python -m colorbench.evaluate COLORED --truth outputs/default/RUN --name theirs   # joins that run's table
    python -m colorbench.evaluate COLORED --truth ORIGINALS --size 256 --name theirs
"""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorbench import atomic, command
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

    plan: from :func:`colorbench.protocol.plan`. record: who this is: at least {"name": ...}; run folders add model,
    seed, experiment, group (what seeds are averaged over), parameters, images_seen, seconds, peak_memory_mb.
    A finished evaluation in ``folder`` is read instead, unless ``force`` or the model has been trained on since.
    """
    from colorbench import rows

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
    judge = Judge(plan, draws, folder)
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
            truth = evaluate_colorizer(
                lambda batch, _: batch.ab, plan, folder=folder, record=record, device=device, batch_size=batch_size
            )
            found.append(truth)
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


class Judge:
    """Collects the rows of one system, batch after batch, and keeps the first pictures for the gallery."""

    def __init__(self, plan: "Plan", draws: int, folder: Path):
        self.plan, self.draws, self.folder = plan, draws, folder
        self.scores: dict[str, list[Any]] = {}
        self.over_draws: dict[str, list[Any]] = {}
        self.seen = 0
        self.hues: dict[str, Any] = {"hat": 0.0, "true": 0.0}
        self.sets = [metric.fresh() for metric in plan.suite.set_metrics if not metric.unavailable(plan.protocol.size)]

    def add(self, true: "Bytes", pictures: "list[Bytes]", raws: list[Any]) -> None:
        """One batch: the truth, and its K colorings."""
        import torch

        from colorbench.metrics.draws import score_draws
        from colorbench.metrics.hue import hue_histogram
        from colorbench.metrics.metric import Pair

        pairs = [Pair(hat, true, raw) for hat, raw in zip(pictures, raws, strict=True)]
        scored = [self.plan.suite.score(pair) for pair in pairs]
        for name in scored[0]:
            self.scores.setdefault(name, []).append(torch.stack([s[name] for s in scored], dim=1).cpu())
        for name, values in score_draws(pictures, true).items():
            self.over_draws.setdefault(name, []).append(values.double().cpu())
        for accumulator in self.sets:
            accumulator.add(pairs[0])
        self.hues["hat"] += sum(hue_histogram(pair.lab_hat) for pair in pairs) / len(pairs)
        self.hues["true"] += hue_histogram(pairs[0].lab)
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
        sets: dict[str, Any] = {"hue": {name: (h / self.seen).tolist() for name, h in self.hues.items()}}
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
                with atomic.replacing(gallery / f"{self.seen + i:05d}-{k}.png") as part:
                    Image.fromarray(hat[i].permute(1, 2, 0).cpu().numpy()).save(part, format="PNG")


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


def plan_of_run(run: Any, overrides: Mapping[str, Any]) -> "tuple[Plan, Any]":
    """(plan, data) of an opened run. overrides: {"metrics": {...}, "protocol": {...}} replace the run's own nodes."""
    from colorbench.metrics.suite import Suite
    from colorbench.protocol import plan

    config = {**run.config, **overrides}
    data = run.data()
    return plan(config["protocol"], data, Suite.of(config["metrics"])), data


def evaluate_run(
    path: Path,
    *,
    device: "torch.device",
    overrides: Mapping[str, Any],
    output: Path | None = None,
    batch_size: int = 64,
    precision: str = "auto",
    checkpoint: str | None = None,
    force: bool = False,
) -> "Evaluation":
    """Evaluate a run folder and the trivial rows of its protocol (below ``output``, where runs are)."""
    from colorbench.engine.precision import choose_precision
    from colorbench.run import open_run

    run = open_run(path)
    plan, data = plan_of_run(run, overrides)
    evaluate_baselines(data, plan, output=output or path.resolve().parents[1], device=device, batch_size=batch_size)
    folder = path / "eval" / plan.protocol.id
    record = run_record(run)
    if checkpoint not in (None, run.result):
        folder = path / f"eval-{checkpoint}" / plan.protocol.id
        record |= {"name": f"{record['name']} @{checkpoint}", "group": f"{record['group']}@{checkpoint}"}
    return evaluate_family(
        run.family(device, checkpoint), plan, folder=folder, record=record, device=device, batch_size=batch_size,
        precision=choose_precision(precision, device), force=force,
    )  # fmt: skip


def evaluate_folder(
    folder: Path,
    *,
    truth: Path,
    name: str,
    output: Path,
    device: "torch.device",
    overrides: Mapping[str, Any],
    size: int | None = None,
    batch_size: int = 64,
    allow_gray: bool = False,
) -> "Evaluation":
    """Judge a folder of pictures that another program made.

    truth: a run folder (its test pictures are the truths, so that the row joins the run's table), or a folder of
    pictures.
    """
    from colorbench.metrics.suite import Suite
    from colorbench.protocol import plan as make_plan
    from colorbench.run import open_run
    from colorbench.submission import judge_folder, open_truths

    if (truth / "config.yaml").is_file():
        plan, data = plan_of_run(open_run(truth), overrides)
        evaluate_baselines(data, plan, output=output, device=device, batch_size=batch_size)
    else:
        nodes = overrides or _compose(["protocol=default"])
        truths = open_truths(truth, size)
        plan = make_plan(nodes["protocol"], truths, Suite.of(nodes["metrics"]))
        names = ("gray", "truth")
        evaluate_baselines(truths, plan, output=output, device=device, batch_size=batch_size, names=names)
    return judge_folder(
        folder, plan, name=name, output=output, device=device, size=size, batch_size=batch_size, allow_gray=allow_gray
    )


def run_record(run: Any) -> dict[str, Any]:
    """Who a run is, for record.json: name, model, experiment, seed, group (all but the seed), what tells it from
    others (:mod:`colorbench.labels`), budget and costs."""
    import hashlib
    import json

    from colorbench.config import NOT_SCIENCE, flatten
    from colorbench.labels import settings

    left_out = ("seed", "run", "metrics", "protocol", *NOT_SCIENCE)
    flat = {
        key: value
        for key, value in flatten(run.config)
        if not any(key == other or key.startswith(f"{other}.") for other in left_out)
    }
    group = hashlib.sha256(json.dumps(flat, sort_keys=True, default=str).encode()).hexdigest()[:10]
    costs = ("parameters", "images_seen", "seconds", "peak_memory_mb", "state")
    return {
        "name": run.name,
        "run": run.path.name,
        "kind": "model",
        "experiment": run.path.parent.name,
        "group": group,
        "seed": run.config["seed"],
        "budget": run.config["budget"],
        "settings": settings(run.config),
        "choices": run.config["run"].get("choices", {}),
        **{key: run.status[key] for key in costs if key in run.status},
    }


def _parser() -> argparse.ArgumentParser:
    p = command.parser("evaluate", __doc__)
    p.add_argument("paths", nargs="+", type=Path, metavar="RUN_OR_FOLDER", help="run folders, or one of pictures")
    p.add_argument("--truth", type=Path, metavar="RUN_OR_FOLDER", help="where the true pictures are (folder mode)")
    p.add_argument("--name", help="what to call the row (folder mode; default: the folder's name)")
    p.add_argument("--size", type=int, help="crop the center square of both and resize it (folder mode)")
    p.add_argument("--allow-gray", action="store_true", help="judge gray answers too (folder mode)")
    p.add_argument("--export", type=Path, metavar="DIR", help="write the run's test pictures (truth/, gray/) and stop")
    p.add_argument("--output", type=Path, help="where baselines and submissions go (default: beside the runs)")
    p.add_argument("--set", dest="overrides", nargs="+", default=[], metavar="KEY=VALUE",
                   help="change metrics.* or protocol.* keys, or choose metrics=NAME, protocol=NAME")  # fmt: skip
    command.add_checkpoint(p)
    command.add_plugins(p)
    p.add_argument("--device", default="auto")
    p.add_argument("--precision", default="auto", help="of the networks: auto, fp32, bf16, fp16 (metrics: always fp32)")
    p.add_argument("--batch-size", type=int, default=64)
    p.add_argument("--force", action="store_true", help="evaluate again although it is done")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    for done in _carry_out(_parser().parse_args(argv)):
        print(done)


def _carry_out(args: argparse.Namespace) -> Iterator[Path | None]:
    from colorbench.engine.precision import choose_device

    overrides, device = _compose(args.overrides), choose_device(args.device)
    runs = [path for path in args.paths if (path / "config.yaml").is_file()]
    if args.export is not None:
        from colorbench.run import open_run
        from colorbench.submission import export

        yield export(plan_of_run(open_run(args.paths[0]), overrides)[0], args.export)
    elif args.truth is not None:
        if len(args.paths) != 1:
            raise UserError("--truth: judge one folder at a time")
        folder = args.paths[0]
        beside = args.truth.resolve().parents[1] if (args.truth / "config.yaml").is_file() else Path("outputs")
        yield evaluate_folder(
            folder, truth=args.truth, name=args.name or folder.name, output=args.output or beside, device=device,
            overrides=overrides, size=args.size, batch_size=args.batch_size, allow_gray=args.allow_gray,
        ).folder  # fmt: skip
    elif len(runs) < len(args.paths):
        stranger = next(path for path in args.paths if path not in runs)
        raise UserError(f"{stranger}: not a run folder (no config.yaml); to judge a folder of pictures, give --truth")
    else:
        for path in runs:
            yield evaluate_run(
                path, device=device, overrides=overrides, output=args.output, batch_size=args.batch_size,
                precision=args.precision, checkpoint=args.checkpoint, force=args.force,
            ).folder  # fmt: skip


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
    command.run("evaluate", main)
