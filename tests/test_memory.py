import os
import platform
import subprocess
import sys

import pytest

from colorbench.memory import keep_freed_memory

FAULTS = """
import resource, sys
if sys.argv[1] == "keep":
    from colorbench.memory import keep_freed_memory
    keep_freed_memory()
import torch
x = torch.zeros(1_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    y = x * 2; z = y + x; del y, z
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_a_process_that_keeps_its_memory_takes_few_page_faults() -> None:
    def faults(word: str) -> int:
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run([sys.executable, "-c", FAULTS, word], capture_output=True, text=True, check=True, env=env)
        return int(done.stdout)

    assert keep_freed_memory()
    assert faults("keep") < 3000


def test_other_systems_are_left_alone(monkeypatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()
