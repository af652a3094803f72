"""Oracles: families that know the color law of the scenes, so that every score has a best that can be reached.

They learn nothing. They recognize the scene by its gray picture, and answer as :mod:`colorbench.data.scenes.oracles`
says: ``sample`` draws from p(ab | L) itself; ``mean``, ``median`` and ``mode`` are what perfect training with L2, L1 or
cross-entropy would give; the others are broken in one known way each, to show which scores notice. Sent through a
chroma ``scale`` times smaller and enlarged along L, as models do whose chroma is small, any of them shows what that
bottleneck costs: a model with it cannot do better than the law with it.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np
import torch
from torch import nn

from colorbench import color
from colorbench.arrays import Chroma, Luma
from colorbench.batch import Batch
from colorbench.data.scenes.lookup import lookup
from colorbench.data.scenes.oracles import STOCHASTIC, answer, uniforms
from colorbench.family import Family, Objective, Weights
from colorbench.networks.guided import enlarge, shrink
from colorbench.noise import Noise
from colorbench.ranges import Factor, Text
from colorbench.registry import register

Answer = Literal[
    "sample",
    "mean",
    "median",
    "mode",
    "pixels",
    "patchwork",
    "incoherent",
    "uniform",
    "collapsed",
    "miscalibrated",
    "rare_blind",
]


@register("family", "oracle")
class Oracle(Family):
    """answer: which oracle. level: of the scenes that it is asked to color. chroma_scale: its chroma is shrunk so many
    times and enlarged again."""

    def __init__(self, *, answer: Answer, level: Text, chroma_scale: Factor) -> None:
        super().__init__()
        self.weights = Weights({})
        self.answer, self.level, self.chroma_scale = answer, level, chroma_scale

    @property
    def stochastic(self) -> bool:
        """Does this oracle draw?"""
        return self.answer in STOCHASTIC

    def trainable(self) -> Mapping[str, nn.Module]:
        return {}

    def objectives(self, batch: Batch, noise: Noise, weights: Weights) -> Iterator[Objective]:
        yield from ()

    def colorize(self, L: Luma, noise: Noise) -> Chroma:
        """The oracle's colors. Raises UserError when a picture is no scene of the level."""
        size = L.shape[-1]
        table = lookup(self.level, size)
        answers = []
        for gray, stream in zip(((L.float() + 1) * color.L_HALF).cpu().numpy(), noise.split(1), strict=True):
            scene = table.scene(gray[0])
            u = stream.uniform("oracle", uniforms(self.answer, len(scene.classes), size))[0]
            answers.append(answer(self.answer, scene, u.double().cpu().numpy()).astype(np.float32))
        ab = torch.from_numpy(np.stack(answers)).to(L.device) / color.AB_UNIT
        return enlarge(shrink(ab, self.chroma_scale), L, self.chroma_scale).clamp(-1, 1)
