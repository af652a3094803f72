"""Every model on a GPU that is not there: torch's fake tensors have a shape, a type and a device, and no numbers.

Whatever would wait for the device (``.item()``, ``bool(tensor)``, a result whose shape hangs on numbers) cannot be
answered by a fake tensor and raises; a copy between host and device is noted by :class:`Copies`. Not seen are torch's
own backward passes (its autograd engine asks for a driver: gradients of the right shape stand in) and its generator.
"""

from contextlib import nullcontext

import pytest
import torch
from engine.toys import engine
from families.conftest import _composed, alike, learners, pictures, small
from torch import nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from colorbench import color
from colorbench.batch import Batch
from colorbench.engine.engine import Sums
from colorbench.engine.phases import Phase
from colorbench.metrics.draws import score_draws
from colorbench.metrics.metric import Metric, Pair
from colorbench.metrics.suite import Suite
from colorbench.noise import Noise
from colorbench.retrieval.bank import Bank
from colorbench.runs import config
from colorbench.training.monitor import Moments, _loss, _scores

CUDA = torch.device("cuda")
OVERRIDES = {"resunetgan_retrieval": ["model.index.index=torch"]}
"""What a model's step needs to stay on the device: FAISS searches on the host."""

ON_THE_HOST = {"oracle", "nearest"}
"""Families that color by looking numbers up, and train nothing."""


class Copies(TorchDispatchMode):
    """Notes every operation that takes numbers from one device to another."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        before, after = (
            {t.device.type for t in tree_leaves(tree) if isinstance(t, torch.Tensor)}
            for tree in ((args, kwargs), result)
        )
        if before and not after <= before:
            self.seen.append(f"{func} from {before} to {after}")
        return result


@pytest.fixture
def gpu(monkeypatch):
    """Everything made within is fake; gives the copies."""
    monkeypatch.setattr(torch.Tensor, "backward", _backward)
    monkeypatch.setattr(torch.autograd, "grad", lambda loss, inputs, *_, **__: [t * 1.0 for t in _listed(inputs)])
    monkeypatch.setattr(torch.random, "fork_rng", lambda *_: nullcontext())
    monkeypatch.setattr(torch, "manual_seed", lambda seed: None)
    return FakeTensorMode()


def _backward(loss, *, inputs):
    assert loss.device.type == "cuda"
    assert loss.requires_grad
    for p in inputs:
        p.grad = torch.zeros_like(p)


def _listed(inputs):
    return [inputs] if isinstance(inputs, torch.Tensor) else inputs


def fake_batch(count=4, size=32):
    numbers = torch.zeros(2, count, dtype=torch.int64, device=CUDA)
    L, ab = (torch.zeros(count, channels, size, size, device=CUDA) for channels in (1, 2))
    return Batch(L, ab, *numbers)


def to_gpu(module):
    """What ``module.to("cuda")`` does, for fake tensors; what is shared stays shared."""
    moved = {None: None}
    for part in module.modules():
        for tensors in (part._parameters, part._buffers):
            for name, t in tensors.items():
                if t not in moved:
                    there = torch.empty_strided(t.shape, t.stride(), dtype=t.dtype, device=CUDA)
                    moved[t] = nn.Parameter(there, t.requires_grad) if isinstance(t, nn.Parameter) else there
                tensors[name] = moved[t]
        if isinstance(part, Bank):
            part._indexed, part._held = False, True
    return module


def family_of(model):
    return _composed(model, ())["model"]["family"]


def prepared(model):
    family = small(model, *OVERRIDES.get(model, []))
    family.prepare([pictures()])
    return family


@pytest.mark.parametrize("model", alike(learners()))
def test_a_step_of_every_model_stays_on_the_device_and_waits_for_nothing(model, gpu, tmp_path):
    family = prepared(model)
    optim = _composed(model, ())["optim"]
    with gpu:
        batch = fake_batch(2)
        runner = engine(to_gpu(family), tmp_path, device=CUDA, batch_size=len(batch), optim=optim)
        sums = Sums()
        with Copies() as copies:
            runner._step(batch, Phase(), sums)
    assert not copies.seen
    assert {t.device.type for t in sums.totals.values()} == {"cuda"}
    assert {t.device.type for t in runner.ema.state_dict().values()} == {"cuda"}
    assert {t.device.type for t in runner.bad_steps.longest.values()} == {"cuda"}
    with gpu, pytest.raises(DataDependentOutputException):  # the log is where the device is waited for
        runner._log(sums, 0, Phase())


@pytest.mark.parametrize("model", ["unet", "unetgan"])
def test_a_step_in_fp16_scales_its_loss_and_waits_for_nothing(model, gpu, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.amp.common.amp_definitely_not_available", lambda: False)
    family, found = prepared(model), {}
    for name, part in family.named_modules():
        if isinstance(part, nn.Conv2d):
            part.register_forward_hook(lambda _, inputs, output, name=name: found.update({name: output.dtype}))
    before = torch._amp_foreach_non_finite_check_and_unscale_
    unscaled = []
    monkeypatch.setattr(
        torch, "_amp_foreach_non_finite_check_and_unscale_", lambda *a: (unscaled.append(len(a[0])), before(*a))
    )
    with gpu:
        batch = fake_batch(2)
        optim = _composed(model, ())["optim"]
        runner = engine(to_gpu(family), tmp_path, device=CUDA, batch_size=2, optim=optim, precision="fp16")
        with Copies() as copies:
            runner._step(batch, Phase(), Sums())
    assert runner.scaler.is_enabled()
    assert runner.scaler._scale.device.type == "cuda"
    assert len(unscaled) == len(family.trainable())  # every group's gradients, once, before they are clipped
    assert set(found.values()) == {torch.float16}
    assert not copies.seen


@pytest.mark.parametrize("model", [m for m in config.options("model") if family_of(m) not in ON_THE_HOST])
def test_every_model_colors_on_the_device(model, gpu):
    family = prepared(model).eval()
    with gpu, torch.no_grad():
        batch = fake_batch(2, 16)
        ab = to_gpu(family).colorize(batch.L, Noise.of(0, batch.ids))
        bits = family.likelihood(batch, Noise.of(0, batch.ids))
        moments = Moments()
        rgb = color.to_bytes(color.decode(batch.L, ab))
        scores = _scores(ab[None], batch.ab)
        loss = _loss(family, batch, Noise.of(0, batch.ids), 0.5)
        moments.add(batch, ab, rgb, color.to_bytes(batch.rgb), scores, loss)
    assert {t.device.type for t in (ab, *bits.values(), *moments.sums.values())} == {"cuda"}


def test_every_metric_judges_on_the_device(gpu, monkeypatch):
    monkeypatch.setattr("colorbench.metrics.ssim.require_range", lambda *_: None)  # these two look at numbers
    monkeypatch.setattr(Metric, "__call__", lambda metric, pair: metric.score(pair))
    suite = Suite.of(_composed("unet", ())["metrics"])
    with gpu:
        hat, true = (torch.zeros(2, 3, 192, 192, dtype=torch.uint8, device=CUDA) for _ in range(2))
        batch = fake_batch(2, 192)
        pair = Pair(hat, true, (batch.L, batch.ab))
        for metric in (m for m in suite.metrics if not m.weights):  # trained weights are no fake tensors
            assert metric.score(pair).device.type == "cuda", metric.name
        for name, values in score_draws([hat, true], true).items():
            assert values.device.type == "cuda", name


def test_a_step_that_asks_for_a_number_is_found(gpu):
    with gpu, pytest.raises(DataDependentOutputException):
        bool(torch.zeros(3, device=CUDA).isfinite().all())


@pytest.mark.parametrize("there", [lambda x: x.cpu(), lambda x: torch.zeros(3).to(x.device), lambda x: x.to("cpu") + 1])
def test_a_copy_between_the_devices_is_found(gpu, there):
    with gpu:
        x = torch.zeros(3, device=CUDA)
        with Copies() as copies:
            there(x)
    assert copies.seen
