"""What is pinned can be installed where the package says that it can."""

import tomllib
from importlib.metadata import distributions
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def test_every_pinned_package_takes_every_python_that_is_promised():
    promised = SpecifierSet(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"])
    pythons = [f"3.{minor}.0" for minor in range(9, 20) if promised.contains(f"3.{minor}.0")]
    assert pythons
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text("utf-8").split() if "==" in line)
    pinned = {canonicalize_name(name): version for name, version in pins.items()}
    installed = [d for d in distributions() if pinned.get(canonicalize_name(d.metadata["Name"])) == d.version]
    assert installed
    takes = {
        f"{d.metadata['Name']} {d.version}": SpecifierSet(d.metadata.get("Requires-Python") or "") for d in installed
    }
    refused = [f"{who} refuses Python {v}" for who, of in takes.items() for v in pythons if not of.contains(v)]
    assert not refused  # Debian 12 has 3.11.2, and its pip says only that versions are in conflict
