"""colorbench: which generative family colors gray pictures best, at your budget, and is the difference real?

One sentence of design: a family says what to minimize and how to color; a network maps tensors to tensors; the
engine does everything that has to do with time, devices and disks; the evaluation turns pictures into rows; the
report turns rows into verdicts.
"""

import os

# Threads that wait for work sleep instead of spinning: beside another busy process a spinning thread keeps the core
# that the working one needs. OpenMP reads these when torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

__version__ = "0.1.0"
