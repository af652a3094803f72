"""pix2pix against a training step written by hand, as its authors' code makes it."""

import copy

import torch
import torch.nn.functional as F
from families.conftest import pictures, small, step

from colorbench.noise import Noise


def by_hand(generator, discriminator, optimizer_g, optimizer_d, batch, noise):
    """optimize_parameters() of pix2pix: forward, then D on detached fakes, then G through the new D."""
    L, ab = batch.L, batch.ab
    masks = [2.0 * (noise.uniform(f"dropout {i}", *s) < 0.5) for i, s in enumerate(generator.shapes(*L.shape[-2:]))]
    fake = generator(L, masks)
    optimizer_d.zero_grad()
    bce = F.binary_cross_entropy_with_logits
    fake_logits, real_logits = discriminator(L, fake.detach()), discriminator(L, ab)
    ones, zeros = torch.ones_like(real_logits), torch.zeros_like(real_logits)
    real_loss = bce(real_logits, ones, reduction="none").flatten(1).mean(dim=1)
    fake_loss = bce(fake_logits, zeros, reduction="none").flatten(1).mean(dim=1)
    (0.5 * (real_loss + fake_loss)).mean().backward()
    optimizer_d.step()
    optimizer_g.zero_grad()
    logits = discriminator(L, fake)
    deceive = bce(logits, torch.ones_like(logits), reduction="none").flatten(1).mean(dim=1)
    (deceive + 100.0 * (fake - ab).abs().mean(dim=(1, 2, 3))).mean().backward()
    optimizer_g.step()


def test_twenty_updates_equal_a_reference_written_by_hand_bit_for_bit():
    family = small("pix2pix").train()
    generator, discriminator = copy.deepcopy(family.generator), copy.deepcopy(family.discriminator)
    optimizers = {k: torch.optim.Adam(m.parameters(), 2e-4, betas=(0.5, 0.999)) for k, m in family.trainable().items()}
    reference_g = torch.optim.Adam(generator.parameters(), 2e-4, betas=(0.5, 0.999))
    reference_d = torch.optim.Adam(discriminator.parameters(), 2e-4, betas=(0.5, 0.999))
    start = [p.detach().clone() for p in generator.parameters()]
    for i in range(20):
        batch = pictures(3, seed=i)
        noise = Noise.of(0, batch.ids, i)
        step(family, optimizers, batch, noise)
        by_hand(generator, discriminator, reference_g, reference_d, batch, noise)
    for ours, theirs in ((family.generator, generator), (family.discriminator, discriminator)):
        for (name, a), b in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
            assert torch.equal(a, b), name
    assert not any(torch.equal(before, after) for before, after in zip(start, generator.parameters(), strict=True))


def test_every_image_draws_its_own_dropout_and_half_of_it():
    family = small("pix2pix")
    batch = pictures(4)
    masks = family._masks(batch.L, Noise.of(0, batch.ids))
    for mask in masks:
        assert set(mask.unique().tolist()) <= {0.0, 2.0}
        assert abs(float(mask.mean()) - 1.0) < 0.2
        assert not torch.equal(mask[0], mask[1])


def test_weights_start_as_in_the_paper():
    family = small("pix2pix", seed=3)
    weights = torch.cat([m.weight.flatten() for m in family.generator.modules() if isinstance(m, torch.nn.Conv2d)])
    assert abs(weights.mean().item()) < 1e-3
    assert abs(weights.std().item() - 0.02) < 1e-3
