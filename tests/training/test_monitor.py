"""The monitor's numbers against those of the metrics."""

import torch

from colorbench import color
from colorbench.metrics import colorfulness as metric
from colorbench.training import monitor


def test_the_monitors_colorfulness_is_the_metrics():
    pixels = torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        monitor.colorfulness(color.from_bytes(pixels)), metric.colorfulness(pixels), rtol=1e-4, atol=1e-3
    )
