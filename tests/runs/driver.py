"""One run in a process of its own, for tests that kill it; imported by name, so that a fork server can preload it."""

import json
import sys

from colorbench.config import compose
from colorbench.train import train


def run(overrides: list[str]) -> None:
    """Train without evaluation, on one thread."""
    import torch

    torch.set_num_threads(1)
    config = compose([*overrides, "evaluate=false"])
    train(config, model="unetgan", experiment="default", overrides=overrides)


if __name__ == "__main__":
    run(json.loads(sys.argv[1]))
