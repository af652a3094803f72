"""Columns: what computes a number says what it is, and nobody guesses it from the name."""

import pytest
import torch
import yaml

from colorbench import registry
from colorbench.metrics.draws import score_draws
from colorbench.metrics.metric import Metric
from colorbench.metrics.suite import DDCOLOR
from colorbench.report.columns import DERIVED, column
from colorbench.runs.config import conf_dir

CONFIG = yaml.safe_load((conf_dir() / "metrics" / "default.yaml").read_text())
METRICS = {**{k: v for k, v in CONFIG.items() if k != "compat"}, **DDCOLOR}
NETS = [{"metric": "lpips", "net": net} for net in ("alex", "vgg", "squeeze")]
SETS = [{"set_metric": "kid", "paired": paired, "network": "resnet18"} for paired in (True, False)]


@pytest.mark.parametrize("node", [*METRICS.values(), *NETS, *SETS], ids=str)
def test_every_metric_declares_the_column_that_it_writes(node):
    kind = "metric" if "metric" in node else "set_metric"
    built = registry.build(kind, node)
    found = column(built.name)
    assert (found.better, found.digits) == (built.better, built.digits)
    assert found.kind == ("picture" if kind == "metric" else "set")
    assert type(built).column(built.name) == found


def test_no_column_is_declared_by_two_metrics():
    names = [registry.build("metric" if "metric" in node else "set_metric", node).name for node in METRICS.values()]
    classes = [registry.lookup(kind, name) for kind in ("metric", "set_metric") for name in registry.names(kind)]
    for name in names:
        assert sum(c.column(name) is not None for c in classes) == 1, name


@pytest.mark.parametrize("draws", [1, 3])
def test_every_score_of_draws_is_declared(draws):
    pictures = torch.randint(0, 256, (draws + 1, 2, 3, 16, 16), dtype=torch.uint8)
    for name in score_draws(list(pictures[1:]), pictures[0]):
        assert column(name).kind == "draws", name


def test_what_derived_columns_are_made_of_is_declared():
    for name, derived in DERIVED.items():
        assert column(name) is derived.column
        metrics = [registry.lookup("metric", known) for known in registry.names("metric")]
        for source in derived.sources:
            assert column(source).part or any(metric.column(source) for metric in metrics), source


def test_a_metric_from_elsewhere_declares_its_column_too(monkeypatch):
    class Mine(Metric):
        name, title, better, digits, unit = "mine", "Mine!", "higher", 1, "pt"

    monkeypatch.setitem(registry._components, ("metric", "mine"), Mine)
    column.cache_clear()
    assert (column("mine").title, column("mine").arrow, column("mine").unit) == ("Mine!", "↑", "pt")
    column.cache_clear()
    assert column("nobody's_column(2)").better == "neither"
