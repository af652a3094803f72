"""Diffusion: each known cause of failure, designed out."""

import pytest
import torch
from families.conftest import _composed, adam, pictures, small, step

from colorbench.errors import UserError
from colorbench.family import Weights
from colorbench.networks.guided import enlarge, shrink
from colorbench.noise import Noise
from colorbench.registry import build, lookup
from colorbench.runs import config


def test_the_network_sees_chroma_of_unit_deviation_whatever_the_data():
    batch = pictures(64)
    family = small("ddpm")
    family.prepare([batch])
    x = (shrink(batch.ab, family.chroma_scale) - family.mean) / family.std
    torch.testing.assert_close(x.mean(dim=(0, 2, 3)), torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(x.std(dim=(0, 2, 3)), torch.ones(2), atol=1e-2, rtol=0)
    assert {"mean", "std"} <= set(family.state_dict())


def test_ddpm_and_ddim_load_each_others_checkpoint():
    ddpm, ddim = small("ddpm", seed=0), small("ddim", seed=1)
    ddim.load_state_dict(ddpm.state_dict(), strict=True)
    ddpm.load_state_dict(ddim.state_dict(), strict=True)
    assert not [k for k in ddpm.state_dict() if "sampler" in k]


@pytest.mark.parametrize("predicts", ["v", "velocity", "karras"])
def test_an_untrained_network_that_knows_the_truth_gives_the_truth(monkeypatch, predicts):
    """With what is to be predicted of the true image as the network's answer every sampler ends at the true image."""
    batch, prediction = pictures(3, size=32), f"parameterization@model.parameterization={predicts}"
    for sampler in ("ddpm", "ddim", "dpmpp", "euler", "heun", "churn"):
        family = small("ddim", f"sampler={sampler}", prediction, chroma_scale=4)
        family.prepare([batch])
        x0 = (shrink(batch.ab, 4) - family.mean) / family.std

        def denoise(x, t, maps, x0=x0, target=family.parameterization.target):
            sigma, alpha = (t * torch.pi / 2).sin()[:, None, None, None], (t * torch.pi / 2).cos()[:, None, None, None]
            return target(x0, (x - alpha * x0) / sigma, alpha, sigma)

        monkeypatch.setattr(family.network, "denoise", denoise)
        found = family.colorize(batch.L, Noise.of(0, batch.ids))
        torch.testing.assert_close(found, enlarge(shrink(batch.ab, 4), batch.L, 4).clamp(-1, 1), atol=1e-3, rtol=0)


def test_the_estimate_of_x0_is_clipped_where_the_limits_are_known(monkeypatch):
    batch = pictures(2)
    family = small("ddim")
    family.prepare([batch])
    monkeypatch.setattr(family.network, "denoise", lambda x, t, maps: -50.0 * torch.ones_like(x))
    ab = family.colorize(batch.L, Noise.of(0, batch.ids))
    assert ab.abs().max() <= 1.0
    torch.testing.assert_close(ab, torch.ones_like(ab), atol=0.02, rtol=0)


def test_every_prediction_and_weighting_learns():
    batch = pictures(4)
    for name in ("x0", "eps", "v"):
        for min_snr in (None, 5.0):
            family = small("ddpm", parameterization={"parameterization": name}, min_snr=min_snr).train()
            family.prepare([batch])
            optimizers = adam(family)
            losses = [step(family, optimizers, batch, Noise.of(0, batch.ids, 0))["network"] for _ in range(12)]
            assert losses[-1] < losses[0], (name, min_snr)
            with torch.no_grad():
                assert family.eval().colorize(batch.L, Noise.of(0, batch.ids)).isfinite().all()


def test_several_times_of_an_image_are_one_from_each_part_and_count_as_one_image(monkeypatch):
    batch, k = pictures(3), 4
    family = small("ddpm", times=k).train()
    family.prepare([batch])
    seen = []
    denoise = family.network.denoise

    def spy(x, t, maps):
        seen.append((x, [m.clone() for m in maps]))
        return denoise(x, t, maps)

    monkeypatch.setattr(family.network, "denoise", spy)
    asked = []
    schedule = type(family.schedule)
    kept = schedule.alpha_sigma
    monkeypatch.setattr(schedule, "alpha_sigma", lambda self, t: asked.append(t) or kept(self, t))
    (objective,) = family.objectives(batch, Noise.of(0, batch.ids), family.weights)
    assert objective.loss.shape == (3,)
    parts = (asked[0].view(3, k) * k).floor()
    assert (parts == torch.arange(k)).all()
    ((x, maps),) = seen
    assert len(x) == 3 * k
    for known in maps:
        own = known.view(3, k, *known.shape[1:])
        assert (own == own[:, :1]).all()
        assert not (own[0] == own[1]).all()


def test_a_combination_that_does_not_give_back_the_image_is_refused():
    with pytest.raises(UserError, match=r"model\.parameterization.*v needs a variance preserving"):
        small("flow", "parameterization@model.parameterization=v")
    for name in ("x0", "x0v", "eps", "karras"):
        small("flow", f"parameterization@model.parameterization={name}")


@pytest.mark.parametrize("model", ["ddpm", "flow", "edm"])
def test_the_network_is_told_the_same_time_on_every_path_and_sees_no_great_numbers(model, monkeypatch):
    batch, seen = pictures(8), []
    family = small(model).train()
    family.prepare([batch])
    network = family.network.forward
    monkeypatch.setattr(family.network, "forward", lambda x, t, L, k: seen.append((x, t)) or network(x, t, L, k))
    list(family.objectives(batch, Noise.of(0, batch.ids), Weights(family.weights)))
    ((x, t),) = seen
    assert t.min() > 0.0
    assert t.max() < 1.0
    assert x.std() < 1.5
    mixed = torch.stack(family.schedule.alpha_sigma(family.schedule.drawn(torch.linspace(0.05, 0.95, 9))))
    expected = torch.atan2(mixed[1], mixed[0]) / (torch.pi / 2)
    torch.testing.assert_close(family.clock(mixed[0], mixed[1]), expected)


def test_chroma_may_be_eight_times_smaller():
    batch = pictures(2, size=64)
    family = small("flow", chroma_scale=8, network={**_composed("flow", ())["model"]["network"], "scale": 8}).eval()
    family.prepare([batch])
    sizes = []
    family.network.stem.register_forward_pre_hook(lambda _, inputs: sizes.append(inputs[0].shape))
    with torch.no_grad():
        assert family.colorize(batch.L, Noise.of(0, batch.ids)).shape == (2, 2, 64, 64)
    assert set(sizes) == {(2, 2, 8, 8)}


def test_guidance_moves_along_the_line_from_what_is_known_without_L_and_costs_two_passes(monkeypatch):
    batch = pictures(2)
    plain = small("flow", "model.drop=0.5", "sampler.steps=1")
    guided = small("flow", "model.drop=0.5", "sampler.steps=1", "sampler.guidance=3.0")
    plain.prepare([batch]), guided.prepare([batch])
    for family in (plain, guided):
        family.sampler.steps = 1
        monkeypatch.setattr(family.network, "denoise", lambda x, t, maps: x - 0.1 * (maps[0].abs().sum() > 0))
    noise = Noise.of(0, batch.ids)
    found = {}
    for name, family in {"plain": plain, "guided": guided}.items():
        ab = family.colorize(torch.full_like(batch.L, 0.3), noise)  # flat, so that enlarging adds nothing
        found[name] = (shrink(ab, 4) - family.mean) / family.std
    torch.testing.assert_close(found["plain"], torch.full_like(found["plain"], 0.1), atol=1e-4, rtol=0)
    torch.testing.assert_close(found["guided"], torch.full_like(found["guided"], 0.3), atol=1e-4, rtol=0)
    assert guided.evaluations(32, 32) == 2 * plain.evaluations(32, 32)
    with pytest.raises(UserError, match=r"sampler\.guidance.*model\.drop"):
        small("flow", "sampler.guidance=3.0")


def test_L_is_hidden_as_often_as_asked_while_training_only(monkeypatch):
    batch = pictures(64)
    family = small("flow", drop=0.25)
    family.prepare([batch])
    shown = []
    denoise = family.network.denoise
    monkeypatch.setattr(
        family.network, "denoise", lambda x, t, maps: shown.append(maps[0].flatten(1).any(1)) or denoise(x, t, maps)
    )
    for mode, share in ((True, 0.75), (False, 1.0)):
        family.train(mode)
        shown.clear()
        list(family.objectives(batch, Noise.of(0, batch.ids), Weights(family.weights)))
        assert shown[0].float().mean().item() == pytest.approx(share, abs=0.09)


def test_the_drift_of_the_mean_color_is_logged():
    batch = pictures(4)
    family = small("ddpm")
    family.prepare([batch])
    (objective,) = family.objectives(batch, Noise.of(0, batch.ids), family.weights)
    assert objective.logs["drift"].ndim == 0
    assert float(objective.logs["drift"].detach()) >= 0.0


def test_any_chroma_scale_works_and_a_smaller_map_costs_less():
    from torch.utils.flop_counter import FlopCounterMode

    flops = {}
    for scale in (1, 2, 4):
        network = build(
            "network",
            {
                "network": "denoiser",
                "outputs": 2,
                "scale": scale,
                "width": 32,
                "multipliers": [1, 1],
                "blocks": 1,
                "attention": 1,
                "condition_width": 16,
                "norm": "batch",
                "dropout": 0.0,
            },
        )
        maps = network.encode(torch.zeros(1, 1, 64, 64))
        with FlopCounterMode(display=False) as counter:
            network.denoise(torch.zeros(1, 2, 64 // scale, 64 // scale), torch.zeros(1), maps)
        flops[scale] = counter.get_total_flops()
    assert flops[1] > 3 * flops[2] > 9 * flops[4]


def _denoisers():
    return [n for n in config.options("network") if hasattr(lookup("network", n), "denoise")]


each_network = pytest.mark.parametrize("network", _denoisers())


def test_the_denoisers_are_found():
    assert {"denoiser", "dit", "diffusers_unet"} <= set(_denoisers())


@each_network
def test_every_denoiser_starts_at_zero_and_learns_two_pictures(network):
    batch = pictures(2)
    family = small("flow", f"network@model.network={network}").train()
    family.prepare([batch])
    noise = Noise.of(0, batch.ids)
    x = torch.randn(2, 2, 8, 8)
    assert torch.equal(family.network(x, torch.rand(2), batch.L), torch.zeros_like(x))
    optimizers = adam(family, 3e-3)
    losses = [step(family, optimizers, batch, Noise.of(0, batch.ids, v))["network"] for v in range(120)]
    assert sum(losses[-20:]) < 0.5 * sum(losses[:20])
    family.eval()
    with torch.no_grad():
        for p in family.parameters():  # layers that start at zero would hide what comes before them
            p.add_(0.02 * torch.randn_like(p))
        maps = family.network.encode(batch.L)
        t = torch.rand(2)
        one = family.network.denoise(x, t, maps)
        torch.testing.assert_close(one, family.network(x, t, batch.L), atol=1e-5, rtol=1e-4)
        assert not torch.allclose(one, family.network.denoise(x, 1 - t, maps))
        assert not torch.allclose(one, family.network.denoise(x, t, [0 * m for m in maps]))
        L = torch.nn.functional.interpolate(batch.L, (37, 21))
        assert family.colorize(L, noise).shape == (2, 2, 37, 21)


def test_attention_turned_by_positions_sees_distances_only():
    from colorbench.networks.dit import rotations, turn

    q, k, angles = torch.randn(16), torch.randn(16), rotations(5, 7, 16, torch.device("cpu")).view(5, 7, 8)
    scores = torch.einsum("hwc,xyc->hwxy", turn(q, angles), turn(k, angles))
    torch.testing.assert_close(scores[0, 1, 2, 4], scores[2, 3, 4, 6], atol=1e-4, rtol=1e-4)
    assert (scores[0, 1, 2, 4] - scores[0, 1, 4, 4]).abs() > 1e-3
    assert (scores[0, 1, 2, 4] - scores[0, 1, 2, 1]).abs() > 1e-3


def test_the_drift_is_in_cielab_units():
    """Estimates that are one standard deviation too high in both axes drift by 128 std sqrt(2)."""
    family = small("ddpm", parameterization={"parameterization": "x0"})
    family.std.copy_(torch.tensor([0.1, 0.1]).view(1, 2, 1, 1))
    x0 = torch.randn(3, 2, 4, 4)
    ones = torch.ones(3, 1, 1, 1)
    drift = family.drift(x0, x0 + 1.0, x0, ones, ones)
    assert float(drift) == pytest.approx(128 * 0.1 * 2**0.5, rel=1e-5)
