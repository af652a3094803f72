"""Where the parameters and the operations are."""

import csv

import pytest
import torch
from torch import nn

from colorbench.commands.inspect import main
from colorbench.errors import UserError
from colorbench.family import Family
from colorbench.inference import anatomy as inspect


class Known(Family):
    """Two convolutions whose cost is known."""

    def __init__(self):
        super().__init__()
        self.weights = {}
        self.network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.Conv2d(4, 2, 1, bias=False))

    def trainable(self):
        return {"network": self.network}

    def objectives(self, batch, noise, weights):
        yield from ()

    def colorize(self, L, noise):
        return self.network(L)


def test_parameters_and_operations_are_those_of_the_formula():
    found = inspect.anatomy(Known(), size=16, depth=2)
    parts = {part.name: part for part in found.parts}
    first, second = 2 * 9 * 4 * 256, 2 * 4 * 2 * 256
    assert (parts["network.0"].parameters, parts["network.0"].operations) == (36, first)
    assert (parts["network.1"].parameters, parts["network.1"].operations) == (8, second)
    assert (parts["network"].parameters, parts["network"].operations) == (44, first + second)
    assert (found.parameters, found.operations) == (44, first + second)
    assert [layer.name for layer in found.layers] == ["network.0.weight", "network.1.weight"]


class Asked(Known):
    """Its second convolution is asked by learned queries."""

    def __init__(self):
        super().__init__()
        self.queries = nn.Parameter(torch.zeros(4, 16, 16))

    def colorize(self, L, noise):
        return self.network[1](self.queries.expand(len(L), -1, -1, -1))


def test_weights_that_are_handed_on_like_a_picture_are_counted_too():
    asked = Asked()
    assert inspect.anatomy(asked, size=16).operations == 2 * 4 * 2 * 256
    assert all(p.requires_grad for p in asked.parameters())


def test_the_command_prints_tables_and_draws_a_picture(capsys, tmp_path):
    main(["model=unet", "data=photos", "data.size=32", f"output={tmp_path / 'a.png'}", "top=3"])
    out = capsys.readouterr().out
    assert "| network |" in out
    assert sum(" x 3 x 3 |" in line for line in out.splitlines()) == 3
    assert (tmp_path / "a.png").stat().st_size > 10_000
    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    assert sum(float(row["share"]) for row in rows) == pytest.approx(1.0)
    first = next(row for row in rows if row["layer"].endswith("head.weight"))
    assert first["shape"].endswith("x 1 x 1")
    assert float(first["deviation"]) == pytest.approx(0.01, rel=0.2)


def test_mistakes_are_one_clear_line(tmp_path):
    with pytest.raises(UserError, match="not a run folder"):
        main([str(tmp_path)])
    with pytest.raises(UserError, match="top: expected a number"):
        main(["model=unet", "top=many"])
    with pytest.raises(UserError, match="no parameters"):
        main(["model=gray", "data=photos"])


def test_nothing_of_the_count_stays_behind():
    family = Known()
    inspect.anatomy(family, size=8)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in family.modules())
    assert torch.isfinite(family.network(torch.zeros(1, 1, 4, 4))).all()
