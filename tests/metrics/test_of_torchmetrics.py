"""Any image metric of torchmetrics, of each picture and of sets: what torchmetrics itself says, fed what it expects."""

import pytest
import torch

from colorbench.errors import UserError
from colorbench.metrics.metric import Pair
from colorbench.metrics.suite import Suite
from colorbench.report.columns import column


@pytest.fixture
def pair() -> Pair:
    generator = torch.Generator().manual_seed(0)
    true = torch.randint(0, 256, (3, 3, 48, 48), generator=generator, dtype=torch.uint8)
    noise = torch.randint(-20, 21, true.shape, generator=generator)
    return Pair((true.long() + noise).clamp(0, 255).byte(), true)


def suite(**nodes) -> Suite:
    return Suite.of({"psnr": {"metric": "psnr"}, **nodes})


def test_a_metric_of_pictures_is_torchmetrics_own_one_picture_at_a_time(pair):
    from torchmetrics.functional.image import universal_image_quality_index as uqi

    node = {"metric": "torchmetrics", "name": "UniversalImageQualityIndex", "options": {}}
    found = suite(x=node).score(pair)["torchmetrics(UniversalImageQualityIndex)"]
    expected = [float(uqi(pair.rgb_hat[i : i + 1], pair.rgb[i : i + 1])) for i in range(3)]
    assert found.tolist() == pytest.approx(expected, abs=1e-6)


def test_its_data_range_is_that_of_what_it_is_fed(pair):
    node = {"metric": "torchmetrics", "name": "PeakSignalNoiseRatio", "options": {}}
    found = suite(x=node).score(pair)
    assert found["torchmetrics(PeakSignalNoiseRatio)"].tolist() == pytest.approx(found["psnr"].tolist(), abs=1e-4)


def test_a_metric_without_a_truth_sees_the_prediction(pair):
    node = {"metric": "torchmetrics", "name": "TotalVariation", "options": {}}
    found = suite(x=node).score(pair)["torchmetrics(TotalVariation)"]
    ab = (pair.rgb_hat.diff(dim=2).abs().sum((1, 2, 3)) + pair.rgb_hat.diff(dim=3).abs().sum((1, 2, 3))).double()
    assert found.tolist() == pytest.approx(ab.tolist(), rel=1e-4)


def test_a_column_says_its_options_and_which_way_is_good():
    name = "torchmetrics(StructuralSimilarityIndexMeasure,sigma=2.0)"
    node = {"metric": "torchmetrics", "name": "StructuralSimilarityIndexMeasure", "options": {"sigma": 2.0}}
    assert name in [m.name for m in suite(x=node).metrics]
    assert column(name).better == "higher"
    assert column("torchmetrics(TotalVariation)").better == "lower"
    assert column("torchmetrics(MemorizationInformedFrechetInceptionDistance)").kind == "set"
    assert column("torchmetrics(OfAnotherVersion)").better == "neither"


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ({"metric": "torchmetrics", "name": "PeakSignalNoise", "options": {}}, "did you mean 'PeakSignalNoiseRatio"),
        ({"metric": "torchmetrics", "name": "TotalVariation", "options": {"x": 1}}, r"options\.x"),
        (
            {"metric": "torchmetrics", "name": "MemorizationInformedFrechetInceptionDistance", "options": {}},
            "set_metric: torchmetrics",
        ),
    ],
)
def test_what_torchmetrics_has_not_is_one_line(node, said):
    with pytest.raises(UserError, match=said):
        suite(x=node)


def test_what_it_cannot_do_with_small_pictures_is_said_before_anything_is_judged():
    name = "MultiScaleStructuralSimilarityIndexMeasure"
    found = suite(x={"metric": "torchmetrics", "name": name, "options": {}})
    assert f"torchmetrics({name})" in found.unavailable(32)
    assert f"torchmetrics({name})" not in found.unavailable(256)


def test_a_metric_of_a_set_has_one_number(pair):
    node = {"set_metric": "torchmetrics", "name": "RelativeAverageSpectralError", "options": {}}
    (found,) = suite(x=node).set_metrics
    part = found.fresh()
    part.add(pair)
    part.add(pair)
    ((name, value),) = part.close().items()
    assert name == "torchmetrics(RelativeAverageSpectralError)"
    assert value["n"] == 6
    assert value["value"] > 0
    assert found.fresh().count == 0
