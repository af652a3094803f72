"""Two scores of whole pictures, of parts that no picture of single pixels can please.

    joint(x) = (energy_field(x) / energy_field(gray) + variogram(x) / variogram(gray)) / 2,     means over a set;
    lower is better, 1 is gray: for every data set, and what validation and ``colorbench compare`` decide by

Place: how far from sampling without learning to the truth's own law? Where that law is known (scenes).

    place(x) = (joint(neighbors) - joint(x)) / (joint(neighbors) - joint(law))

0 is ``neighbors``, 1 the law, below 0 is worse.

Both parts are proper scores of whole pictures, so no sampler stands above the law in expectation. The energy score of
fields tells wrong colors; it hardly sees how pixels hang together (independent pixels, or patches of unlike draws, cost
it some 3 % of the way from gray), which the variogram score does. What place cannot tell is subtle: rare colors that
never come, frequencies somewhat off, objects that do not know of each other stand within 0.03 of the law. ``rare``, TV,
TV joint and calibration (colorbench/data/scenes/reading.py) have the power for those.
"""

from typing import Any

from colorbench.column import Column

COLUMNS = {
    "joint": Column(
        "joint",
        "lower",
        3,
        "",
        "energy of fields and variogram, as shares of gray's",
        kind="draws",
        proper=True,
        low=0.0,
    ),
    "place": Column("place", "higher", 3, "", "from neighbors (0) to the true law (1)", kind="draws", proper=True),
}
PARTS = ("energy_field", "variogram")
"""The columns that both are made of."""


def joint(model: Any, gray: Any) -> Any:
    """Each argument: the means of ``PARTS`` over the same pictures, as (2,) or (2, ...): of one system, and of gray."""
    return 0.5 * (model[0] / gray[0] + model[1] / gray[1])


def place(model: Any, gray: Any, zero: Any, law: Any) -> Any:
    """Each argument: the means of ``PARTS`` of one system over the same pictures, as (2,) or (2, resamples)."""
    one, start, end = (joint(x, gray) for x in (model, zero, law))
    return (start - one) / (start - end)


def joint_of_parts(*means: Any) -> Any:
    """:func:`joint` of the means of ``PARTS`` one by one: the model's, gray's."""
    return joint(means[:2], means[2:])


def of_parts(*means: Any) -> Any:
    """:func:`place` of the means of ``PARTS`` one by one: the model's, gray's, zero's, the law's."""
    return place(*(means[i : i + 2] for i in range(0, 8, 2)))
