"""Oracles as families: they recognize scenes by L alone and answer like any family."""

from typing import get_args

import numpy as np
import pytest
import torch

from colorbench.batch import Batch
from colorbench.data.scenes.world import World
from colorbench.errors import UserError
from colorbench.evaluation.oracle import Answer, Oracle
from colorbench.noise import Noise
from colorbench.registry import build
from colorbench.runs import config

WORLD = World("standard")
ANSWERS = get_args(Answer)


@pytest.fixture(scope="module")
def batch():
    names = [WORLD.name("test", index) for index in range(4)]
    return Batch.of_bytes(torch.from_numpy(np.stack([WORLD.picture(n, 32) for n in names])), torch.arange(4))


@pytest.mark.parametrize("answer", ANSWERS)
def test_every_oracle_colors_scenes(answer, batch):
    words = ["data=scenes", "model=oracle", f"model.answer={answer}"]
    family = build("family", config.compose(words)["model"], "model")
    first, again, other = (family.colorize(batch.L, Noise.of(0, batch.ids, visit)) for visit in (0, 0, 1))
    assert first.shape == batch.ab.shape
    assert first.abs().max() <= 1.0
    assert torch.equal(first, again)
    assert (not torch.equal(first, other)) == family.stochastic
    alone = family.colorize(batch.L[2:3], Noise.of(0, batch.ids[2:3]))
    assert torch.equal(alone[0], first[2])
    assert not family.trainable()


def test_the_sampler_does_not_peek_at_the_truth(batch):
    family = Oracle(answer="sample", level="standard", chroma_scale=1)
    off = [(family.colorize(batch.L, Noise.of(0, batch.ids, k)) - batch.ab).abs().mean() for k in range(4)]
    assert min(off) > 0.01


def test_a_photograph_is_refused_in_one_line(monkeypatch, batch):
    monkeypatch.setattr("colorbench.data.scenes.lookup.REACH", 100)
    with pytest.raises(UserError, match="data=scenes"):
        Oracle(answer="mean", level="standard", chroma_scale=1).colorize(batch.L.flip(-2), Noise.of(0, batch.ids))


def test_an_unknown_level_is_named():
    with pytest.raises(UserError, match=r"model\.level"):
        Oracle(answer="mean", level="tough", chroma_scale=1).colorize(
            torch.zeros(1, 1, 32, 32), Noise.of(0, torch.zeros(1, dtype=torch.int64))
        )
