"""VAE: the two ways to fail are seen."""

import torch
from families.conftest import adam, pictures, small, step

from colorbench.family import Weights
from colorbench.noise import Noise


def test_kl_is_the_divergence_from_the_prior_in_nats():
    batch = pictures(4)
    family = small("vae").eval()
    torch.nn.init.normal_(family.network.prior.weight, 0.0, 0.05)
    with torch.no_grad():
        _, *moments = family.network(batch.L, batch.ab, torch.zeros(4, family.network.latent))
    (objective,) = family.objectives(batch, Noise.of(0, batch.ids), family.weights)
    q, p = (torch.distributions.Normal(mu, (0.5 * logvar).exp()) for mu, logvar in moments)
    assert float(p.mean.abs().min()) > 0
    torch.testing.assert_close(objective.logs["kl"], torch.distributions.kl_divergence(q, p).sum(dim=1))
    torch.testing.assert_close(objective.logs["kl_per_latent"], objective.logs["kl"].mean() / q.mean.shape[1])


def test_draws_of_one_picture_differ_after_training_and_show_on_the_picture():
    for model in ("vae", "unetvae"):
        family = small(model).train()
        optimizers = adam(family)
        for visit in range(60):
            batch = pictures(8, seed=visit % 4)
            step(family, optimizers, batch, Noise.of(0, batch.ids, visit))
        family.eval()
        with torch.no_grad():
            draws = torch.stack([family.colorize(batch.L, Noise.of(0, batch.ids, k)) for k in range(8)])
        assert float(draws.std(dim=0).mean()) * 128 > 1.0, model  # more than a unit of a* and b*


def test_the_prior_starts_as_the_standard_normal_and_draws_follow_it():
    batch = pictures(4)
    family, noise = small("vae").eval(), Noise.of(0, batch.ids)
    eps = noise.normal("prior", family.network.latent)
    with torch.no_grad():
        _, _, (mu, logvar) = family.network(batch.L, batch.ab, eps)
        assert not mu.any()
        assert not logvar.any()
        expected = family.network.draw(batch.L, 2.0 + eps * torch.tensor(-0.5).exp())  # N(0, I): z is what is given
        before = family.colorize(batch.L, noise)
        mu, logvar = family.network.prior.bias.chunk(2)
        mu.fill_(2.0), logvar.fill_(-1.0)
        after = family.colorize(batch.L, noise)
    torch.testing.assert_close(after, expected)
    assert not torch.allclose(after, before)


def test_the_temperature_is_what_the_priors_deviation_is_multiplied_by_and_training_knows_nothing_of_it():
    batch = pictures(4)
    family, noise = small("vae", temperature=1.5).eval(), Noise.of(0, batch.ids)
    eps = noise.normal("prior", family.network.latent)
    with torch.no_grad():
        torch.nn.init.normal_(family.network.prior.weight, 0.0, 0.05)
        torch.testing.assert_close(family.colorize(batch.L, noise), family.network.draw(batch.L, 1.5 * eps))
        (warm,) = family.objectives(batch, noise, family.weights)
        family.temperature = 0.0
        (cold,) = family.objectives(batch, noise, family.weights)
        first, second = (family.colorize(batch.L, Noise.of(0, batch.ids, k)) for k in range(2))
    torch.testing.assert_close(warm.loss, cold.loss)
    torch.testing.assert_close(first, second)  # the center of the prior, whatever the noise


def test_a_latent_of_no_use_is_not_counted_as_active():
    batch = pictures(4)
    family = small("vae").eval()
    torch.nn.init.zeros_(family.network.moments.weight)
    (objective,) = family.objectives(batch, Noise.of(0, batch.ids), family.weights)
    assert float(objective.logs["active_latents"]) == 0.0
    assert float(objective.logs["kl_per_latent"]) == 0.0


def test_the_prior_of_the_seed_is_the_standard_normal_and_no_weights_are_spent_on_it():
    batch = pictures(4)
    family, noise = small("vae", "model.network.prior=standard").train(), Noise.of(0, batch.ids)
    optimizers = adam(family)
    step(family, optimizers, batch, noise)
    family.eval()
    assert not any("prior" in name for name, _ in family.named_parameters())
    eps = noise.normal("prior", family.network.latent)
    with torch.no_grad():
        _, _, (mu, logvar) = family.network(batch.L, batch.ab, eps)
        other = family.network.draw(batch.L, eps)
    assert not mu.any()
    assert not logvar.any()
    torch.testing.assert_close(family.colorize(batch.L, noise), other)


def test_a_mean_divergence_is_the_sum_over_the_number_of_latents():
    batch = pictures(4)
    weights = Weights({"kl": 1.0, "distance": 0.0, "perceptual": 0.0}, 0.0)
    losses = []
    for how in ("sum", "mean"):
        family = small("vae", f"model.divergence={how}").eval()
        (objective,) = family.objectives(batch, Noise.of(0, batch.ids), weights)
        losses.append(objective.loss)
    torch.testing.assert_close(losses[0] / 16, losses[1])
