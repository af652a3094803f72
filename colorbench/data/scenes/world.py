"""A world of scenes: from (version, level, split, index) to a gray picture, its law and its colors.

``World.scene`` gives what can be seen (:class:`Scene`); ``Scene.draw`` draws colors for it from the law with a stream of
its own, so any number of colorings of one gray picture can be drawn. Supersampled: every pixel is the mean, in Lab, of
``fine`` x ``fine`` subpixels, so edges are anti-aliased and a pixel's L* never depends on a color.
"""

from dataclasses import dataclass

import numpy as np

from colorbench.data.scenes.canvas import Canvas, Dice
from colorbench.data.scenes.compose import Plan, compose
from colorbench.data.scenes.law import CUES, INDEX, Law, law_of
from colorbench.noise import stable_id

VERSION = 1
FINE = 2


@dataclass(frozen=True)
class Scene:
    """What is known of a scene without its colors.

    name: scenes-LEVEL-vVERSION/SPLIT/INDEX · classes, cues: int [n], of its objects (object 0 has no color) ·
    context: what is visible of the latents · on the subpixels [side side]: L (L*), gain K, slope G = K g, objects.
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
    slope: np.ndarray
    objects: np.ndarray

    @property
    def lightness(self) -> np.ndarray:
        """L* [size size]."""
        return _shrink(self.L)

    def draw(self, stream: str = "truth") -> tuple[int, np.ndarray, np.ndarray]:
        """(z, modes [n], shades [n 2]): one draw of the law. ``truth`` is the draw that the picture shows."""
        u = Dice(stable_id(f"{self.name} {stream}")).array(1 + 3 * len(self.classes))
        return self.law.draw(self.classes, self.cues, self.context, u)

    def paint(self, base: np.ndarray, slope: np.ndarray) -> np.ndarray:
        """ab [2 size size] (CIELAB units) of object colors: base [n 2] = mu + e, and slope [n 2] = delta."""
        flat = self.objects.ravel()
        ab = base[flat] * self.gain.reshape(-1, 1) + slope[flat] * self.slope.reshape(-1, 1)
        return _shrink(np.moveaxis(ab.reshape(*self.objects.shape, 2), -1, 0))

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

    def plan(self, name: str) -> Plan:
        """What the scene of this name is composed of (no pixels)."""
        return compose(Dice(stable_id(name)), law_of(self.level).level.crowd)

    def scene(self, name: str, size: int) -> Scene:
        """The gray picture of this name, and everything that p(ab | L) depends on."""
        law = law_of(self.level)
        plan = self.plan(name)
        canvas = Canvas(size * FINE)
        for stroke in plan.strokes:
            stroke(canvas)
        classes = np.array([INDEX[c] for c in plan.classes])
        L = np.clip(canvas.L, 4.0, 98.0)
        gain = canvas.sat * law.gains(classes[canvas.objects], L)
        return Scene(
            name, law, plan.place, frozenset(plan.context), classes, np.array([CUES.index(c) for c in plan.cues]), size,
            L, gain, gain * canvas.g, canvas.objects,
        )  # fmt: skip

    def picture(self, name: str, size: int) -> np.ndarray:
        """uint8 [3 size size], sRGB: the scene in its true colors."""
        scene = self.scene(name, size)
        _, modes, shades = scene.draw()
        lab = np.concatenate([scene.lightness[None], scene.color(modes, shades)])
        return _to_bytes(lab[None])[0]


def _to_bytes(lab: np.ndarray) -> np.ndarray:
    import torch

    from colorbench import color

    return color.to_bytes(color.lab_to_rgb(torch.from_numpy(lab))).numpy()


def _shrink(fine: np.ndarray) -> np.ndarray:
    """Means of FINE x FINE blocks, summed in a fixed order."""
    parts = [fine[..., i::FINE, j::FINE] for i in range(FINE) for j in range(FINE)]
    return sum(parts[1:], parts[0]) / np.float32(FINE * FINE)
