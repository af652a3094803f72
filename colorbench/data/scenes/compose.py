"""Composition: which things stand where in a scene, and what can be seen of its context.

A plan is drawn from the scene's own dice and knows no resolution. It lists the objects (class and visible cue) and the
brush strokes in painting order. Four places: coast, country, street, table.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from colorbench.data.scenes import brushes
from colorbench.data.scenes.canvas import Canvas, Dice

PLACES = ("coast", "country", "street", "table")


@dataclass
class Plan:
    """place. context: what is visible of the latents. classes, cues: of each object. strokes: the painting."""

    place: str
    context: set[str] = field(default_factory=set)
    classes: list[str] = field(default_factory=lambda: ["neutral"])
    cues: list[str] = field(default_factory=lambda: [""])
    strokes: list[Callable[[Canvas], None]] = field(default_factory=list)

    def thing(self, name: str, cue: str = "") -> int:
        """A new object of a class; its number."""
        self.classes.append(name)
        self.cues.append(cue)
        return len(self.classes) - 1

    def paint(self, brush: Callable[..., None], *args: object) -> None:
        self.strokes.append(partial(_stroke, brush, args))


def _stroke(brush: Callable[..., None], args: tuple[object, ...], canvas: Canvas) -> None:
    brush(canvas, *args)


def compose(dice: Dice, crowd: float = 1.0) -> Plan:
    """A plan. crowd: factor on the number of things."""
    place = PLACES[min(int(dice() * 4), 3)]
    plan = Plan(place)
    light = 1 if dice.chance(0.5) else -1
    _PLACES[place](plan, dice, light, crowd)
    return plan


def _count(dice: Dice, low: int, high: int, crowd: float) -> int:
    return max(low, round(dice.integer(low, high) * crowd))


def _sky(plan: Plan, dice: Dice, horizon: float) -> None:
    sun = None
    kind = dice()
    if kind < 0.22:
        plan.context.add("low sun")
        sun = (dice(0.12, 0.88), horizon * dice(0.62, 0.86))
    elif kind < 0.44:
        plan.context.add("high sun")
        sun = (dice(0.1, 0.9), dice(0.07, 0.16))
    cover = dice(0.25, 0.95) if dice.chance(0.8) else 0.0
    plan.paint(brushes.sky, plan.thing("sky"), horizon, sun, cover, dice(0, 60))


def _balloons(plan: Plan, dice: Dice, horizon: float, light: int, n: int) -> None:
    for k in range(n):
        r = dice(0.05, 0.13)
        x = dice(0.1, 0.9) if n == 1 else (k + dice(0.25, 0.75)) / n
        y = dice(1.2 * r, max(1.3 * r, horizon - 2.2 * r))
        plan.paint(
            brushes.balloon, plan.thing("balloon"), plan.thing("wood"), x, y, r, light, 2 * dice.integer(4, 6) - 1
        )


def _tree(plan: Plan, dice: Dice, x: float, base: float, h: float, light: int) -> None:
    if dice.chance(0.25):
        plan.paint(brushes.conifer, plan.thing("conifer"), plan.thing("wood"), x, base, h, light)
    else:
        blobs = dice.array(8, 3)
        plan.paint(brushes.tree, plan.thing("foliage"), plan.thing("wood"), x, base, h, light, blobs)


def _house(
    plan: Plan, dice: Dice, x: float, base: float, width: float, height: float, storeys: int, light: int
) -> None:
    plan.paint(
        brushes.house,
        plan.thing("wall"),
        plan.thing("roof"),
        plan.thing("wood"),
        x,
        base,
        width,
        height,
        storeys,
        dice.integer(0, 2) if storeys > 1 else dice.integer(0, 1),
        light,
    )


def _flowers(
    plan: Plan, dice: Dice, x: float, spread: float, top: float, r: float, base: float, n: int, light: int
) -> None:
    petals, leaf, style = plan.thing("flower"), plan.thing("leaf"), dice.integer(0, 2)
    blossoms = []
    for k in range(n):
        at = x + spread * ((k + dice(0.2, 0.8)) / n - 0.5) * 2
        size = r * dice(0.8, 1.15)
        blossoms.append((at, top + dice(-0.6, 1.4) * r, size, dice(0, 6)))
    at_x, at_y, sizes, turns = zip(*blossoms, strict=True)
    plan.paint(brushes.flowers, petals, leaf, at_x, at_y, sizes, base, style, turns, light)


def _vehicle(plan: Plan, dice: Dice, x: float, base: float, s: float) -> None:
    style = ("car", "car", "car", "van", "bus", "taxi", "fire engine")[dice.integer(0, 6)]
    cue = style if style in ("taxi", "fire engine") else ""
    length = s * {"car": 1.0, "taxi": 1.0, "van": 1.05, "bus": 1.5, "fire engine": 1.35}[style]
    plan.paint(brushes.vehicle, plan.thing("vehicle", cue), x, base, length, 1 if dice.chance(0.5) else -1, style)


def _coast(plan: Plan, dice: Dice, light: int, crowd: float) -> None:
    horizon = dice(0.36, 0.58)
    _sky(plan, dice, horizon)
    _balloons(plan, dice, horizon, light, 1 if dice.chance(0.35 * crowd) else 0)
    if dice.chance(0.55):
        plan.paint(brushes.hills, plan.thing("hill"), horizon + 0.02, dice(0.1, 0.26), 54.0, light, dice(0, 40))
    plan.paint(brushes.sea, plan.thing("sea"), horizon, dice(0, 40))
    n = _count(dice, 1, 3, crowd)
    for k in range(n):
        depth = (k + dice(0.1, 0.9)) / n
        s = 0.1 + 0.24 * depth * dice(0.8, 1.1)
        y = horizon + 0.03 + (0.26 * depth) * (1 - horizon) / 0.5
        plan.paint(
            brushes.boat, plan.thing("sail"), plan.thing("wood"), dice(0.12, 0.88), y, s, 1 if dice.chance(0.5) else -1
        )
    if dice.chance(0.7):
        top = dice(0.80, 0.88)
        plan.paint(brushes.beach, plan.thing("sand"), top, dice(-0.1, 0.1), dice(0, 30))
        for _ in range(_count(dice, 0, 2, crowd)):
            plan.paint(
                brushes.parasol,
                plan.thing("balloon"),
                plan.thing("wood"),
                dice(0.1, 0.9),
                dice(0.92, 0.99),
                dice(0.2, 0.3),
                light,
            )


def _country(plan: Plan, dice: Dice, light: int, crowd: float) -> None:
    horizon = dice(0.36, 0.54)
    _sky(plan, dice, horizon + 0.05)
    _balloons(plan, dice, horizon, light, _count(dice, 0, 2, crowd))
    plan.paint(brushes.hills, plan.thing("hill"), horizon + 0.08, dice(0.14, 0.34), 60.0, light, dice(0, 40))
    if dice.chance(0.5):
        plan.paint(brushes.hills, plan.thing("hill"), horizon + 0.10, dice(0.07, 0.14), 52.0, light, dice(0, 40))
    top = horizon + 0.08
    plan.paint(brushes.meadow, plan.thing("meadow"), top, dice(0, 40))
    if dice.chance(0.25):
        plan.context.add("litter")
        plan.paint(brushes.litter, plan.thing("foliage"), top, dice.array(round(40 * crowd), 3))
    things = [("tree", dice(0.0, 1.0)) for _ in range(_count(dice, 1, 4, crowd))]
    things += [("house", dice(0.0, 0.5)) for _ in range(_count(dice, 0, 1, crowd))]
    things += [("animal", dice(0.15, 0.9)) for _ in range(_count(dice, 0, 3, crowd))]
    things += [("vehicle", dice(0.3, 0.9))] if dice.chance(0.15 * crowd) else []
    for name, depth in sorted(things, key=lambda t: t[1]):
        x, base = dice(0.04, 0.96), top + 0.015 + depth * depth * (0.93 - top)
        size = 0.30 + 0.9 * depth
        if name == "tree":
            _tree(plan, dice, x, base, 0.52 * size * dice(0.75, 1.15), light)
        elif name == "house":
            _house(plan, dice, x, base, 0.55 * size * dice(0.8, 1.2), 0.32 * size, 1, light)
        elif name == "vehicle":
            _vehicle(plan, dice, x, base, 0.34 * size)
        else:
            style = ("sheep", "cow", "horse")[dice.integer(0, 2)]
            plan.paint(
                brushes.animal,
                plan.thing("wool" if style == "sheep" else "coat"),
                x,
                base,
                size * (0.18 if style == "sheep" else 0.25),
                1 if dice.chance(0.5) else -1,
                style,
                dice(0, 30),
            )
    for _ in range(_count(dice, 0, 2, crowd)):
        r = dice(0.035, 0.075)
        _flowers(plan, dice, dice(0.1, 0.9), dice(0.1, 0.2), dice(0.72, 0.86), r, 1.04, dice.integer(3, 6), light)


def _street(plan: Plan, dice: Dice, light: int, crowd: float) -> None:
    ground = dice(0.66, 0.74)
    _sky(plan, dice, ground)
    if dice.chance(0.4):
        plan.paint(brushes.hills, plan.thing("hill"), ground - 0.05, dice(0.2, 0.36), 60.0, light, dice(0, 40))
    plan.paint(brushes.meadow, plan.thing("meadow"), ground - 0.03, dice(0, 40))
    x = dice(-0.1, 0.15)
    while x < 1.0:
        width, storeys = dice(0.2, 0.36), dice.integer(1, 3)
        if dice.chance(0.72):
            _house(plan, dice, x + width / 2, ground, width, 0.10 + 0.135 * storeys, storeys, light)
            x += width * dice(1.0, 1.12)
        else:
            _tree(plan, dice, x + 0.08, ground, dice(0.3, 0.5), light)
            x += 0.17
    bottom = ground + dice(0.2, 0.26)
    plan.paint(brushes.road, plan.thing("stone"), ground, bottom)
    if dice.chance(0.3):
        plan.context.add("litter")
        plan.paint(brushes.litter, plan.thing("foliage"), ground, dice.array(round(30 * crowd), 3))
    n = _count(dice, 1, 2, crowd)
    for k in range(n):
        near = k % 2
        _vehicle(
            plan,
            dice,
            (k + dice(0.3, 0.7)) / n,
            ground + (bottom - ground) * (0.42, 0.92)[near],
            dice(0.26, 0.34) + 0.1 * near,
        )
    if dice.chance(0.6):
        _tree(plan, dice, dice(0.02, 0.98), bottom + 0.06, dice(0.5, 0.75), light)
    if dice.chance(0.5):
        _flowers(
            plan,
            dice,
            dice(0.15, 0.85),
            dice(0.12, 0.25),
            dice(0.88, 0.93),
            dice(0.03, 0.05),
            1.04,
            dice.integer(3, 6),
            light,
        )


def _table(plan: Plan, dice: Dice, light: int, crowd: float) -> None:
    top = dice(0.5, 0.64)
    plan.paint(brushes.wall_paper, plan.thing("plaster"), top, light, dice.integer(0, 2))
    boards = dice.chance(0.4)
    plan.paint(
        brushes.table, plan.thing("wood" if boards else "cloth"), top, 2 if boards else dice.integer(0, 1), dice(0, 20)
    )
    if dice.chance(0.65):
        x, base, h = dice(0.2, 0.8), top + dice(0.06, 0.12), dice(0.24, 0.34)
        for _ in range(_count(dice, 1, 2, crowd)):
            _flowers(
                plan,
                dice,
                x,
                dice(0.12, 0.2),
                base - h - dice(0.12, 0.2),
                dice(0.055, 0.085),
                base - h * 0.8,
                dice.integer(2, 4),
                light,
            )
        plan.paint(brushes.vase, plan.thing("pottery"), x, base, h, light)
    spots = [(x + dice(-0.06, 0.06)) for x in (0.15, 0.38, 0.62, 0.86)]
    fruit = sorted((top + dice(0.1, 0.30), x) for x in spots[: max(2, round(dice.integer(2, 4) * crowd))])
    if dice.chance(0.35):
        x, base, r = dice(0.3, 0.7), top + dice(0.14, 0.2), dice(0.2, 0.26)
        for dx, dy in ((-0.5, 0.55), (0.48, 0.55), (0.0, 0.8)):
            _fruit(plan, dice, x + dx * r, base - dy * r, 0.36 * r, light, round_only=True)
        plan.paint(brushes.bowl, plan.thing("pottery"), x, base, r, light)
        fruit = [(max(y, base + 0.1), at) for y, at in fruit]
    for y, x in fruit:
        _fruit(plan, dice, x, y, dice(0.075, 0.12), light, round_only=False)


def _fruit(plan: Plan, dice: Dice, x: float, y: float, r: float, light: int, round_only: bool) -> None:
    kind = dice()
    if kind < 0.5:
        plan.paint(brushes.ball, plan.thing("apple"), x, y, r, light, "apple")
    elif kind < 0.75 or round_only:
        plan.paint(brushes.ball, plan.thing("orange"), x, y, r, light, "orange")
    elif kind < 0.88:
        plan.paint(brushes.banana, plan.thing("banana"), x, y, r * 1.25, 1 if dice.chance(0.5) else -1)
    else:
        plan.paint(brushes.grapes, plan.thing("grapes"), x, y, r * 1.3, light)


_PLACES = {"coast": _coast, "country": _country, "street": _street, "table": _table}
