"""Law: where does a trained model stand between gray and the truth's own law? ``python -m colorbench.law RUN...``

Only for runs on ``data=scenes``, whose p(ab | L) is known. A perfect sampler (the oracle) colors the same pictures
under the same protocol, so every score has a best that can be reached; and a coloring can be judged as a draw from a
distribution (colorbench/metrics/law.py). The energy score places a model between gray and the oracle:

    place = (E_gray - E_model) / (E_gray - E_oracle),     0 is gray, 1 is a perfect sampler

with the energy score of whole color fields, which no model can beat in expectation but the law itself.

    python -m colorbench.law outputs/default/*     # one table, the best first in the picture
    python -m colorbench.law --oracles data.level=hard protocol.limit=300 --to experiments/02_known_law
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from colorbench import atomic, command
from colorbench.errors import UserError

if TYPE_CHECKING:
    import torch

    from colorbench.data.scenes.world import World
    from colorbench.evaluate import Colorizer
    from colorbench.family import Family
    from colorbench.metrics.law import Floor, LawScores, Reading
    from colorbench.protocol import Plan
    from colorbench.rows import Evaluation
    from colorbench.statistics import Bootstrap, Estimate

ENERGY = "energy_field"
PERFECT = ("sample", "mean", "median", "mode")
"""The oracles that are best at something: their best mean of a metric is its reachable optimum."""
BROKEN = ("pixels", "incoherent", "uniform", "collapsed", "miscalibrated", "rare_blind")
LABELS = {
    "sample": "oracle sampler", "mean": "conditional mean", "median": "conditional median",
    "mode": "most probable mode", "pixels": "pixel-independent", "incoherent": "objects independent",
    "uniform": "uniform over modes",
    "collapsed": "collapsed", "miscalibrated": "miscalibrated", "rare_blind": "rare-blind",
}  # fmt: skip
HEADS = {
    "tv": "TV", "tv_joint": "TV joint", "clash": "clash", "calibration": "calibration", "rare": "rare (1 is right)",
    "undecided": "undecided", "incoherence": "incoherence", "off_law": "off-law px",
}  # fmt: skip


@dataclass(frozen=True)
class Examined:
    """One system: its ordinary rows, and its law scores with their standard errors and the law's own floor."""

    name: str
    rows: "Evaluation"
    scores: "LawScores"
    errors: dict[str, float]
    floor: "Floor"

    @property
    def draws(self) -> int:
        """Colorings of each picture."""
        return int(self.rows.record["draws"])


@dataclass(frozen=True)
class Conclusion:
    """What runs on scenes end with: a Markdown table, one sentence for each run, and two pictures."""

    table: str
    sentences: tuple[str, ...]
    picture: Path
    calibration: Path
    places: dict[str, float]


def conclude(
    paths: Sequence[Path], *, device: "torch.device", output: Path, to: Path, precision: str = "auto",
    batch_size: int = 64,
) -> Conclusion:  # fmt: skip
    """Finished runs between gray and the oracle, the nearest to the oracle first; table and pictures go to ``to``.

    Runs that are not evaluated yet are evaluated now. Raises UserError when one was not trained on scenes, or when they
    are judged under unlike protocols.
    """
    from colorbench.engine.precision import choose_precision
    from colorbench.evaluate import evaluate_run, plan_of_run
    from colorbench.rows import Evaluation
    from colorbench.run import open_run

    runs = [open_run(path) for path in paths]
    planned = [plan_of_run(run, {}) for run in runs]
    worlds = [world_of(data) for _, data in planned]
    if len({plan.protocol.id for plan, _ in planned}) > 1:
        ids = ", ".join(f"{run.path.name} {plan.protocol.id}" for run, (plan, _) in zip(runs, planned, strict=True))
        raise UserError(f"these runs are judged under unlike protocols ({ids}); give those of one")
    plan, world = planned[0][0], worlds[0]
    names = [run.name if [r.name for r in runs].count(run.name) == 1 else run.path.name for run in runs]
    families, models = {}, []
    for name, run in zip(names, runs, strict=True):
        rows = evaluate_run(
            run.path, device=device, overrides={}, output=output, batch_size=batch_size, precision=precision
        )
        families[name] = run.family(device)
        chosen = choose_precision(precision, device)
        models.append(examine(name, families[name], rows, plan, world, device=device, precision=chosen))
    gray_rows = Evaluation.read(output / "baselines" / plan.protocol.id / "gray")
    gray = examine("gray", _gray(), gray_rows, plan, world, device=device)
    oracles = [examine_oracle(name, plan, world, output=output, device=device) for name in ("sample", "mean")]
    judged = [*models, *oracles, gray]
    places = {line.name: place(line.rows, gray_rows, oracles[0].rows) for line in judged}
    models.sort(key=lambda model: places[model.name].center)
    to.mkdir(parents=True, exist_ok=True)
    ranked = {model.name: families[model.name] for model in reversed(models)}
    draws = 2 if len(models) == 1 else 1
    return Conclusion(
        markdown([gray, *models, oracles[1], oracles[0]], places=places),
        tuple(sentence(model, gray, oracles) for model in reversed(models)),
        draw_picture(ranked, plan, world, to / "law.png", device=device, draws=draws),
        draw_calibration([*reversed(models), oracles[0]], to / "calibration.png"),
        {name: places[name].center for name in ranked},
    )


def world_of(data: Any) -> "World":
    """The world of a data set; UserError when it has none."""
    world = getattr(data.source, "world", None)
    if world is None:
        raise UserError(f"data={data.name}: its color law is not known; colorbench.law needs a run on data=scenes")
    return world


def examine_oracle(name: str, plan: "Plan", world: "World", *, output: Path, device: "torch.device") -> Examined:
    """An oracle under a protocol: evaluated once, into the baselines beside the runs."""
    from colorbench.evaluate import evaluate_family
    from colorbench.families.oracle import Oracle

    family = Oracle(answer=name, level=world.level, chroma_scale=1)  # type: ignore[arg-type]
    label = "oracle" if name == "sample" else f"oracle_{name}"
    folder = output / "baselines" / plan.protocol.id / label
    record = {"name": label.replace("_", " "), "kind": "trivial", "group": label, "parameters": 0, "seed": None}
    rows = evaluate_family(family, plan, folder=folder, record=record, device=device)
    return examine(LABELS[name], family, rows, plan, world, device=device)


def examine(
    name: str, family: "Family", rows: "Evaluation", plan: "Plan", world: "World", *, device: "torch.device",
    precision: str = "fp32", batch_size: int = 64,
) -> Examined:  # fmt: skip
    """Law scores of a family that was evaluated already; kept as law.json beside its rows."""
    from colorbench.metrics import law

    file = rows.folder / "law.json" if rows.folder else None
    if file is not None and file.is_file():
        kept = json.loads(file.read_text())
        scores = law.LawScores(**{**kept["scores"], "curve": tuple(map(tuple, kept["scores"]["curve"]))})
        return Examined(name, rows, scores, kept["errors"], {k: tuple(v) for k, v in kept["floor"].items()})
    draws = int(rows.record["draws"])
    readings = read_all(
        lambda batch, noise: family.colorize(batch.L, noise), plan, world, draws, device, precision, batch_size
    )
    done = Examined(name, rows, law.score(readings), law.deviations(readings), law.floor(readings, draws))
    if file is not None:
        atomic.write_json(file, {"scores": asdict(done.scores), "errors": done.errors, "floor": done.floor})
    return done


def read_all(
    colorize: "Colorizer", plan: "Plan", world: "World", draws: int, device: "torch.device", precision: str = "fp32",
    batch_size: int = 64,
) -> "list[Reading]":  # fmt: skip
    """Color the protocol's pictures and read each scene's colors, after clipping and rounding to 8 bits."""
    import torch

    from colorbench import color
    from colorbench.engine.precision import autocast
    from colorbench.metrics import law
    from colorbench.noise import Noise

    readings: list[Reading] = []
    with torch.inference_mode():
        for batch in plan.pictures.batches(batch_size, device):
            shown = []
            for k in range(draws):
                with autocast(precision, device):
                    ab = colorize(batch, Noise.of(plan.protocol.seed, batch.ids, k))
                shown.append(color.bytes_to_lab(color.to_bytes(color.decode(batch.L, ab.float())))[:, 1:].cpu().numpy())
            for i in range(len(batch)):
                scene = world.scene(plan.pictures.names[len(readings)], plan.protocol.size)
                readings.append(law.read(scene, np.stack([x[i] for x in shown])))
    return readings


def place(model: "Evaluation", gray: "Evaluation", oracle: "Evaluation", metric: str = ENERGY) -> "Estimate":
    """(gray - model) / (gray - oracle) of a metric's means, paired over pictures: 0 is gray, 1 the oracle."""
    from colorbench.statistics import combine

    bootstrap = _bootstrap(len(model.names))
    means = [bootstrap.mean(e.per_image[metric]) for e in (model, gray, oracle)]
    return combine(lambda m, g, o: (g - m) / (g - o), *means)


def optimum(oracles: Sequence[Examined], metric: str, better: str) -> tuple[str, float]:
    """(oracle, mean): the best that can be reached in a metric, over the oracles that are best at something."""
    means = {o.name: float(o.rows.per_image[metric].mean()) for o in oracles if metric in o.rows.per_image}
    name = max(means, key=lambda n: means[n] if better == "higher" else -means[n])
    return name, means[name]


def sentence(model: Examined, gray: Examined, oracles: Sequence[Examined]) -> str:
    """What the row of a model means, in words. oracles: the sampler first, then the conditional mean."""
    where = place(model.rows, gray.rows, oracles[0].rows).interval
    ideal = place(oracles[1].rows, gray.rows, oracles[0].rows).center
    s, known = model.scores, model.scores.tv_of
    good = [k for k in sorted(known, key=known.__getitem__) if known[k] < 0.25][:3]
    bad = [k for k in sorted(known, key=known.__getitem__, reverse=True) if known[k] > 0.5][:3]
    parts = [
        f"{model.name} goes {100 * where.mean:.0f} % [{100 * where.low:.0f}, {100 * where.high:.0f}] of the way from "
        f"gray to a perfect sampler of the true color law (energy score; the best possible regression would reach "
        f"{100 * ideal:.0f} %)"
    ]
    if good:
        parts.append(f"it has the right mix of colors for {_words(good)}")
    if bad:
        parts.append(f"not for {_words(bad)}")
    if s.undecided > 0.05:
        parts.append(f"leaves {100 * s.undecided:.0f} % of the objects a color that no object of their kind has")
    if s.rare < 0.5 and s.rare_expected >= 5:
        parts.append(f"and draws rare colors {_times(s.rare)}")
    return "; ".join(parts) + "."


def markdown(
    lines: Sequence[Examined], metrics: Sequence[str] = ("psnr", "ssim", "ciede2000", ENERGY),
    places: "Mapping[str, Estimate] | None" = None,
) -> str:  # fmt: skip
    """Ordinary metrics with 95 % intervals, then the law scores with standard errors, as one Markdown table.

    places: {name: place}, for a column that says how far from gray to the oracle, in percent.
    """
    from colorbench.columns import column

    shown = [m for m in metrics if all(m in line.rows.per_image for line in lines)]
    heads = [
        "",
        "draws",
        *(["from gray to the law, %"] if places else []),
        *(f"{column(m).title} {column(m).arrow}".strip() for m in shown),
        "best of K PSNR ↑",
        *HEADS.values(),
    ]
    text = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for line in lines:
        bootstrap = _bootstrap(len(line.rows.names))
        cells = [line.name, str(line.draws)]
        if places:
            way = places[line.name].interval if line.name in places else None
            cells.append(f"{100 * way.mean:.0f} [{100 * way.low:.0f}, {100 * way.high:.0f}]" if way else "")
        for m in shown:
            interval = bootstrap.mean(line.rows.per_image[m]).interval
            digits = column(m).digits
            cells.append(f"{interval.mean:.{digits}f} [{interval.low:.{digits}f}, {interval.high:.{digits}f}]")
        best = bootstrap.mean(line.rows.scores["psnr"].max(1)).interval if "psnr" in line.rows.scores else None
        cells.append(f"{best.mean:.2f} [{best.low:.2f}, {best.high:.2f}]" if best else "n/a")
        for name in HEADS:
            value, error, floor = getattr(line.scores, name), line.errors[name], line.floor[name]
            free = f" (law {floor[0]:.2f})" if name in ("tv", "tv_joint") else ""
            cells.append(f"{value:.3f} ± {1.96 * error:.3f}{free}")
        text.append("| " + " | ".join(cells) + " |")
    return "\n".join(text) + "\n"


def draw_calibration(lines: Sequence[Examined], file: Path) -> Path:
    """Stated probability of a mode against how often it is shown: one panel for up to six systems, else one each."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    panels = [list(lines)] if len(lines) <= 6 else [[line] for line in lines]
    across = min(len(panels), 5)
    down = -(-len(panels) // across)
    side = 4.4 if len(panels) == 1 else 2.3
    figure, grid = plt.subplots(
        down, across, figsize=(side * across + 0.2, side * down), sharex=True, sharey=True, squeeze=False,
        constrained_layout=True,
    )  # fmt: skip
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes, panel in zip(grid.flat, panels, strict=False):
        axes.plot([0, 1], [0, 1], color="0.75", lw=1, label="the law")
        for line in panel:
            stated, actual, _ = zip(*line.scores.curve, strict=True)
            axes.plot(stated, actual, marker="o", ms=4, lw=1.4, label=line.name)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        if len(panels) == 1:
            axes.legend(frameon=False, fontsize=8, loc="upper left")
        else:
            axes.set_title(panel[0].name, fontsize=10)
    figure.supxlabel("probability of the color, by the law", fontsize=10)
    figure.supylabel("how often it is shown", fontsize=10)
    with atomic.replacing(file) as part:
        figure.savefig(part, format="png", dpi=110)
    plt.close(figure)
    return file


def draw_picture(
    families: "Mapping[str, Family]",
    plan: "Plan",
    world: "World",
    file: Path,
    *,
    device: "torch.device",
    scenes: int = 6,
    draws: int = 2,
) -> Path:
    """gray | truth | two draws of the law | conditional mean | each family (``draws`` of them if it is stochastic)."""
    import torch

    from colorbench import color
    from colorbench.batch import Batch
    from colorbench.families.oracle import Oracle
    from colorbench.gallery import draw_columns
    from colorbench.noise import Noise

    batch = next(iter(plan.pictures.take(scenes).batches(scenes, device)))
    sampler, mean = (Oracle(answer=answer, level=world.level, chroma_scale=1) for answer in ("sample", "mean"))
    columns = {
        "gray": color.to_bytes(color.decode(batch.L, torch.zeros_like(batch.ab))),
        "truth": color.to_bytes(batch.rgb),
    }

    def paint(name: str, family: "Family", batch: Batch, k: int) -> None:
        with torch.inference_mode():
            ab = family.colorize(batch.L, Noise.of(plan.protocol.seed, batch.ids, k)).float()
        columns[name] = color.to_bytes(color.decode(batch.L, ab))

    for k in range(2):
        paint(f"law, draw {k + 1}", sampler, batch, k)
    paint("law, mean", mean, batch, 0)
    for name, family in families.items():
        for k in range(draws if family.stochastic else 1):
            paint(f"{name}, draw {k + 1}" if family.stochastic and draws > 1 else name, family, batch, k)
    return draw_columns(columns, file, across=1)


def _gray() -> "Family":
    from colorbench.families.gray import Gray

    return Gray()


def _bootstrap(images: int) -> "Bootstrap":
    from colorbench.statistics import Bootstrap

    return Bootstrap(images)


def _words(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]


def _times(rate: float) -> str:
    return "never" if rate == 0 else f"{rate:.2f} times as often as they occur"


def _parser() -> argparse.ArgumentParser:
    p = command.parser("law", __doc__)
    p.add_argument(
        "words", nargs="*", metavar="RUN|KEY=VALUE", help="run folders; with --oracles, overrides of the config"
    )
    p.add_argument("--oracles", action="store_true", help="the table of all oracles, perfect and broken")
    p.add_argument("--to", type=Path, metavar="DIR", help="write table.md, picture and calibration plot there")
    p.add_argument("--output", type=Path, help="where baselines are kept (default: beside the runs; outputs)")
    p.add_argument("--device", default="auto")
    command.add_plugins(p)
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    args = _parser().parse_args(argv)
    if args.oracles:
        _print_oracles(args)
    else:
        _print_runs(args)


def _print_runs(args: argparse.Namespace) -> None:
    from colorbench.engine.precision import choose_device

    if not args.words:
        raise UserError("give run folders (outputs/<study>/<run>), or --oracles")
    paths = [Path(word) for word in args.words]
    output = args.output or paths[0].resolve().parents[1]
    to = args.to or (paths[0] if len(paths) == 1 else output / "law")
    done = conclude(paths, device=choose_device(args.device), output=output, to=to)
    if args.to is not None:
        atomic.write_text(to / "table.md", done.table)
    print(done.table, *done.sentences, f"picture: {done.picture}", f"calibration: {done.calibration}", sep="\n")


def _print_oracles(args: argparse.Namespace) -> None:
    from colorbench.config import compose
    from colorbench.data.dataset import open_data
    from colorbench.engine.precision import choose_device
    from colorbench.evaluate import evaluate_baselines
    from colorbench.families.oracle import Oracle
    from colorbench.metrics.suite import Suite
    from colorbench.protocol import plan as make_plan

    config = compose(["data=scenes", *args.words])
    device, output = choose_device(args.device), args.output or Path(config["output"])
    data = open_data(config["data"])
    plan, world = make_plan(config["protocol"], data, Suite.of(config["metrics"])), world_of(data)
    gray, mean = evaluate_baselines(data, plan, output=output, device=device, names=("gray", "mean"))
    lines = [examine("gray", _gray(), gray, plan, world, device=device)]
    lines.append(examine("train mean", _mean(data, device), mean, plan, world, device=device))
    lines += [examine_oracle(name, plan, world, output=output, device=device) for name in (*PERFECT, *BROKEN)]
    table = markdown(lines, ("psnr", "ssim", "ciede2000", "delta_e_76", "energy", ENERGY))
    print(table)
    if args.to is not None:
        args.to.mkdir(parents=True, exist_ok=True)
        atomic.write_text(
            args.to / f"oracles-{world.level}.md",
            f"{plan.protocol.images} test scenes, level {world.level}, {plan.protocol.size} px, protocol "
            f"{plan.protocol.id}.\n\n{table}",
        )
        drawn = [
            line for line in lines if line.name not in ("gray", "train mean", "conditional mean", "conditional median")
        ]
        draw_calibration(drawn, args.to / f"calibration-{world.level}.png")
        families = {
            name: Oracle(answer=name, level=world.level, chroma_scale=1) for name in ("mode", "pixels", "incoherent")
        }
        file = args.to / f"oracles-{world.level}.png"
        draw_picture(families, plan, world, file, device=device, scenes=5, draws=1)


def _mean(data: Any, device: "torch.device") -> "Family":
    from colorbench.families.mean import Mean

    family = Mean()
    family.prepare(data.train.batches(64, device))
    return family


if __name__ == "__main__":
    command.run("law", main)
