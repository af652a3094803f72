"""The monitor's numbers against those of the metrics."""

from pathlib import Path

import pytest
import torch
from families.conftest import pictures, small

from colorbench import color
from colorbench.metrics import colorfulness as metric
from colorbench.metrics.draws import score_draws
from colorbench.metrics.place import PARTS
from colorbench.noise import Noise
from colorbench.training import monitor


def test_the_ratios_are_those_of_the_means_of_the_metrics():
    batch = pictures(5)
    rgb = color.to_bytes(batch.rgb)
    half = color.to_bytes(color.decode(batch.L, batch.ab / 2))
    moments = monitor.Moments()
    moments.add(batch, batch.ab / 2, half, rgb, dict.fromkeys(("energy", *PARTS), torch.ones(5)), torch.zeros(5))
    values = moments.values((1.0, 1.0))
    expected = metric.colorfulness(half).mean() / metric.colorfulness(rgb).mean()
    assert values["val/colorfulness_ratio"] == pytest.approx(float(expected), rel=1e-5)
    assert values["val/chroma_ratio"] == pytest.approx(0.5, rel=1e-5)
    assert moments.sums["colorfulness"] / 5 == pytest.approx(float(metric.colorfulness(half).mean()), rel=1e-5)


def test_the_monitors_energy_is_the_judges_up_to_rounding_to_bytes():
    """Four draws of a stochastic family, seen by both."""
    batch, family = pictures(3), small("energy").eval()
    values = watched(family, batch, draws=4)
    with torch.no_grad():
        hats = [family.colorize(batch.L, Noise.of(0, batch.ids, k)) for k in range(4)]
    bytes_of = [color.to_bytes(color.decode(batch.L, hat)) for hat in hats]
    judged = score_draws(bytes_of, color.to_bytes(batch.rgb))["energy"].mean()
    assert values["val/energy"] == pytest.approx(float(judged), abs=0.3)


def test_the_monitors_joint_score_is_the_tables_up_to_rounding_to_bytes():
    """By hand of the judge's columns; and the mean of what is kept of each picture."""
    batch, family = pictures(3), small("energy").eval()
    kept = []
    values = watched(family, batch, draws=4, keep=lambda images, scores: kept.append((images, scores)))
    with torch.no_grad():
        hats = [family.colorize(batch.L, Noise.of(0, batch.ids, k)) for k in range(4)]
    true = color.to_bytes(batch.rgb)
    judged, gray = (
        score_draws([color.to_bytes(color.decode(batch.L, hat)) for hat in some], true)
        for some in (hats, [torch.zeros_like(batch.ab)])
    )
    expected = sum(float(judged[part].mean() / gray[part].mean()) for part in ("energy_field", "variogram")) / 2
    assert values["val/joint"] == pytest.approx(expected, rel=0.03)
    assert [images for images, _ in kept] == [0]
    assert sum(kept[0][1]) / 3 == pytest.approx(values["val/joint"], rel=1e-5)
    assert watched(small("gray").eval(), batch, draws=4)["val/joint"] == pytest.approx(1, rel=1e-5)


def test_a_single_answer_has_its_distance_for_energy():
    batch, family = pictures(3), small("unet").eval()
    values = watched(family, batch, draws=4)
    assert values["val/energy"] == pytest.approx(values["val/delta_e76"], rel=1e-5)


def test_validation_draws_with_few_steps_where_a_family_has_them(monkeypatch):
    batch, family = pictures(2), small("ddpm").eval()
    family.prepare([batch])
    assert family.quick.steps <= 10
    asked = []
    denoise = family.network.denoise
    monkeypatch.setattr(family.network, "denoise", lambda *args: asked.append(1) or denoise(*args))
    with torch.no_grad():
        family.preview(batch.L, Noise.of(0, batch.ids))
    assert len(asked) == family.quick.steps


def watched(family, batch, *, draws, keep=lambda images, scores: None):
    """What the monitor says of one batch."""

    class One:
        def __len__(self):
            return len(batch)

        def batches(self, batch_size, device):
            return [batch]

    options = monitor.Options(images=len(batch), draws=draws, previews=0, best="val/joint", alarms_from=0.0, alarms={})
    seen = monitor.Monitor(
        pictures=One(),
        batch_size=8,
        device=torch.device("cpu"),
        seed=0,
        options=options,
        folder=Path("unused"),
        draw=lambda columns, file: file,
        warn=print,
        show=lambda images, key, file: None,
        keep=keep,
    )
    with torch.no_grad():
        return seen(family, 0, 0.0)
