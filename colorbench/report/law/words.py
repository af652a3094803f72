"""What the row of a model on scenes means, in one sentence."""

from collections.abc import Sequence

from colorbench.evaluation.law import Examined
from colorbench.metrics.flat import alarm
from colorbench.report.law.standing import flat_variation
from colorbench.report.statistics import Estimate


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


def _words(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]


def _times(rate: float) -> str:
    return "never" if rate == 0 else f"{rate:.2f} times as often as they occur"
