"""A world of scenes: from (version, level, split, index) to a gray picture, its law and its colors.

``World.scene`` gives what can be seen (:class:`Scene`); ``Scene.draw`` draws colors for it from the law with a stream
of its own, so any number of colorings of one gray picture can be drawn. Supersampled: every pixel is the mean, in Lab,
of FINE x FINE subpixels, so edges are anti-aliased and a pixel's L* never depends on a color.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from colorbench import color
from colorbench.data.scenes.canvas import Canvas, Dice
from colorbench.data.scenes.compose import Plan, compose
from colorbench.data.scenes.law import CUES, INDEX, Law, Seen, law_of
from colorbench.noise import stable_id

VERSION = 1
FINE = 2


@dataclass(frozen=True)
class Scene:
    """What is known of a scene without its colors.

    name: scenes-LEVEL-vVERSION/SPLIT/INDEX · classes, cues: int [n], of its objects (object 0 has no color) ·
    context: what is visible of the latents · on the subpixels [side side]: L (L*), gain K, blend g, objects.
    """

    name: str
    law: Law
    place: str
    context: frozenset[str]
    classes: np.ndarray
    cues: np.ndarray
    size: int
    L: np.ndarray
    gain: np.ndarray
    blend: np.ndarray
    objects: np.ndarray

    @property
    def seen(self) -> Seen:
        """What the law is conditioned on."""
        return Seen(self.classes, self.cues, self.context)

    @property
    def lightness(self) -> np.ndarray:
        """L* [size size]."""
        return _shrink(self.L)

    def draw(self, stream: str = "truth") -> tuple[int, np.ndarray, np.ndarray]:
        """(z, modes [n], shades [n 2]): one draw of the law. ``truth`` is the draw that the picture shows."""
        u = Dice(stable_id(f"{self.name} {stream}")).array(1 + 3 * len(self.classes))
        return self.law.draw(self.seen, u)

    def paint(self, base: np.ndarray, slope: np.ndarray) -> np.ndarray:
        """ab [2 size size] (CIELAB units) of object colors: base [n 2] = mu + e, and slope [n 2] = delta."""
        color = np.take(base.T, self.objects, axis=1)
        if slope.any():
            color = color + self.blend * np.take(slope.T, self.objects, axis=1)
        return _shrink(self.gain * color)

    def paint_pixels(self, base: np.ndarray, slope: np.ndarray) -> np.ndarray:
        """ab [2 size size] of colors per subpixel: base, slope [2 side side]."""
        return _shrink(self.gain * (base + self.blend * slope))

    @cached_property
    def pure(self) -> np.ndarray:
        """The object of each pixel that shows only one, else -1 (an anti-aliased border); int [size size]."""
        parts = [self.objects[i::FINE, j::FINE] for i in range(FINE) for j in range(FINE)]
        return np.where(np.logical_and.reduce([part == parts[0] for part in parts[1:]]), parts[0].astype(np.int64), -1)

    @cached_property
    def maps(self) -> tuple[np.ndarray, np.ndarray]:
        """K and G = K g as means over each pixel, [size size]: ab = K (mu + e) + G delta where the pixel is pure."""
        return _shrink(self.gain), _shrink(self.gain * self.blend)

    def color(self, modes: np.ndarray, shades: np.ndarray) -> np.ndarray:
        """ab [2 size size] of a draw."""
        return self.paint(self.law.base[self.classes, modes] + shades, self.law.slope[self.classes, modes])


@dataclass(frozen=True)
class World:
    """All scenes of a level."""

    level: str = "standard"

    def name(self, split: str, index: int) -> str:
        """The scene's name, which is its seed."""
        return f"scenes-{self.level}-v{VERSION}/{split}/{index:06d}"

    def seen(self, name: str) -> Seen:
        """What the law of this scene is conditioned on (no pixels)."""
        return _seen(self.plan(name))

    def plan(self, name: str) -> Plan:
        """What the scene of this name is composed of (no pixels)."""
        return compose(Dice(stable_id(name)), law_of(self.level).level.crowd)

    def scene(self, name: str, size: int) -> Scene:
        """The gray picture of this name, and everything that p(ab | L) depends on."""
        law = law_of(self.level)
        plan = self.plan(name)
        L, sat, g, objects = _paint(plan, size).maps()
        seen = _seen(plan)
        classes = seen.classes
        gain = sat * law.gains(classes[objects], L)
        return Scene(name, law, plan.place, seen.context, classes, seen.cues, size, L, gain, g, objects)

    def gray(self, name: str, size: int) -> np.ndarray:
        """L* [size size] of the scene of this name."""
        return _shrink(_paint(self.plan(name), size).L)

    def picture(self, name: str, size: int) -> np.ndarray:
        """uint8 [3 size size], sRGB: the scene in its true colors."""
        scene = self.scene(name, size)
        _, modes, shades = scene.draw()
        lab = np.concatenate([scene.lightness[None], scene.color(modes, shades)])
        return _to_bytes(lab[None])[0]


def _paint(plan: Plan, size: int) -> Canvas:
    canvas = Canvas(size * FINE)
    for stroke in plan.strokes:
        stroke(canvas)
    np.clip(canvas.L, 4.0, 98.0, out=canvas.L)
    return canvas


def _seen(plan: Plan) -> Seen:
    classes, cues = [INDEX[c] for c in plan.classes], [CUES.index(c) for c in plan.cues]
    return Seen(np.array(classes), np.array(cues), frozenset(plan.context))


def _to_bytes(lab: np.ndarray) -> np.ndarray:
    return color.to_bytes(color.lab_to_rgb(torch.from_numpy(lab))).numpy()


def _shrink(fine: np.ndarray) -> np.ndarray:
    """Means of FINE x FINE blocks, summed in a fixed order."""
    parts = [fine[..., i::FINE, j::FINE] for i in range(FINE) for j in range(FINE)]
    return sum(parts[1:], parts[0]) / np.float32(FINE * FINE)
