"""Samplers that learn nothing: what they draw from, and that their draws are independent given the picture."""

from itertools import combinations

import pytest
import torch

from colorbench.batch import Batch
from colorbench.errors import UserError
from colorbench.family import Family
from colorbench.noise import Noise
from colorbench.registry import build
from colorbench.runs import config

SAMPLERS = ("marginal", "neighbors", "confetti")
DRAWS = 8


def unlike(count: int, side: int = 32) -> Batch:
    """Pictures of one chroma each, no two alike, whose lightness is a pattern of their own."""
    generator = torch.Generator().manual_seed(0)
    L = torch.nn.functional.interpolate(torch.rand(count, 1, 4, 4, generator=generator) - 0.5, (side, side))
    angle = torch.arange(count) * 2 * torch.pi / count
    ab = 0.3 * torch.stack([angle.cos(), angle.sin()], 1)[:, :, None, None].expand(-1, -1, side, side)
    return Batch(L, ab.contiguous(), torch.arange(count), torch.zeros(count, dtype=torch.int64))


def sampler(name: str, batch: Batch, **changes: object) -> Family:
    family = build("family", {**config.compose(["data=photos", f"model={name}"])["model"], **changes}, "model")
    family.prepare(batch.split(5))
    return family.eval()


def shown(family: Family, L: torch.Tensor, train: Batch, draws: int = DRAWS) -> torch.Tensor:
    """[draws, b]: which training picture each draw took its chroma from."""
    ids = torch.arange(len(L)) + 1000
    flat = torch.stack([family.colorize(L, Noise.of(0, ids, k)).mean((2, 3)) for k in range(draws)])
    return torch.cdist(flat.flatten(0, 1), train.ab.mean((2, 3))).argmin(1).view(draws, -1)


def repeats(rows: torch.Tensor) -> float:
    """Share of pairs of draws that are the same picture."""
    pairs = [(rows[i] == rows[j]).float().mean() for i, j in combinations(range(len(rows)), 2)]
    return float(torch.stack(pairs).mean())


@pytest.mark.parametrize(("name", "among"), [("marginal", 16), ("neighbors", 8)])
def test_draws_repeat_as_often_as_independent_ones_do(name: str, among: int) -> None:
    """Of 28 pairs of 8 draws of 400 pictures a share 1/n, to 4 deviations; shown once each, none would."""
    train = unlike(16)
    family = sampler(name, train, **({"among": among} if name == "neighbors" else {}))
    rows = shown(family, train.L.repeat(25, 1, 1, 1), train)
    deviation = (1 / among * (1 - 1 / among) / (28 * 400)) ** 0.5
    assert repeats(rows) == pytest.approx(1 / among, abs=4 * deviation)


def test_what_the_first_draw_was_says_nothing_of_the_second() -> None:
    train = unlike(16)
    rows = shown(sampler("neighbors", train, among=4), train.L[:1].expand(2000, -1, -1, -1), train, draws=2)
    _, first = rows[0].unique(return_inverse=True)
    _, second = rows[1].unique(return_inverse=True)
    table = torch.bincount(first * 4 + second, minlength=16).float()
    assert float(((table - 125) ** 2 / 125).sum()) < 37.7  # chi squared with 15 degrees of freedom, 99.9 %


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_mean_of_draws_has_the_variance_that_independence_gives_it(name: str) -> None:
    train = unlike(64)
    family = sampler(name, train, **({"among": 16} if name == "neighbors" else {}))
    L = train.L[:40]
    ids = torch.arange(40)
    draws = torch.stack([family.colorize(L, Noise.of(0, ids, k)) for k in range(8 * 40)]).mean((3, 4))
    groups = draws.unflatten(0, (40, 8))
    single, averaged = draws.var(0).mean(), groups.mean(1).var(0).mean()
    assert float(8 * averaged / single) == pytest.approx(1.0, abs=0.12)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_draw_does_not_depend_on_the_draws_before_it_nor_on_its_batch(name: str) -> None:
    train = unlike(16)
    family = sampler(name, train)
    noises = [Noise.of(0, train.ids, k) for k in range(4)]
    forth = [family.colorize(train.L, noise) for noise in noises]
    back = [family.colorize(train.L, noise) for noise in reversed(noises)][::-1]
    assert all(torch.equal(one, other) for one, other in zip(forth, back, strict=True))
    alone = family.colorize(train.L[3:4], noises[0].split(1)[3])
    torch.testing.assert_close(alone[0], forth[0][3])
    assert not torch.equal(forth[0], forth[1])


def test_neighbors_shows_the_nearest_and_no_other() -> None:
    train = unlike(16)
    family = sampler("neighbors", train, among=4)
    nearest = family.bank.nearest(train.L[:3], 4)
    rows = shown(family, train.L[:3], train, draws=64)
    assert [set(rows[:, i].tolist()) for i in range(3)] == [set(near.tolist()) for near in nearest]
    assert torch.equal(nearest[:, 0], torch.arange(3))


def test_neighbors_of_a_small_split_are_all_of_it() -> None:
    train = unlike(5)
    assert set(shown(sampler("neighbors", train), train.L, train, 16).flatten().tolist()) == set(range(5))


def test_marginal_chooses_whatever_the_picture_is() -> None:
    train = unlike(16)
    family = sampler("marginal", train)
    assert torch.equal(shown(family, train.L, train), shown(family, train.L.flip(0), train))


def test_confetti_has_the_mean_and_the_covariance_of_the_training_split_in_independent_cells() -> None:
    generator = torch.Generator().manual_seed(1)
    raw = torch.randn(50, 2, 16, 16, generator=generator)
    ab = (
        0.1 * torch.stack([raw[:, 0], 0.8 * raw[:, 0] + 0.6 * raw[:, 1]], 1) + torch.tensor([0.1, -0.05])[:, None, None]
    )
    ids = torch.arange(50)
    family = sampler("confetti", Batch(torch.zeros(50, 1, 16, 16), ab, ids, torch.zeros_like(ids)))
    cells = family.colorize(torch.zeros(50, 1, 64, 64), Noise.of(0, ids))[:, :, ::4, ::4]
    found = cells.transpose(0, 1).flatten(1)
    torch.testing.assert_close(found.mean(1), torch.tensor([0.1, -0.05]), atol=0.004, rtol=0)
    torch.testing.assert_close(torch.cov(found), 0.01 * torch.tensor([[1.0, 0.8], [0.8, 1.0]]), atol=5e-4, rtol=0)
    beside = torch.corrcoef(torch.stack([cells[:, 0, :, :-1].flatten(), cells[:, 0, :, 1:].flatten()]))[0, 1]
    assert abs(float(beside)) < 0.03


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("shape", [(32, 32), (37, 21), (5, 9)])
def test_any_size_and_shape_is_colored(name: str, shape: tuple[int, int]) -> None:
    train = unlike(8)
    L = torch.nn.functional.interpolate(train.L, shape)
    ab = sampler(name, train).colorize(L, Noise.of(0, train.ids))
    assert ab.shape == (8, 2, *shape)
    assert ab.abs().max() <= 1.0


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_checkpoint_holds_the_whole_split(name: str) -> None:
    train = unlike(9)
    family = sampler(name, train)
    copy = build("family", config.compose(["data=photos", f"model={name}"])["model"], "model").eval()
    copy.load_state_dict({key: value.clone() for key, value in family.state_dict().items()}, strict=True)
    ours, theirs = (f.colorize(train.L, Noise.of(0, train.ids)) for f in (family, copy))
    assert torch.equal(ours, theirs)


def test_an_unprepared_sampler_says_so() -> None:
    train = unlike(2)
    for name in ("marginal", "neighbors"):
        family = build("family", config.compose(["data=photos", f"model={name}"])["model"], "model")
        with pytest.raises(UserError, match="training split"):
            family.colorize(train.L, Noise.of(0, train.ids))
