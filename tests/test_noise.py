import pytest
import torch

from colorbench.noise import Noise, stable_id


def ids(n: int) -> torch.Tensor:
    return torch.tensor([stable_id(f"picture {i}") for i in range(n)])


def test_noise_of_an_image_does_not_depend_on_its_batch_or_its_place_in_it():
    together = Noise.of(7, ids(8)).normal("x", 2, 5, 3)
    alone = Noise.of(7, ids(8)[5:6]).normal("x", 2, 5, 3)
    turned = Noise.of(7, ids(8).flip(0)).normal("x", 2, 5, 3)
    assert torch.equal(together[5:6], alone)
    assert torch.equal(together, turned.flip(0))


def test_seeds_images_visits_and_purposes_all_have_streams_of_their_own():
    base = Noise.of(0, ids(1)).normal("x", 64)
    others = [
        Noise.of(1, ids(1)).normal("x", 64),
        Noise.of(0, ids(2)[1:]).normal("x", 64),
        Noise.of(0, ids(1), 1).normal("x", 64),
        Noise.of(0, ids(1)).normal("y", 64),
    ]
    for other in others:
        assert abs(float(torch.corrcoef(torch.cat([base, other]))[0, 1])) < 0.5
        assert not torch.equal(base, other)


def test_a_shorter_draw_is_not_needed_to_agree_but_a_repeat_is():
    assert torch.equal(Noise.of(0, ids(2), 3).uniform("t"), Noise.of(0, ids(2), 3).uniform("t"))


def test_normal_numbers_have_the_moments_of_a_normal():
    z = Noise.of(0, ids(64)).normal("x", 2, 64, 64)
    assert abs(float(z.mean())) < 0.006
    assert abs(float(z.std()) - 1) < 0.005
    assert abs(float((z**4).mean()) - 3) < 0.06
    assert float(z.abs().max()) > 4


@pytest.mark.parametrize("word", [0, -1])
def test_the_ends_of_the_interval_are_open_even_for_the_lowest_and_the_highest_word(word, monkeypatch):
    monkeypatch.setattr("colorbench.noise._mix", lambda z: torch.full_like(z, word))
    noise = Noise(ids(1))
    assert 0.0 < float(noise.uniform("x")) < 1.0
    assert noise.normal("x", 2).isfinite().all()


def test_the_numbers_of_one_draw_do_not_know_each_other():
    z = Noise.of(0, ids(64)).normal("x", 1024)
    for other in (z.roll(512, 1), z.roll(1, 1), z.flip(1)):
        assert abs(float(torch.corrcoef(torch.stack([z.flatten(), other.flatten()]))[0, 1])) < 0.02
        assert abs(float(torch.corrcoef(torch.stack([z.square().flatten(), other.square().flatten()]))[0, 1])) < 0.02


def test_uniform_numbers_fill_their_interval_evenly():
    u = Noise.of(0, ids(1000)).uniform("x", 100)
    counts = torch.histc(u, bins=20, min=0, max=1)
    chi_square = float(((counts - 5000) ** 2 / 5000).sum())
    assert chi_square < 45  # 19 degrees of freedom: p about 0.0007
    assert 0 < float(u.min()) < float(u.max()) < 1


def test_ids_are_stable_across_processes_and_unharmed_by_odd_names():
    assert stable_id("a/b.jpg") == 3744377629895026263
    assert stable_id("bad \udcff name") != stable_id("bad name")
