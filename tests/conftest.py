"""Every shape and type annotation of the package is checked while the tests run (jaxtyping with beartype)."""

import os
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test reaches a network
sys.path.insert(0, str(Path(__file__).parent))

from jaxtyping import install_import_hook

install_import_hook("colorbench", "typechecker.check")
