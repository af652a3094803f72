"""fp16 with its loss scale, on a processor: the engine's part of it is the same on a GPU."""

import torch
from toys import SGD, Line, engine, weights

from colorbench.engine.budget import Budget
from colorbench.family import Objective


class Overflow(Line):
    """One of its losses is too large for fp16 slopes."""

    at = -1

    def objectives(self, batch, noise, weights):
        self.step = getattr(self, "step", -1) + 1
        factor = 1e38 if self.step == self.at else 1.0
        for objective in super().objectives(batch, noise, weights):
            yield Objective(objective.loss.float() * factor, objective.updates)


def made(at=-1):
    torch.manual_seed(0)
    family = Overflow()
    family.at = at
    return family


def trained(tmp_path, name, **changes):
    family = changes.pop("family", None) or made()
    runner = engine(family, tmp_path / name, **changes)
    runner.fit()
    return family, runner


def test_fp16_learns_what_fp32_learns(tmp_path):
    half, runner = trained(tmp_path, "half", precision="fp16")
    full, _ = trained(tmp_path, "full")
    assert runner.scaler.is_enabled()
    assert runner.scaler.get_scale() == 65536.0
    assert not torch.equal(weights(half), weights(full))
    torch.testing.assert_close(weights(half), weights(full), rtol=0, atol=3e-3)


def test_a_step_that_overflows_is_left_out_and_the_scale_falls(tmp_path):
    skipped, runner = trained(tmp_path, "skipped", family=made(at=9), precision="fp16")  # the last of ten
    assert runner.scaler.get_scale() == 32768.0
    before, _ = trained(tmp_path, "before", precision="fp16", budget=Budget(images=72, seconds=None))
    assert torch.equal(weights(skipped), weights(before))
    again, _ = trained(tmp_path, "again", family=made(at=3), precision="fp16")
    assert torch.isfinite(weights(again)).all()


def test_the_scale_goes_on_where_it_was(tmp_path):
    _, runner = trained(tmp_path, "run", family=made(at=9), precision="fp16")
    resumed = engine(made(), tmp_path / "run", precision="fp16")
    assert resumed.resume()
    assert resumed.scaler.get_scale() == runner.scaler.get_scale() == 32768.0


def test_gradients_are_clipped_without_their_scale(tmp_path):
    start = weights(made())
    optim = {**SGD, "lr": 1.0, "clip": 0.01}
    family, _ = trained(tmp_path, "run", precision="fp16", optim=optim, budget=Budget(images=8, seconds=None))
    torch.testing.assert_close((weights(family) - start).norm(), torch.tensor(0.01), rtol=1e-3, atol=0)
