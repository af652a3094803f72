"""Per-image metrics against independent implementations, and the known slips of the field as mutations."""

import math
import warnings

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError
from skimage import color as sk_color
from skimage import metrics as sk_metrics

from colorbench import color, registry
from colorbench.errors import UserError
from colorbench.metrics.colorfulness import ChromaRatio, Colorfulness, DeltaColorfulness, Drift, colorfulness
from colorbench.metrics.difference import CIEDE2000, ChromaL1, DeltaE76, delta_e_2000
from colorbench.metrics.metric import Metric, Pair
from colorbench.metrics.perceptual import LPIPS, Distance
from colorbench.metrics.psnr import PSNR, psnr
from colorbench.metrics.ssim import SSIM, LumaSSIM, ms_ssim, ssim
from colorbench.metrics.suite import Suite
from colorbench.metrics.trunk import TrunkDistance
from colorbench.runs.config import compose

SHARMA = """
50 2.6772 -79.7751 50 0 -82.7485 2.0425;50 3.1571 -77.2803 50 0 -82.7485 2.8615;50 2.8361 -74.02 50 0 -82.7485 3.4412
50 -1.3802 -84.2814 50 0 -82.7485 1;50 -1.1848 -84.8006 50 0 -82.7485 1;50 -0.9009 -85.5211 50 0 -82.7485 1
50 0 0 50 -1 2 2.3669;50 -1 2 50 0 0 2.3669;50 2.49 -0.001 50 -2.49 0.0009 7.1792;50 2.49 -0.001 50 -2.49 0.001 7.1792
50 2.49 -0.001 50 -2.49 0.0011 7.2195;50 2.49 -0.001 50 -2.49 0.0012 7.2195;50 -0.001 2.49 50 0.0009 -2.49 4.8045
50 -0.001 2.49 50 0.001 -2.49 4.8045;50 -0.001 2.49 50 0.0011 -2.49 4.7461;50 2.5 0 50 0 -2.5 4.3065
50 2.5 0 73 25 -18 27.1492;50 2.5 0 61 -5 29 22.8977;50 2.5 0 56 -27 -3 31.903;50 2.5 0 58 24 15 19.4535
50 2.5 0 50 3.1736 0.5854 1;50 2.5 0 50 3.2972 0 1;50 2.5 0 50 1.8634 0.5757 1;50 2.5 0 50 3.2592 0.335 1
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644;63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.263
61.2901 3.7196 -5.3901 61.4292 2.248 -4.962 1.8731;35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
22.7233 20.0904 -46.694 23.0331 14.973 -42.5619 2.0373;36.4612 47.858 18.3852 36.2715 50.5065 21.2231 1.4146
90.8027 -2.0831 1.441 91.1528 -1.6435 0.0447 1.4441;90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377;2.0776 0.0795 -1.135 0.9033 -0.0636 -0.5514 0.9082
"""


def smooth(n: int, size: int, seed: int) -> torch.Tensor:
    """Colorful low-frequency pictures with some texture, uint8."""
    g = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, 3, 5, 5, generator=g)
    x = torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic", align_corners=False)
    return color.to_bytes(x + 0.08 * torch.randn(n, 3, size, size, generator=g))


@pytest.fixture(scope="module")
def pair() -> Pair:
    """Four pictures with errors of quite unlike size, which is where pooled and per-image means part."""
    true = smooth(4, 48, 0)
    hat = true.float()
    for i, scale in enumerate((0.02, 0.1, 0.4, 0.9)):
        hat[i] = (1 - scale) * hat[i] + scale * smooth(1, 48, 9 + i)[0]
    return Pair(hat.round().to(torch.uint8), true)


def hwc(pixels: torch.Tensor) -> np.ndarray:
    return pixels.permute(0, 2, 3, 1).numpy()


def test_psnr_is_scikit_images_of_each_picture(pair: Pair) -> None:
    expected = [
        sk_metrics.peak_signal_noise_ratio(t, h, data_range=255)
        for h, t in zip(hwc(pair.hat), hwc(pair.true), strict=True)
    ]
    np.testing.assert_allclose(PSNR()(pair), expected, atol=1e-4)


def test_psnr_of_a_set_is_not_the_psnr_of_its_pooled_error(pair: Pair) -> None:
    pooled = -10 * math.log10((pair.rgb_hat - pair.rgb).square().mean())
    assert PSNR()(pair).mean() - pooled > 3


def test_identical_pictures_have_the_capped_psnr_and_no_infinity(pair: Pair) -> None:
    assert PSNR()(Pair(pair.true, pair.true)).tolist() == [100.0] * 4


def test_ssim_is_scikit_images_gaussian_ssim(pair: Pair) -> None:
    def reference(hat: np.ndarray, true: np.ndarray) -> float:
        return sk_metrics.structural_similarity(
            true / 255.0,
            hat / 255.0,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1.0,
        )

    expected = [reference(h, t) for h, t in zip(hwc(pair.hat), hwc(pair.true), strict=True)]
    np.testing.assert_allclose(SSIM()(pair), expected, atol=1e-4)


def test_ssim_needs_its_data_range_said_and_the_field_s_225_gives_another_number(pair: Pair) -> None:
    with pytest.raises(TypeError, match="data_range"):
        ssim(pair.rgb_hat, pair.rgb)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="expected values in"):
        ssim(pair.rgb_hat * 255, pair.rgb * 255, data_range=225.0)
    # what the range check cannot see (pictures that happen to stay below 225) still differs in the fourth digit
    hat, true = (x.clamp_max(225 / 255) * 255 for x in (pair.rgb_hat, pair.rgb))
    assert (ssim(hat, true, data_range=225.0) - ssim(hat, true, data_range=255.0)).abs().max() > 1e-4


def test_luma_ssim_sees_lightness_only(pair: Pair) -> None:
    L, ab = color.encode(pair.rgb * 0.5 + 0.25)
    gray = Pair(color.to_bytes(color.decode(L, 0 * ab)), color.to_bytes(color.decode(L, ab)))
    assert LumaSSIM()(gray).min() > 0.99
    assert SSIM()(gray).max() < 0.99


def test_ms_ssim_is_torchmetrics(pair: Pair) -> None:
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as reference

    true = color.from_bytes(smooth(2, 176, 1))
    hat = (true + 0.1 * torch.randn(true.shape, generator=torch.Generator().manual_seed(2))).clamp(0, 1)
    expected = reference(hat, true, data_range=1.0, reduction="none", betas=(0.0448, 0.2856, 0.3001, 0.2363, 0.1333))
    np.testing.assert_allclose(ms_ssim(hat, true, data_range=1.0), expected, atol=5e-3)  # it averages the padded border


def test_ms_ssim_is_not_available_under_161_pixels() -> None:
    metric = registry.build("metric", {"metric": "ms_ssim"})
    assert "161" in metric.unavailable(160)
    assert metric.unavailable(161) == ""


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_ciede2000_gives_sharmas_34_pairs(dtype: torch.dtype) -> None:
    rows = [row.split() for line in SHARMA.split("\n") for row in line.split(";") if row]
    table = torch.tensor([[float(x) for x in row] for row in rows], dtype=dtype)
    assert table.shape == (34, 7)
    one, two = table[:, :3, None, None], table[:, 3:6, None, None]
    for a, b in ((one, two), (two, one)):
        torch.testing.assert_close(delta_e_2000(a, b)[:, 0, 0], table[:, 6], atol=1.01e-4, rtol=0)


def test_ciede2000_and_de76_are_scikit_images(pair: Pair) -> None:
    lab, lab_hat = (sk_color.rgb2lab(hwc(x)) for x in (pair.true, pair.hat))
    np.testing.assert_allclose(CIEDE2000()(pair), sk_color.deltaE_ciede2000(lab, lab_hat).mean((1, 2)), atol=2e-3)
    np.testing.assert_allclose(DeltaE76()(pair), sk_color.deltaE_cie76(lab, lab_hat).mean((1, 2)), atol=2e-3)
    np.testing.assert_allclose(ChromaL1()(pair), np.abs(lab_hat - lab)[..., 1:].mean((1, 2, 3)), atol=2e-3)


def test_ciede2000_of_random_pairs_is_scikit_images() -> None:
    rng = np.random.default_rng(0)
    one, two = (rng.uniform([0, -128, -128], [100, 128, 128], (20_000, 3)) for _ in range(2))
    ours = delta_e_2000(torch.from_numpy(two.T[None, :, :, None]), torch.from_numpy(one.T[None, :, :, None]))
    np.testing.assert_allclose(ours[0, :, 0], sk_color.deltaE_ciede2000(one, two), atol=1e-9)


def test_colorfulness_is_hasler_and_suesstrunks_with_signed_axes(pair: Pair) -> None:
    def published(picture: np.ndarray) -> float:
        red, green, blue = (picture[..., c].astype(np.float64) for c in range(3))
        rg, yb = red - green, 0.5 * (red + green) - blue
        return np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean())

    np.testing.assert_allclose(Colorfulness()(pair), [published(p) for p in hwc(pair.hat)], rtol=1e-5)


def test_the_literatures_absolute_colorfulness_is_lower_and_has_its_own_name(pair: Pair) -> None:
    signed, absolute = Colorfulness(), Colorfulness(compat="ddcolor")
    assert absolute.name == "colorfulness_abs(ddcolor)" != signed.name
    assert (absolute(pair) < signed(pair)).all()


def test_delta_colorfulness_per_image_is_not_the_difference_of_means() -> None:
    dull, vivid = smooth(2, 32, 3), smooth(2, 32, 3)
    dull[0] = dull[0].float().mean(0).to(torch.uint8)
    vivid[1] = vivid[1].float().mean(0).to(torch.uint8)
    pair = Pair(dull, vivid)
    of_means = abs(float(colorfulness(dull).mean() - colorfulness(vivid).mean()))
    assert DeltaColorfulness()(pair).mean() > of_means + 5


def test_gray_has_no_color(pair: Pair) -> None:
    L, ab = color.encode(pair.rgb)
    gray = Pair(color.to_bytes(color.decode(L, 0 * ab)), pair.true)
    assert Colorfulness()(gray).max() < 1.0
    assert ChromaRatio()(gray).max() < 0.02
    for axis, channel in (("a", 1), ("b", 2)):
        np.testing.assert_allclose(Drift(axis=axis)(gray), -pair.lab[:, channel].mean((1, 2)), atol=0.2)


def test_swapped_channels_are_seen_by_every_color_metric(pair: Pair) -> None:
    """BGR for RGB: same luma-ish picture, another color."""
    swapped = Pair(pair.true.flip(1), pair.true)
    assert CIEDE2000()(swapped).min() > 5
    assert DeltaE76()(swapped).min() > 5
    assert PSNR()(swapped).max() < 30


def test_rounding_returns_the_exact_picture_and_truncation_would_not() -> None:
    true = smooth(2, 64, 5)
    rgb = color.decode(*color.encode(color.from_bytes(true)))
    assert PSNR()(Pair(color.to_bytes(rgb), true)).tolist() == [100.0, 100.0]
    truncated = (rgb.clamp(0, 1) * 255).to(torch.uint8)
    assert PSNR()(Pair(truncated, true)).max() < 60


def test_the_gamut_clip_costs_lightness_and_is_measured_on_the_clipped_picture() -> None:
    """Chroma times 1.8 leaves the gamut: the judged picture no longer has the true L."""
    true = smooth(2, 48, 6)
    L, ab = color.encode(color.from_bytes(true))
    raw = (L, (1.8 * ab).clamp(-1, 1))
    pair = Pair(color.to_bytes(color.decode(*raw)), true, raw)
    assert (pair.lab_hat[:, 0] - pair.lab[:, 0]).abs().mean() > 0.1
    unclipped = (color.join(*raw) - pair.lab).square().sum(1).sqrt().mean((1, 2))
    assert (DeltaE76()(pair) - unclipped).abs().max() > 0.1


@pytest.mark.parametrize("wrong", [torch.rand(1, 3, 16, 16), torch.zeros(1, 16, 16, 3, dtype=torch.uint8)])
def test_the_door_takes_bytes_with_three_channels_only(wrong: torch.Tensor) -> None:
    right = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    with pytest.raises((ValueError, TypeCheckError)):
        Pair(wrong, right)
    with pytest.raises((ValueError, TypeCheckError)):
        Pair(right, wrong)


def test_the_door_takes_pictures_of_one_shape_only() -> None:
    with pytest.raises((ValueError, TypeCheckError)):
        Pair(torch.zeros(1, 3, 16, 16, dtype=torch.uint8), torch.zeros(2, 3, 16, 16, dtype=torch.uint8))


def test_a_score_outside_its_declared_range_is_refused(pair: Pair) -> None:
    class Broken(Metric):
        name, better, fed = "broken", "higher", "bytes"
        high = 1.0

        def score(self, pair: Pair) -> torch.Tensor:
            return torch.full((len(pair),), self.value)

    metric = Broken()
    for metric.value in (1.5, -0.5, float("nan")):
        with pytest.raises(ValueError, match="outside its declared range"):
            metric(pair)
    metric.value = 0.5
    assert metric(pair).tolist() == [0.5] * 4


def test_psnr_refuses_bytes_declared_as_unit_range(pair: Pair) -> None:
    with pytest.raises(ValueError, match="expected values in"):
        psnr(pair.hat.float(), pair.true.float(), data_range=1.0)


# ---------------------------------------------------------------------------------------------------------- LPIPS


def random_trunk(net: str) -> dict[str, torch.Tensor]:
    from torchvision import models

    torch.manual_seed(0)
    name = {"squeeze": "squeezenet1_1", "alex": "alexnet"}[net]
    return {k: v for k, v in models.get_model(name, weights=None).state_dict().items() if k.startswith("features")}


@pytest.mark.parametrize("net", ["squeeze", "alex"])
@pytest.mark.parametrize("heads", [True, False])
def test_lpips_is_the_lpips_package(pair: Pair, net: str, heads: bool) -> None:
    import lpips

    trunk = random_trunk(net)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = lpips.LPIPS(net=net, lpips=heads, pnet_rand=True, verbose=False)
    for name, module in reference.net.named_modules():
        for key, value in module.named_parameters(recurse=False):
            value.data = trunk[f"features.{name.split('.', 1)[1]}.{key}"]
    ours = Distance(net=net, state=trunk, heads=heads)
    with torch.no_grad():
        expected = reference(pair.rgb_hat, pair.rgb, normalize=True).flatten()
        torch.testing.assert_close(ours(pair.rgb_hat, pair.rgb), expected, rtol=1e-4, atol=1e-6)


def test_lpips_refuses_pictures_in_minus_one_to_one(pair: Pair) -> None:
    distance = Distance(net="squeeze", state=random_trunk("squeeze"), heads=True)
    with pytest.raises(ValueError, match="expected values in"):
        distance(2 * pair.rgb_hat - 1, 2 * pair.rgb - 1)
    assert distance(pair.rgb_hat, pair.rgb).shape == (4,)


def test_lpips_without_weights_says_so_and_gives_no_number(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    metric = LPIPS(net="alex")
    assert metric.name == "lpips_alex"
    assert metric.unavailable(64) == "weights not found: colorbench fetch-weights alexnet"


def test_lpips_of_other_weights_never_has_the_published_name(tmp_path, pair: Pair) -> None:
    from safetensors.torch import save_file

    save_file(random_trunk("squeeze"), tmp_path / "mine.safetensors")
    metric = LPIPS(net="squeeze", weights=str(tmp_path / "mine.safetensors"), label="mine")
    assert metric.name == "lpips_squeeze(mine)"
    assert not metric.published
    assert metric(pair).min() > 0
    torch.save(random_trunk("squeeze"), tmp_path / "squeezenet1_1-b8a52dc0.pth")  # lying about its name does not help
    assert LPIPS(net="squeeze", weights=str(tmp_path / "squeezenet1_1-b8a52dc0.pth")).name != "lpips_squeeze"


def test_lpips_of_a_missing_or_wrong_file_is_one_clear_line(tmp_path) -> None:
    with pytest.raises(UserError, match=r"metrics.lpips.weights: no such file"):
        LPIPS(weights=str(tmp_path / "nowhere.pth"))
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "short.pth")
    with pytest.raises(UserError, match="lack"):
        _ = LPIPS(net="squeeze", weights=str(tmp_path / "short.pth")).distance
    (tmp_path / "text.pth").write_text("not weights")
    with pytest.raises(UserError, match="cannot be read"):
        _ = LPIPS(net="squeeze", weights=str(tmp_path / "text.pth")).distance


@pytest.mark.parametrize("name", registry.names("metric"))
def test_every_metric_declares_what_it_is(name: str) -> None:
    kind = registry.lookup("metric", name)
    assert kind.better in ("higher", "lower", "neither")
    assert kind.fed
    assert kind.low < kind.high
    assert kind.__doc__


def test_a_suite_scores_alike_on_any_number_of_threads_and_at_whatever_precision_networks_multiply() -> None:
    pair = Pair(smooth(5, 192, 7), smooth(5, 192, 8))
    suite = Suite.of({name: {"metric": name} for name in ("psnr", "ssim", "ssim_luma", "ms_ssim", "ciede2000")})
    before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    found = []
    try:
        for threads, precision in ((1, "highest"), (2, "highest"), (2, "medium")):
            torch.set_num_threads(threads)
            torch.set_float32_matmul_precision(precision)
            found.append(suite.score(pair))
            assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == (threads, precision)
    finally:
        torch.set_num_threads(before[0])
        torch.set_float32_matmul_precision(before[1])
    for scores in found[1:]:
        for name, values in scores.items():
            torch.testing.assert_close(values, found[0][name], rtol=1e-6, atol=1e-6)


# ------------------------------------------------------------------------------------------ the installed trunk


def test_the_distance_in_an_installed_trunk_is_zero_for_the_truth_and_grows_with_the_fault(pair: Pair) -> None:
    metric = TrunkDistance(trunk="lite0")
    assert metric.name == "trunk_distance_lite0"
    assert metric.column(metric.name).group == "trunk_distance"
    gray = color.to_bytes(pair.rgb.mean(1, keepdim=True).expand(-1, 3, -1, -1))
    half = color.to_bytes((pair.rgb + color.from_bytes(gray)) / 2)
    zero, near, far = (metric(Pair(hat, pair.true)) for hat in (pair.true, half, gray))
    assert zero.abs().max() < 1e-9
    assert (near < far).all()


def test_the_distance_in_an_installed_trunk_is_the_loss_perceptual_trunk(pair: Pair) -> None:
    """One formula for the column and for the loss, on pictures that both can express."""
    loss = registry.build("distance", compose(["perceptual=trunk"])["perceptual"])
    L, ab = color.split(color.bytes_to_lab(pair.true))
    hat = color.to_bytes(color.decode(L, 0.5 * ab))
    true = color.to_bytes(color.decode(L, ab))
    with torch.no_grad():
        expected = loss(L, 0.5 * ab, ab)
    torch.testing.assert_close(TrunkDistance(trunk="lite0")(Pair(hat, true)).float(), expected, rtol=0.1, atol=0.02)


def test_several_colorings_of_a_picture_score_as_each_alone() -> None:
    true, hats = smooth(5, 48, 1), [smooth(5, 48, seed) for seed in (2, 3)]
    suite = Suite.of({name: {"metric": name} for name in ("psnr", "ssim", "ciede2000")})
    together = suite.score_all([Pair(hat, true) for hat in hats])
    for hat, found in zip(hats, together, strict=True):
        for name, values in suite.score(Pair(hat, true)).items():
            assert torch.equal(found[name], values)
