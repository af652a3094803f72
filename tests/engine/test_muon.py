"""Muon against torch's own, and AdamW's for what is no matrix."""

import pytest
import torch

from colorbench.engine.muon import Muon, orthogonal
from colorbench.engine.optimizers import Optimizers

OPTIONS = {"lr": 1e-2, "momentum": 0.9, "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.1}


def stepped(optimizer, parameters, steps=5):
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        for p in parameters:
            p.grad = torch.randn(p.shape, generator=generator)
        optimizer.step()
    return [p.detach().clone() for p in parameters]


def test_five_polynomials_of_the_product_are_five_iterations_of_the_matrix():
    generator = torch.Generator().manual_seed(0)
    u, v = (torch.linalg.qr(torch.randn(n, 24, generator=generator, dtype=torch.double))[0] for n in (24, 100))
    x = u * torch.logspace(0, -4, 24, dtype=torch.double) @ v.mT  # directions that are very unequal
    y = x / x.norm()
    for _ in range(5):
        gram = y @ y.mT
        y = 3.4445 * y + (-4.7750 * gram + 2.0315 * gram @ gram) @ y
    torch.testing.assert_close(orthogonal(x[None].float())[0].double(), y, rtol=0, atol=1e-3 * float(y.abs().max()))


@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (8, 8), (3, 1, 4, 4)])
def test_the_parts_of_a_matrix_come_out_of_nearly_one_size(shape):
    x = torch.randn(2, shape[0], torch.Size(shape[1:]).numel(), generator=torch.Generator().manual_seed(0))
    found = orthogonal(x)
    u, _, vh = torch.linalg.svd(x, full_matrices=False)
    sizes = torch.linalg.svdvals(found)
    assert sizes.min() > 0.3
    assert sizes.max() < 1.3
    assert torch.linalg.matrix_norm(found - u @ vh, 2).max() < 0.75
    torch.testing.assert_close(orthogonal(1000.0 * x), found, rtol=1e-4, atol=1e-5)


def test_a_matrix_steps_as_by_torchs_muon_which_iterates_in_half_precision():
    start = torch.randn(12, 30, generator=torch.Generator().manual_seed(0))
    ours, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    a = stepped(Muon([ours], **OPTIONS), [ours])[0]
    b = stepped(
        torch.optim.Muon([theirs], lr=1e-2, weight_decay=0.1, momentum=0.9, adjust_lr_fn="match_rms_adamw"), [theirs]
    )[0]
    moved = (b - start).norm()
    assert (a - b).norm() < 0.05 * moved


@pytest.mark.parametrize("shape", [(7,), (1, 9), (5, 1, 1, 1)])
def test_what_is_no_matrix_steps_as_by_adamw(shape):
    start = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    ours, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    a = stepped(Muon([ours], **OPTIONS), [ours])[0]
    b = stepped(torch.optim.AdamW([theirs], lr=1e-2, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.1), [theirs])[0]
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_matrices_of_one_shape_do_not_see_each_other_and_one_without_gradient_stays():
    generator = torch.Generator().manual_seed(0)
    first, second, idle = (torch.nn.Parameter(torch.randn(4, 9, generator=generator)) for _ in range(3))
    alone = torch.nn.Parameter(first.detach().clone())
    before, grads = idle.detach().clone(), torch.randn(2, 4, 9, generator=generator)
    first.grad, second.grad, alone.grad = grads[0], grads[1], grads[0].clone()
    Muon([first, second, idle], **OPTIONS).step()
    Muon([alone], **OPTIONS).step()
    torch.testing.assert_close(first, alone)
    torch.testing.assert_close(idle, before, rtol=0, atol=0)


def test_it_goes_on_from_its_state_as_if_never_stopped():
    def network():
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Conv2d(4, 2, 1))

    config = {
        "optimizer": "muon", "lr": 1e-2, "momentum": 0.9, "betas": [0.9, 0.99], "eps": 1e-8, "weight_decay": 0.1,
        "clip": 1.0, "ema": 0.0, "groups": {}, "decay": {"decay": "constant", "warmup": 0},
    }  # fmt: skip
    whole, cut = network(), network()
    a, b = Optimizers(config, {"network": whole}), Optimizers(config, {"network": cut})
    for i in range(4):
        for module, optimizers in ((whole, a), (cut, b)):
            x = torch.randn(2, 1, 6, 6, generator=torch.Generator().manual_seed(i))
            module.zero_grad()
            module(x).square().mean().backward()
            group = optimizers.groups["network"]
            group.step(group.norm(), torch.tensor(False))
        if i == 1:
            states = b.state_dict()
            b = Optimizers(config, {"network": cut})
            b.load(states)
    for p, q in zip(whole.parameters(), cut.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=0, atol=0)
    assert any((p != q).any() for p, q in zip(whole.parameters(), network().parameters(), strict=True))
