"""Number format and memory format follow the device."""

import os
import subprocess
import sys

import pytest
import torch

from colorbench.engine.engine import Settings
from colorbench.engine.precision import choose_layout
from colorbench.errors import UserError
from colorbench.registry import checked
from colorbench.runs import config

CPU = torch.device("cpu")


def test_channels_last_is_for_sixteen_bits_and_gpus_unless_it_is_asked_for():
    assert not choose_layout("auto", "fp32", CPU)
    assert choose_layout("auto", "bf16", CPU)
    assert choose_layout("auto", "fp32", torch.device("cuda"))
    assert choose_layout(True, "fp32", CPU)
    assert not choose_layout(False, "bf16", CPU)


def test_another_word_for_the_memory_format_is_refused():
    engine = {**config.compose([])["engine"], "channels_last": "nhwc"}
    with pytest.raises(UserError, match=r"engine\.channels_last.*'nhwc'"):
        checked(Settings, "the engine", "engine", engine)


def test_a_run_in_another_resolved_precision_or_format_has_another_name():
    science = config.compose([])

    def name(precision, layout):
        engine = {**science["engine"], "channels_last": layout}
        return config.digest(config.identity({**science, "precision": precision, "engine": engine}, "pictures"))

    assert len({name(precision, layout) for precision in ("fp32", "bf16") for layout in (True, False)}) == 4


def test_threads_that_wait_sleep_unless_the_user_says_otherwise():
    code = "import os, colorbench; print(os.environ['OMP_WAIT_POLICY'], os.environ['GOMP_SPINCOUNT'])"
    for given, expected in (({}, "PASSIVE 0"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE 0")):
        environment = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
        done = subprocess.run(
            [sys.executable, "-c", code], env={**environment, **given}, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == expected
