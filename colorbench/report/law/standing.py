"""Where a system stands between sampling without learning and the scenes' own law.

Place says where a model stands: 0 is ``neighbors``, a sampler that learned nothing, 1 is the law itself, by the mean of
the energy score of fields and the variogram score (:mod:`colorbench.metrics.place`). How far it is from gray to the law
by the energy score alone stays a column.
"""

from collections.abc import Sequence

from colorbench.evaluation.law import ENERGY, Examined
from colorbench.evaluation.rows import Evaluation
from colorbench.metrics import place as measure
from colorbench.report.statistics import Bootstrap, Estimate, combine

PLACE = "place, %"
Shares = dict[str, dict[str, Estimate]]


def place(model: Evaluation, gray: Evaluation, zero: Evaluation, law: Evaluation) -> Estimate:
    """From ``zero`` (neighbors) to the law, paired over pictures (:func:`colorbench.metrics.place.place`)."""
    bootstrap = Bootstrap(len(model.names))
    means = [bootstrap.mean(e.per_image[part]) for e in (model, gray, zero, law) for part in measure.PARTS]
    return combine(measure.of_parts, *means)


def way(model: Evaluation, gray: Evaluation, oracle: Evaluation, metric: str = ENERGY) -> Estimate:
    """(gray - model) / (gray - oracle) of a metric's means, paired over pictures: 0 is gray, 1 the oracle."""
    bootstrap = Bootstrap(len(model.names))
    means = [bootstrap.mean(e.per_image[metric]) for e in (model, gray, oracle)]
    return combine(lambda m, g, o: (g - m) / (g - o), *means)


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
