"""How sure: the law of the curve, what is written, and that a colored file says so."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from colorbench.batch import Batch
from colorbench.commands.colorize import main
from colorbench.data.pictures import Pictures
from colorbench.errors import UserError
from colorbench.inference import certainty as work
from colorbench.inference.certainty import Certainty
from colorbench.inference.doubt import MOST, Doubt
from colorbench.inference.photo import read_photo
from colorbench.metrics.difference import delta_e_2000
from colorbench.noise import Noise
from colorbench.registry import build

from .conftest import VAE, colorful, levels


def test_the_curve_finds_the_law_it_was_drawn_from_and_never_rises():
    rng = np.random.default_rng(0)
    apart = rng.exponential(6.0, 200_000)
    law = 1.0 / (1.0 + np.exp((apart - 8.0) / 2.0))
    learned = Certainty.of(apart, rng.random(len(apart)) < law, 8)
    assert sorted(learned.sure, reverse=True) == list(learned.sure)
    at = torch.tensor([1.0, 4.0, 8.0, 12.0])
    assert (learned(at) - 1.0 / (1.0 + torch.exp((at - 8.0) / 2.0))).abs().max() < 0.03
    assert learned(torch.tensor([1e3])).item() == pytest.approx(learned.sure[-1])


def test_a_calibrated_curve_beats_the_constant_and_one_of_noise_does_not():
    rng = np.random.default_rng(1)

    def pictures(known):
        found = []
        for _ in range(60):
            apart = rng.exponential(6.0, 400)
            law = 1.0 / (1.0 + np.exp((apart - 6.0) / 2.0)) if known else np.full(400, 0.6)
            found.append((apart, rng.random(400) < law))
        return found

    for known in (True, False):
        learned, base = work.learn(pictures(known), 8)
        shown = work.show(learned, base, pictures(known))
        assert (shown.gain.low > 0) == known
        assert shown.off < 0.03


def test_spread_is_the_mean_difference_of_the_draws_from_their_mean():
    L = torch.zeros(1, 1, 3, 4)
    draws = torch.zeros(2, 1, 2, 3, 4)
    draws[0, :, 0], draws[1, :, 0] = 0.1, -0.1
    apart = work.spread(L, draws, draws.mean(dim=0))
    lab = torch.zeros(1, 3, 3, 4)
    lab[:, 0], lab[:, 1] = 50.0, 12.8
    gray = lab.clone()
    gray[:, 1] = 0.0
    other = lab.clone()
    other[:, 1] = -12.8
    expected = (delta_e_2000(lab, gray) + delta_e_2000(other, gray)) / 2
    assert torch.allclose(apart, expected, atol=0.05)
    assert work.spread(L, draws[:1], draws[0]).abs().max() < 0.01


@pytest.mark.parametrize("dial", [["--vivid", "0.2"], ["--strength", "2"]])
def test_no_share_is_said_to_be_a_guess_where_a_dial_moved_the_draws(dial, models, tmp_path):
    """At a vividness of 0.2 they lie within 10 of each other, whatever the model knows."""
    assert _uncertain(models, tmp_path, "--samples", "3", "--uncertainty", *dial) == 0
    made = json.loads((tmp_path / "out" / "scan.json").read_text())
    assert "share_that_is_a_guess" not in made
    assert made["calibrated"] is False
    assert made["spread_ciede2000"]["mean"] > 0


def test_pixels_are_those_of_the_draws_that_colorize_makes():
    family = colorful(VAE)
    pixels = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))
    batch = Batch.of_bytes(pixels, torch.tensor([3, 4]))

    two = Pictures(["a", "b"], batch.ids, pixels, np.zeros((2, 32), np.uint8))
    found = list(work.pixels(family, two, draws=3, seed=7, device=torch.device("cpu")))
    assert len(found) == 2
    with torch.no_grad():
        draws = torch.stack([family.colorize(batch.L, Noise.of(7, batch.ids, k)) for k in range(3)])[..., ::2, ::2]
    apart = work.spread(batch.L[..., ::2, ::2], draws, draws.mean(dim=0))
    assert np.allclose(found[1][0], apart[1].flatten().numpy(), atol=1e-4)
    assert found[0][1].dtype == bool


def _uncertain(models, tmp_path, *words, name="scan.png"):
    if not (tmp_path / name).exists():
        Image.fromarray(levels(90, 130)).save(tmp_path / name)
    return main(
        [str(tmp_path / name), "--model", str(models("vae")), "-o", str(tmp_path / "out"), "--device", "cpu", *words]
    )


def test_uncertainty_writes_the_mean_the_draws_a_map_with_a_legend_and_what_made_them(models, tmp_path, capsys):
    assert _uncertain(models, tmp_path, "--samples", "3", "--uncertainty", "--seed", "5") == 0
    out = tmp_path / "out"
    names = sorted(p.name for p in out.iterdir() if not p.name.startswith("."))
    expected = ["scan-1.png", "scan-2.png", "scan-3.png", "scan-sheet.png", "scan-uncertainty.png", "scan.json"]
    assert names == sorted([*expected, "scan.png"])
    made = json.loads((out / "scan.json").read_text())
    assert made["model"] == "vae"
    assert made["seed"] == 5
    assert made["answer"] == "mean of 3 draws"
    assert made["size"] == [130, 90]
    assert len(made["weights_sha256"]) == 64
    assert made["program"].startswith("colorbench ")
    assert made["calibrated"] is False
    assert 0.0 <= made["share_that_is_a_guess"] <= 1.0
    drawn = np.asarray(Image.open(out / "scan-uncertainty.png").convert("RGB"))
    assert drawn.shape[0] > 90
    assert len(np.unique(drawn[90:].reshape(-1, 3), axis=0)) > 50  # the bar's colors
    assert _uncertain(models, tmp_path, "--samples", "3", "--uncertainty", "--seed", "5") == 0
    assert "1 finished before" in capsys.readouterr().out


def test_a_map_is_bright_where_the_draws_lie_apart():
    photo = read_photo(Image.fromarray(np.full((40, 60), 128, np.uint8)))
    apart = torch.zeros(8, 12)
    apart[:, 6:] = 2 * MOST
    doubt = Doubt(apart, Certainty((0.0, 20.0), (0.9, 0.1), 8))
    shown = np.asarray(doubt.picture(photo)).astype(int)[:40, :60]
    assert shown[:, 40:].sum(axis=2).mean() > 1.5 * shown[:, :20].sum(axis=2).mean()
    assert doubt.guess == pytest.approx(0.5)
    assert doubt.numbers["share_expected_right"] == pytest.approx(0.5, abs=0.01)


def test_what_lies_beside_the_weights_is_read_and_a_damaged_file_is_named(models, tmp_path):
    learned = Certainty((1.0, 5.0), (0.9, 0.2), 8)
    (tmp_path / work.FILE).write_text(json.dumps({"spread": learned.spread, "sure": learned.sure, "draws": 8}))
    assert Certainty.beside(tmp_path / "model.safetensors") == learned
    assert Certainty.beside(tmp_path / "elsewhere" / "model.safetensors") is None
    for text in (
        "[]",
        "{}",
        '{"spread": [2, 1], "sure": [1, 1], "draws": 8}',
        '{"spread": [], "sure": [], "draws": 8}',
    ):
        (tmp_path / work.FILE).write_text(text)
        with pytest.raises(UserError, match="damaged"):
            Certainty.beside(tmp_path / "model.safetensors")


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
@pytest.mark.parametrize("deep", [False, True])
def test_every_colored_file_says_that_it_was_colorized(suffix, deep, models, tmp_path):
    if deep and suffix not in ("png", "tif"):
        return
    name = "scan.tif" if deep else "scan.png"
    pixels = levels(30, 40)
    exif = Image.Exif()
    exif[0x010F] = "maker"
    Image.fromarray(pixels.astype(np.uint16) * 257 if deep else pixels).save(tmp_path / name, exif=exif)
    words = ["--model", str(models("vae")), "-o", str(tmp_path / "out"), "--device", "cpu", "--format", suffix]
    assert main([str(tmp_path / name), *words]) == 0
    data = (tmp_path / "out" / f"scan.{suffix}").read_bytes()
    packet = data[data.index(b"<?xpacket") : data.index(b'<?xpacket end="w"?>')].decode()
    from xml.etree import ElementTree

    (fact,) = next(ElementTree.fromstring(packet.split("?>", 1)[1]).iter()).iter(
        "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description"
    )
    assert fact.get("{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType").endswith("AlgorithmicMedia")
    assert fact.get("{urn:colorbench:1}colorized") == "True"
    assert fact.get("{urn:colorbench:1}model") == "vae"
    with Image.open(tmp_path / "out" / f"scan.{suffix}") as back:
        back.load()
        found = back.info.get("xmp") or back.info.get("XML:com.adobe.xmp") or back.getexif().get(700)
        assert b"colorized" in (found.encode() if isinstance(found, str) else bytes(found))
        assert back.getexif().get(0x010F) == (None if deep and suffix == "tif" else "maker")


def test_a_model_of_one_answer_has_no_uncertainty(models, tmp_path):
    Image.fromarray(levels()).save(tmp_path / "a.png")
    with pytest.raises(UserError, match="one answer"):
        main([str(tmp_path / "a.png"), "--model", str(models("regression")), "--uncertainty", "--device", "cpu"])


def test_vividness_is_the_family_s_own_dial_where_it_has_one(models):
    from colorbench.inference.colorizer import Colorizer

    plain = Colorizer.from_pretrained(models("vae"), device="cpu")
    assert plain.vivid(1.4) == 1.4
    bins = {
        "family": "bins",
        "network": {
            "network": "features",
            "encoder": {"network": "pyramid", "scale": 4, "width": 8, "widths": [8], "norm": "batch"},
            "widths": [8],
            "blocks": 1,
            "norm": "batch",
        },
        "uniform": 0.5,
        "decode": "mean",
        "temperature": 0.38,
        "weights": {"classification": 1},
    }
    torch.manual_seed(0)
    family = build("family", bins, "model").eval()
    L = torch.rand(1, 1, 16, 16) * 2 - 1
    noise = Noise.of(0, torch.tensor([1]), 0)

    def chroma(amount):
        assert family.vivid(amount)
        with torch.no_grad():
            return family.colorize(L, noise)

    with torch.no_grad():
        likely = family.palette.colors(family.logits(L).argmax(dim=1))
    trained, coldest = chroma(1.0), chroma(12.0)
    small = torch.nn.functional.adaptive_avg_pool2d(coldest, likely.shape[-2:])
    assert (small - likely).abs().mean() < 0.5 * (small - trained.mean((2, 3), keepdim=True)).abs().mean()
    assert torch.equal(chroma(1.0), trained)


def test_a_reference_lends_its_colors_to_what_looks_alike():
    from skimage import data

    from colorbench.inference.colorizer import Colorizer

    model = Colorizer.from_pretrained(device="cpu")
    red = np.asarray(Image.fromarray(data.chelsea()).resize((192, 128)))
    gray = Image.fromarray(red).convert("L")
    tinted = red.astype(np.float32) * (1.0, 0.55, 0.45)
    reference = Image.fromarray(tinted.round().astype(np.uint8))
    own, taken = (np.asarray(model(gray, hint=hint)).astype(int) for hint in (None, reference))
    redness = [(x[..., 0] - x[..., 1]).mean() for x in (own, taken, tinted)]
    assert redness[0] + 5 < redness[1] < redness[2] + 10
