"""The variogram score and flat variation, against plain loops, and what they must see."""

import itertools
import math

import pytest
import torch

from colorbench.metrics.flat import flat_scores
from colorbench.metrics.variogram import LAGS, variogram_score


def smooth(count: int, seed: int, side: int = 32, cells: int = 2, spread: float = 20.0) -> torch.Tensor:
    """Chroma fields [count 2 side side] in CIELAB units that vary slowly."""
    generator = torch.Generator().manual_seed(seed)
    coarse = spread * torch.randn(count, 2, cells, cells, generator=generator)
    return torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear", align_corners=True)


def looped(draws: torch.Tensor, y: torch.Tensor, lags: tuple[int, ...]) -> float:
    """The score of one picture as it stands in the paper, pair by pair in float64."""
    h, w = y.shape[-2:]
    parts = []
    for lag, (down, right) in itertools.product(lags, [(0, 1), (1, 0), (1, 1), (1, -1)]):
        pairs = []
        for i, j in itertools.product(range(h), range(w)):
            m, n = i + lag * down, j + lag * right
            if not (0 <= m < h and 0 <= n < w):
                continue
            roots = [math.dist(x[:, i, j], x[:, m, n]) ** 0.5 for x in draws.double()]
            mean = sum(roots) / len(roots)
            spread = sum((r - mean) ** 2 for r in roots) / (len(roots) - 1) / len(roots) if len(roots) > 1 else 0.0
            pairs.append((math.dist(y[:, i, j].double(), y[:, m, n].double()) ** 0.5 - mean) ** 2 - spread)
        parts.append(sum(pairs) / len(pairs))
    return sum(parts) / len(parts)


@pytest.mark.parametrize("draws", [1, 3])
def test_the_score_is_the_paper_s_pair_by_pair(draws: int) -> None:
    generator = torch.Generator().manual_seed(draws)
    x = 20 * torch.randn(draws, 2, 2, 7, 9, generator=generator)
    y = 20 * torch.randn(2, 2, 7, 9, generator=generator)
    found = variogram_score(x, y)
    expected = [looped(x[:, i], y[i], (1, 2, 4)) for i in range(2)]  # a lag of 8 does not fit
    assert found.tolist() == pytest.approx(expected, rel=1e-4)


def test_few_draws_are_scored_as_many_would_be() -> None:
    y = smooth(1, 0)
    draws = smooth(600, 1)[:, None]
    many = float(variogram_score(draws, y))
    few = torch.stack([variogram_score(draws[i : i + 2], y) for i in range(0, 600, 2)]).mean()
    plain = torch.stack([variogram_score(draws[i : i + 1], y) for i in range(0, 600, 2)]).mean()
    assert float(few) == pytest.approx(many, rel=0.05)
    assert float(plain) > 1.3 * many


def test_no_forecast_beats_the_distribution_of_the_truth() -> None:
    """Against paler and more vivid draws, their patchwork, independent pixels and the mean; 60 truths, 8 draws."""
    y = smooth(60, 2)
    draws = smooth(480, 3).unflatten(0, (8, 60))
    other = smooth(480, 4).unflatten(0, (8, 60))
    cells = torch.arange(32) // 4
    checkered = ((cells[:, None] + cells) % 2).bool()
    generator = torch.Generator().manual_seed(5)
    wrong = {
        "paler": 0.6 * draws,
        "more vivid": 1.6 * draws,
        "patchwork": torch.where(checkered, draws, other),
        "pixels": 20 * torch.randn(draws.shape, generator=generator),
        "mean": torch.zeros(1, *y.shape),
    }
    honest = variogram_score(draws, y)
    for name, x in wrong.items():
        gap = variogram_score(x, y) - honest
        assert float(gap.mean()) > 3 * float(gap.std()) / 60**0.5, name


def test_a_shift_of_all_colors_is_not_seen() -> None:
    y, x = smooth(3, 6), smooth(6, 7).unflatten(0, (2, 3))
    shift = torch.tensor([30.0, -10.0])[:, None, None]
    torch.testing.assert_close(variogram_score(x + shift, y), variogram_score(x, y), rtol=1e-3, atol=1e-3)


def test_pictures_of_one_pixel_have_no_pairs() -> None:
    assert variogram_score(torch.ones(2, 3, 2, 1, 1), torch.zeros(3, 2, 1, 1)).tolist() == [0.0, 0.0, 0.0]
    assert max(LAGS) < 64


# ---- flat variation ----


def scenes(count: int, seed: int) -> torch.Tensor:
    """lab [count 3 32 32]: two areas of one lightness each, with some grain, and a slowly varying chroma of each."""
    generator = torch.Generator().manual_seed(seed)
    border = torch.randint(8, 24, (count, 1, 1, 1), generator=generator)
    left = (torch.arange(32) < border).float().expand(-1, 1, 32, 32)
    L = 30 + 40 * left + torch.randn(count, 1, 32, 32, generator=generator)
    one, two = (
        15 * torch.randn(count, 2, 1, 1, generator=generator) + smooth(count, seed + i, spread=3.0) for i in (1, 2)
    )
    return torch.cat([L, torch.where(left.bool(), one, two)], 1)


def recolored(lab: torch.Tensor, seed: int) -> torch.Tensor:
    """[1 b 2 h w]: a coherent coloring of the same lightness: other colors of the areas."""
    generator = torch.Generator().manual_seed(seed)
    return lab[None, :, 1:] + 8 * torch.randn(1, len(lab), 2, 1, 1, generator=generator)


def variation(draws: torch.Tensor, lab: torch.Tensor) -> float:
    found = flat_scores(draws, lab)
    return float(found["flat"].sum() / found["flat_true"].sum())


def test_flat_scores_are_a_plain_loop_s() -> None:
    lab = scenes(1, 0)
    x = recolored(lab, 1) + smooth(3, 2, spread=5.0).unsqueeze(1)
    cells = lab.unfold(2, 4, 4).unfold(3, 4, 4).flatten(4).double()  # 1 3 8 8 16
    L, s = cells[0, 0].mean(-1), cells[0, 0].std(-1, correction=0)
    y = cells[0, 1:].mean(-1)
    hats = [d[0].unfold(1, 4, 4).unfold(2, 4, 4).flatten(3).double().mean(-1) for d in x]
    sums = {"flat": [], "flat_true": [], "score": [], "weight": []}
    for lag, (down, right) in itertools.product((1, 2, 4), [(0, 1), (1, 0), (1, 1), (1, -1)]):
        rows = []
        for i, j in itertools.product(range(8), range(8)):
            m, n = i + lag * down, j + lag * right
            if not (0 <= m < 8 and 0 <= n < 8):
                continue
            w = math.exp(-(((L[i, j] - L[m, n]) / 3) ** 2)) * math.exp(-(((s[i, j] + s[m, n]) / 6) ** 2))
            apart = [math.dist(h[:, i, j], h[:, m, n]) for h in hats]
            true = math.dist(y[:, i, j], y[:, m, n])
            roots = torch.tensor(apart, dtype=torch.float64).sqrt()
            error = (true**0.5 - roots.mean()) ** 2 - roots.var() / len(roots)
            rows.append((w * sum(apart) / len(apart), w * true, w * float(error), w))
        for name, column in zip(sums, zip(*rows, strict=True), strict=True):
            sums[name].append(sum(column) / len(column))
    expected = {name: sum(parts) / len(parts) for name, parts in sums.items()}
    found = {name: float(value) for name, value in flat_scores(x, lab).items()}
    assert found["flat"] == pytest.approx(expected["flat"], rel=1e-3)
    assert found["flat_true"] == pytest.approx(expected["flat_true"], rel=1e-3)
    assert found["flat_score"] == pytest.approx(expected["score"] / expected["weight"], rel=1e-3)


def test_patchwork_of_two_colorings_raises_it_and_a_blurred_truth_lowers_it() -> None:
    """Each in every one of 20 sets of 12 pictures: a power of 0.86 or more, with 95 % confidence."""
    cells = torch.arange(32) // 8
    checkered = ((cells[:, None] + cells) % 2).bool()
    for seed in range(20):
        lab = scenes(12, 100 * seed)
        one, two = recolored(lab, 100 * seed + 1), recolored(lab, 100 * seed + 2)
        coherent = flat_scores(one, lab)
        patched = flat_scores(torch.where(checkered, one, two), lab)
        assert 0.9 < variation(one, lab) < 1.1
        assert variation(torch.where(checkered, one, two), lab) > 1.5
        assert float(patched["flat_score"].mean()) > 2 * float(coherent["flat_score"].mean())
        assert variation(lab[None, :, 1:], lab) == pytest.approx(1.0)
        assert variation(blurred(lab), lab) < 0.95


def blurred(lab: torch.Tensor) -> torch.Tensor:
    """The truth's chroma, blurred within each area."""
    left = (lab[:, :1] > 50).float()

    def mean(area: torch.Tensor) -> torch.Tensor:
        pool = torch.nn.functional.avg_pool2d
        return pool(lab[:, 1:] * area, 9, 1, 4) / pool(area, 9, 1, 4).clamp_min(1e-6)

    return (left * mean(left) + (1 - left) * mean(1 - left))[None]


def test_edges_and_texture_do_not_count() -> None:
    """Two areas that differ in L may have any colors; in strong texture nothing is expected to agree."""
    lab = scenes(8, 3)
    left = lab[:, :1] > 50
    apart = torch.where(left, lab[:, 1:] + 60.0, lab[:, 1:])[None]
    assert variation(apart, lab) < 1.6  # only cells cut by the border notice
    rough = lab.clone()
    rough[:, 0] += 25 * torch.randn(8, 32, 32, generator=torch.Generator().manual_seed(4))
    assert float(flat_scores(apart, rough)["flat"].mean()) < 0.05 * float(flat_scores(apart, lab)["flat"].mean())


def test_gray_has_none_and_small_pictures_are_not_judged() -> None:
    lab = scenes(2, 5)
    assert variation(torch.zeros(1, 2, 2, 32, 32), lab) == 0.0
    assert flat_scores(torch.zeros(1, 2, 2, 4, 4), lab[..., :4, :4])["flat_score"].tolist() == [0.0, 0.0]
