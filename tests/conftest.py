"""Every shape and type annotation of the package is checked while the tests run (jaxtyping with beartype)."""

import os
import signal
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test reaches a network
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side; threads of one would wait for the other's
sys.path.insert(0, str(Path(__file__).parent))

from jaxtyping import install_import_hook

install_import_hook("colorbench", "typechecker.check")

for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:  # nohup, or a job in the background: children would too
        signal.signal(number, usual)

pytest_plugins = ("judging", "tiny")  # fixtures of more than one room
