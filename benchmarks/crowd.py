"""Training beside other work: what waiting threads cost when they spin, and when they sleep.

``make bench-crowd``, or ``python benchmarks/crowd.py [--seconds 20]``. A small U-Net trains on two threads in a process
of its own, alone and beside one busy process, with OpenMP's threads asleep while they wait (what importing colorbench
sets, ``OMP_WAIT_POLICY=PASSIVE GOMP_SPINCOUNT=0``) and spinning (what libgomp does on a machine that looks free).
"""

import argparse
import os
import subprocess
import sys

import torch
from engine import hardware

TRAINS = """
import sys, time
import torch
from torch import nn
torch.set_num_threads(2)
torch.manual_seed(0)
net = nn.Sequential(*[m for _ in range(6) for m in (nn.Conv2d(32, 32, 3, padding=1), nn.ReLU())], nn.Conv2d(32, 2, 1))
x, optimizer = torch.randn(8, 32, 64, 64), torch.optim.Adam(net.parameters())
def step():
    optimizer.zero_grad()
    net(x).square().mean().backward()
    optimizer.step()
step()
started, spent, steps = time.perf_counter(), time.process_time(), 0
while time.perf_counter() - started < float(sys.argv[1]):
    step()
    steps += 1
print(8 * steps / (time.perf_counter() - started), 8 * steps / (time.process_time() - spent))
"""
POLICIES = {
    "asleep": {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"},
    "spinning": {"OMP_WAIT_POLICY": "ACTIVE", "GOMP_SPINCOUNT": "1000000"},
}


def rate(policy: str, seconds: float) -> tuple[float, float]:
    """(images a second, images a processor second)"""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    command = [sys.executable, "-c", TRAINS, str(seconds)]
    said = subprocess.run(command, env=kept | POLICIES[policy], capture_output=True, text=True, check=True).stdout
    wall, processor = map(float, said.split())
    return wall, processor


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="of each of the four")
    arguments = parser.parse_args()
    print(
        f"{hardware(torch.device('cpu'))}\n\n| two threads | waiting threads | images/s | images a processor second |"
    )
    print("|---|---|---|---|")
    for crowd in (0, 1):
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(crowd)]
        try:
            for policy in POLICIES:
                wall, processor = rate(policy, arguments.seconds)
                name = "beside one busy process" if crowd else "alone"
                print(f"| {name} | {policy} | {wall:.1f} | {processor:.1f} |", flush=True)
        finally:
            for process in busy:
                process.kill()


if __name__ == "__main__":
    main()
