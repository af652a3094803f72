"""The monitor looks at validation pictures while a run trains: numbers, alarms and previews.

It colors a fixed subset with the averaged weights and reports

    val/joint               energy of whole fields and variogram score over ``draws`` colorings, as shares of gray's
                            (colorbench/metrics/place.py): what ``best`` goes by, for every family; patchwork costs
    val/energy              energy score of pixels over the same draws, CIELAB units: blind to patchwork
    val/ab_l1               mean |ab_hat - ab| in CIELAB units        val/psnr   dB, of the 8-bit picture
    val/delta_e76           mean Euclidean distance in CIELAB units   val/loss   sum of the family's own objectives
    val/chroma_ratio        mean chroma of the samples / of the truth          (1 is right; sepia is below 0.5)
    val/colorfulness_ratio  Hasler-Suesstrunk M3 of the samples / of the truth (1 is right)
    val/ab_drift            distance between the mean color of all samples and of all truths, CIELAB units (0 is right)
    val/alarms              how many alarms ring

All but these two are of the first draw; a family that draws step by step takes few steps (``Family.preview``).
An alarm rings when one of them leaves its range from `monitor.alarms` after the share `monitor.alarms_from`
of the budget: the flag ``alarm/NAME`` is 1 in the record, and one line says that it began (or ended). The same numbers
for every family, so that a collapse (gray, sepia, one color cast) is seen while it happens.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import torch

from colorbench import color
from colorbench.arrays import Bytes, PerImage, Tensor
from colorbench.batch import Batch
from colorbench.family import Family, Weights
from colorbench.metrics.colorfulness import colorfulness
from colorbench.metrics.draws import energy_scores
from colorbench.metrics.place import PARTS, joint
from colorbench.metrics.variogram import variogram_score
from colorbench.noise import Noise
from colorbench.ranges import Count, Finite, Several, SeveralOrNone, Share

Best = Literal["val/joint", "val/energy", "val/ab_l1", "val/delta_e76", "val/loss", "val/ab_drift"]
"""What may choose the checkpoint ``best``: of these the lowest is the best."""

Watched = Literal[
    "chroma_ratio", "colorfulness_ratio", "ab_drift", "joint", "energy", "ab_l1", "delta_e76", "psnr", "loss"
]
"""What an alarm may be set on: everything that is measured."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The ``monitor`` node of the config.

    images: of the validation split, colored each time, ``draws`` times where the family draws. previews: so many of
    them are shown. alarms: [low, high] of what is watched, after the share ``alarms_from`` of the budget.
    """

    images: Count
    draws: Several
    previews: SeveralOrNone
    best: Best
    alarms_from: Share
    alarms: Mapping[Watched, tuple[Finite, Finite]]


@runtime_checkable
class Draw(Protocol):
    """Writes a PNG of labelled columns, one row for each picture."""

    def __call__(self, columns: Mapping[str, Bytes], file: Path) -> Path: ...


@runtime_checkable
class Sample(Protocol):
    """A split of a data set, in order."""

    def __len__(self) -> int: ...

    def batches(self, batch_size: int, device: torch.device) -> Iterable[Batch]: ...


@dataclass(frozen=True, kw_only=True)
class Monitor:
    """pictures: the subset that is colored, some of them drawn to ``folder``. warn: prints a line.

    show(images, key, file) hands a drawn preview to the loggers. keep(images, scores) takes each picture's joint
    score.
    """

    pictures: Sample
    batch_size: int
    device: torch.device
    seed: int
    options: Options
    folder: Path
    draw: Draw
    warn: Callable[[str], None]
    show: Callable[[int, str, Path], None]
    keep: Callable[[int, list[float]], None] = lambda images, scores: None
    ringing: set[str] = field(default_factory=set)
    gray: dict[str, float] = field(default_factory=dict)
    """What gray pictures get, known after the first look."""
    base: list[float] = field(default_factory=list)
    """What joint divides by: gray's means of its parts."""

    @property
    def best(self) -> str:
        """The key that chooses the checkpoint ``best``."""
        return self.options.best

    def __call__(self, family: Family, images: int, progress: float) -> Mapping[str, float]:
        moments, rows, gray_moments = Moments(), [], Moments()
        parts: list[PerImage] = []
        for batch in self.pictures.batches(self.batch_size, self.device):
            noise = Noise.of(self.seed, batch.ids)
            draws = self.options.draws if family.stochastic else 1
            hats = [family.preview(batch.L, Noise.of(self.seed, batch.ids, k)).float() for k in range(draws)]
            ab_hat = hats[0]
            scores = _scores(torch.stack(hats), batch.ab)
            parts.append(torch.stack([scores[part] for part in PARTS]))
            rgb_hat = color.to_bytes(color.decode(batch.L, ab_hat))
            rgb = color.to_bytes(batch.rgb)
            moments.add(batch, ab_hat, rgb_hat, rgb, scores, _loss(family, batch, noise, progress))
            if not self.gray:
                none = torch.zeros_like(batch.ab)
                apart = _scores(none[None], batch.ab)
                gray_rgb = color.to_bytes(color.decode(batch.L, none))
                gray_moments.add(batch, none, gray_rgb, rgb, apart, torch.zeros(len(batch), device=none.device))
            rows.append((color.to_bytes(color.decode(batch.L, torch.zeros_like(ab_hat))), rgb, rgb_hat))
        if not self.gray:
            self.base.extend(gray_moments.parts)
            self.gray.update({k: v for k, v in gray_moments.values(self.base).items() if k != "val/loss"})
        self.keep(images, joint(torch.cat(parts, dim=1), self.base).tolist())
        values = moments.values(self.base)
        flags = self._ring(values, images, progress)
        if self.options.previews and rows:
            gray, truth, model = (torch.cat(column)[: self.options.previews] for column in zip(*rows, strict=True))
            file = self.draw({"gray": gray, "truth": truth, "model": model}, self.folder / f"images-{images:09d}.png")
            self.show(images, "val/previews", file)
        return {**values, **flags, "val/alarms": sum(flags.values())}

    def _ring(self, values: Mapping[str, float], images: int, progress: float) -> dict[str, float]:
        flags = {}
        for name, (low, high) in self.options.alarms.items():
            value = values[f"val/{name}"]
            rings = progress >= self.options.alarms_from and not low <= value <= high
            flags[f"alarm/{name}"] = float(rings)
            if rings and name not in self.ringing:
                self.ringing.add(name)
                self.warn(
                    f"alarm at {images:,} images: {name} is {value:.2f}, expected {low:g} to {high:g}"
                    + _MEANING.get(name, "")
                )
            elif not rings and name in self.ringing:
                self.ringing.remove(name)
                self.warn(f"alarm over at {images:,} images: {name} is {value:.2f}")
        return flags


_MEANING = {
    "chroma_ratio": ": gray or sepia when low, garish when high",
    "colorfulness_ratio": ": dull when low, confetti when high",
    "ab_drift": ": a color cast over all pictures",
}


class Moments:
    """Running sums over the subset."""

    def __init__(self) -> None:
        self.n = 0
        self.sums: dict[str, Tensor] = {}

    def add(
        self, batch: Batch, ab_hat: Tensor, rgb_hat: Bytes, rgb: Bytes, scores: Mapping[str, PerImage], loss: PerImage
    ) -> None:
        """One batch, weighted by its size. scores: energy and the parts of joint."""
        error = (ab_hat - batch.ab) * color.AB_UNIT
        squared = (color.from_bytes(rgb_hat) - color.from_bytes(rgb)).square().mean(dim=(1, 2, 3))
        new = {
            **scores,
            "ab_l1": error.abs().mean(dim=(1, 2, 3)),
            "delta_e76": color.mean_chroma(error),
            "psnr": -10 * squared.clamp_min(1e-10).log10(),
            "loss": loss,
            "chroma": color.mean_chroma(ab_hat) * color.AB_UNIT,
            "chroma_true": color.mean_chroma(batch.ab) * color.AB_UNIT,
            "colorfulness": colorfulness(rgb_hat),
            "colorfulness_true": colorfulness(rgb),
            "drift_a": error[:, 0].mean(dim=(1, 2)),
            "drift_b": error[:, 1].mean(dim=(1, 2)),
        }
        self.n += len(batch)
        for key, value in new.items():
            self.sums[key] = self.sums.get(key, 0) + value.sum()

    @property
    def parts(self) -> tuple[float, ...]:
        """Means of the parts of joint; above 0, so that all-gray pictures divide too."""
        return tuple(max(float(self.sums[part]) / self.n, 1e-6) for part in PARTS)

    def values(self, base: Sequence[float]) -> dict[str, float]:
        """Means and ratios, as ``val/NAME``. base: :attr:`parts` of gray over the same pictures."""
        m = {key: float(total) / self.n for key, total in self.sums.items()}
        return {
            "val/joint": joint([m[part] for part in PARTS], base),
            **{f"val/{key}": m[key] for key in ("energy", "ab_l1", "delta_e76", "psnr", "loss")},
            "val/chroma_ratio": m["chroma"] / max(m["chroma_true"], 1e-6),
            "val/colorfulness_ratio": m["colorfulness"] / max(m["colorfulness_true"], 1e-6),
            "val/ab_drift": math.hypot(m["drift_a"], m["drift_b"]),
        }


def _scores(draws: Tensor, ab: Tensor) -> dict[str, PerImage]:
    """energy and the parts of joint, of chroma [k b 2 h w] against [b 2 h w], in CIELAB units."""
    draws, ab = draws * color.AB_UNIT, ab * color.AB_UNIT
    found = {**energy_scores(draws, ab), "variogram": variogram_score(draws, ab)}
    return {name: found[name] for name in ("energy", *PARTS)}


def _loss(family: Family, batch: Batch, noise: Noise, progress: float) -> PerImage:
    """Sum of everything that the family yields, at its default weights."""
    weights = Weights(family.weights, progress)
    losses = [objective.loss.detach().float() for objective in family.objectives(batch, noise, weights)]
    return sum(losses, torch.zeros(len(batch), device=batch.L.device))
