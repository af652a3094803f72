"""What runs on scenes end with: a table, a sentence for each run, a calibration plot and a picture.

Place says where a model stands: 0 is ``neighbors``, a sampler that learned nothing, 1 is the law itself, by the mean of
the energy score of fields and the variogram score (:mod:`colorbench.metrics.place`). How far it is from gray to the law
by the energy score alone stays a column.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch

from colorbench import atomic, color
from colorbench.batch import Batch
from colorbench.data.dataset import DataSet
from colorbench.data.scenes.world import World
from colorbench.engine.precision import choose_precision
from colorbench.errors import UserError
from colorbench.evaluation.baselines import SAMPLERS, baseline, evaluate_baselines
from colorbench.evaluation.law import ENERGY, Examined, examine, examine_oracle, world_of
from colorbench.evaluation.oracle import Oracle
from colorbench.evaluation.protocol import Plan
from colorbench.evaluation.rows import Evaluation
from colorbench.evaluation.runs import evaluate_run, plan_of_run
from colorbench.family import Family
from colorbench.metrics import place as measure
from colorbench.metrics.flat import EXPECTED, alarm
from colorbench.noise import Noise
from colorbench.report.columns import column
from colorbench.report.gallery import draw_columns
from colorbench.report.statistics import Bootstrap, Estimate, combine
from colorbench.runs.run import open_run

HEADS = {
    "tv": "TV",
    "tv_joint": "TV joint",
    "clash": "clash",
    "calibration": "calibration",
    "rare": "rare (1 is right)",
    "undecided": "undecided",
    "incoherence": "incoherence",
    "off_law": "off-law px",
}


PLACE = "place, %"
Shares = dict[str, dict[str, Estimate]]


@dataclass(frozen=True)
class Conclusion:
    """What runs on scenes end with: a Markdown table, one sentence for each run, and two pictures."""

    table: str
    sentences: tuple[str, ...]
    picture: Path
    calibration: Path
    places: dict[str, float]


def conclude(
    paths: Sequence[Path],
    *,
    device: torch.device,
    output: Path,
    to: Path,
    precision: str = "auto",
    batch_size: int = 64,
) -> Conclusion:
    """Finished runs between gray and the oracle, the nearest to the oracle first; table and pictures go to ``to``.

    Runs that are not evaluated yet are evaluated now. Raises UserError when one was not trained on scenes, or when they
    are judged under unlike protocols.
    """
    runs = [open_run(path) for path in paths]
    planned = [plan_of_run(run, {}) for run in runs]
    worlds = [world_of(of) for _, of in planned]
    if len({plan.protocol.id for plan, _ in planned}) > 1:
        ids = ", ".join(f"{run.path.name} {plan.protocol.id}" for run, (plan, _) in zip(runs, planned, strict=True))
        raise UserError(f"these runs are judged under unlike protocols ({ids}); give those of one")
    (plan, data), world = planned[0], worlds[0]
    names = [run.name if [r.name for r in runs].count(run.name) == 1 else run.path.name for run in runs]
    families, models = {}, []
    for name, run in zip(names, runs, strict=True):
        rows = evaluate_run(
            run.path, device=device, overrides={}, output=output, batch_size=batch_size, precision=precision
        )
        families[name] = run.family(device)
        chosen = choose_precision(precision, device)
        models.append(examine(name, families[name], rows, plan, world, device=device, precision=chosen))
    trivial = examine_trivial(("gray", *SAMPLERS), plan, world, data, output=output, device=device)
    gray, zero = trivial[0], trivial[-1]
    oracles = [examine_oracle(name, plan, world, output=output, device=device) for name in ("sample", "mean")]
    judged = [*models, *oracles, *trivial]
    shares = shares_of(judged, gray.rows, zero.rows, oracles[0].rows)
    places = shares[PLACE]
    models.sort(key=lambda model: places[model.name].center)
    to.mkdir(parents=True, exist_ok=True)
    ranked = {model.name: families[model.name] for model in reversed(models)}
    draws = 2 if len(models) == 1 else 1
    return Conclusion(
        markdown([*trivial, *models, oracles[1], oracles[0]], shares=shares),
        tuple(sentence(model, places[model.name], places["conditional mean"]) for model in reversed(models)),
        draw_picture(ranked, plan, world, to / "law.png", device=device, draws=draws),
        draw_calibration([*reversed(models), oracles[0]], to / "calibration.png"),
        {name: places[name].center for name in ranked},
    )


def examine_trivial(
    names: Sequence[str], plan: Plan, world: World, data: DataSet, *, output: Path, device: torch.device
) -> list[Examined]:
    """Trivial rows read against the law, in the order of ``names``."""
    found = evaluate_baselines(data, plan, output=output, device=device, names=names)
    return [
        examine(name, baseline(name, data, device).eval(), rows, plan, world, device=device)
        for name, rows in zip(names, found, strict=True)
    ]


def place(model: Evaluation, gray: Evaluation, zero: Evaluation, law: Evaluation) -> Estimate:
    """From ``zero`` (neighbors) to the law, paired over pictures (:func:`colorbench.metrics.place.place`)."""
    bootstrap = _bootstrap(len(model.names))
    means = [bootstrap.mean(e.per_image[part]) for e in (model, gray, zero, law) for part in measure.PARTS]
    return combine(lambda *x: measure.place(x[0:2], x[2:4], x[4:6], x[6:8]), *means)


def way(model: Evaluation, gray: Evaluation, oracle: Evaluation, metric: str = ENERGY) -> Estimate:
    """(gray - model) / (gray - oracle) of a metric's means, paired over pictures: 0 is gray, 1 the oracle."""
    bootstrap = _bootstrap(len(model.names))
    means = [bootstrap.mean(e.per_image[metric]) for e in (model, gray, oracle)]
    return combine(lambda m, g, o: (g - m) / (g - o), *means)


def optimum(oracles: Sequence[Examined], metric: str, better: str) -> tuple[str, float]:
    """(oracle, mean): the best that can be reached in a metric, over the oracles that are best at something."""
    means = {o.name: float(o.rows.per_image[metric].mean()) for o in oracles if metric in o.rows.per_image}
    name = max(means, key=lambda n: means[n] if better == "higher" else -means[n])
    return name, means[name]


def sentence(model: Examined, stands: Estimate, ideal: Estimate) -> str:
    """What the row of a model means, in words. stands, ideal: the place of the model, and of the conditional mean."""
    where = stands.interval
    s, known = model.scores, model.scores.tv_of
    good = [k for k in sorted(known, key=known.__getitem__) if known[k] < 0.25][:3]
    bad = [k for k in sorted(known, key=known.__getitem__, reverse=True) if known[k] > 0.5][:3]
    parts = [
        f"place of {model.name}: {100 * where.mean:.0f} % [{100 * where.low:.0f}, {100 * where.high:.0f}] of the way "
        "from neighbors, which learned nothing, to a perfect sampler of the true color law (energy of fields and "
        f"variogram score; the best possible regression stands at {100 * ideal.center:.0f} %)"
    ]
    if rings := alarm(flat_variation(model)):
        parts.append(f"ALARM, {rings}")
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
    lines: Sequence[Examined],
    metrics: Sequence[str] = ("psnr", "ssim", "ciede2000", ENERGY),
    shares: Mapping[str, Mapping[str, Estimate]] = MappingProxyType({}),
) -> str:
    """Ordinary metrics with 95 % intervals, then the law scores with standard errors, as one Markdown table.

    shares: {head: {name: estimate}}, for columns in percent: place, how far it is from gray to the law. An alarm of
    flat variation stands beside the name.
    """
    shown = [m for m in metrics if all(m in line.rows.per_image for line in lines)]
    heads = [
        "",
        "draws",
        *shares,
        *(f"{column(m).title} {column(m).arrow}".strip() for m in shown),
        "best of K PSNR ↑",
        *HEADS.values(),
        "flat variation",
    ]
    text = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for line in lines:
        bootstrap = _bootstrap(len(line.rows.names))
        variation = flat_variation(line)
        cells = [f"{line.name} (!)" if alarm(variation) else line.name, str(line.draws)]
        for column_of in shares.values():
            share = column_of[line.name].interval
            cells.append(f"{100 * share.mean:.0f} [{100 * share.low:.0f}, {100 * share.high:.0f}]")
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
        text.append("| " + " | ".join([*cells, f"{variation:.2f}"]) + " |")
    low, high = EXPECTED
    rule = f"(!) flat variation outside {low:g} to {high:g}: patchwork or confetti above, gray or sepia below."
    return "\n".join([*text, "", rule]) + "\n"


def flat_variation(line: Examined) -> float:
    """Of color where gray looks the same, over the truth's (:mod:`colorbench.metrics.flat`)."""
    rows = line.rows.per_image
    return float(rows["flat"].mean() / max(rows["flat_true"].mean(), 1e-12))


def shares_of(lines: Sequence[Examined], gray: Evaluation, zero: Evaluation, law: Evaluation) -> Shares:
    """The two columns in percent of :func:`markdown`."""
    return {
        PLACE: {line.name: place(line.rows, gray, zero, law) for line in lines},
        "from gray to the law by energy (field), %": {line.name: way(line.rows, gray, law) for line in lines},
    }


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
        down,
        across,
        figsize=(side * across + 0.2, side * down),
        sharex=True,
        sharey=True,
        squeeze=False,
        constrained_layout=True,
    )
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
    families: Mapping[str, Family],
    plan: Plan,
    world: World,
    file: Path,
    *,
    device: torch.device,
    scenes: int = 6,
    draws: int = 2,
) -> Path:
    """gray | truth | two draws of the law | conditional mean | each family (``draws`` of them if it is stochastic)."""
    batch = next(iter(plan.pictures.take(scenes).batches(scenes, device)))
    sampler, mean = (Oracle(answer=answer, level=world.level, chroma_scale=1) for answer in ("sample", "mean"))
    columns = {
        "gray": color.to_bytes(color.decode(batch.L, torch.zeros_like(batch.ab))),
        "truth": color.to_bytes(batch.rgb),
    }

    def paint(name: str, family: Family, batch: Batch, k: int) -> None:
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


def _bootstrap(images: int) -> Bootstrap:
    return Bootstrap(images)


def _words(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]


def _times(rate: float) -> str:
    return "never" if rate == 0 else f"{rate:.2f} times as often as they occur"
