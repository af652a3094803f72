"""VAE: the two ways to fail are seen."""

import torch
from families.conftest import adam, pictures, small, step

from colorbench.noise import Noise


def test_kl_is_the_divergence_from_the_prior_in_nats():
    batch = pictures(4)
    family = small("vae").eval()
    mu, logvar = family.network.encode(batch.L, batch.ab)
    (objective,) = family.objectives(batch, Noise.of(0, batch.ids), family.weights)
    p = torch.distributions.Normal(torch.zeros_like(mu), torch.ones_like(mu))
    q = torch.distributions.Normal(mu, (0.5 * logvar).exp())
    torch.testing.assert_close(objective.logs["kl"], torch.distributions.kl_divergence(q, p).sum(dim=1))
    torch.testing.assert_close(objective.logs["kl_per_latent"], objective.logs["kl"].mean() / mu.shape[1])


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


def test_a_latent_of_no_use_is_not_counted_as_active():
    batch = pictures(4)
    family = small("vae").eval()
    torch.nn.init.zeros_(family.network.moments.weight)
    (objective,) = family.objectives(batch, Noise.of(0, batch.ids), family.weights)
    assert float(objective.logs["active_latents"]) == 0.0
    assert float(objective.logs["kl_per_latent"]) == 0.0
