"""The two real Helms, which are the judges of everything that reads values."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session", params=["HELM3", "HELM4"])
def helm(request: pytest.FixtureRequest) -> Path:
    """A Helm binary: $HELM3 or $HELM4, else the one that `make setup` fetched."""
    path = Path(os.environ.get(request.param) or ROOT / ".tools" / request.param.lower() / "helm")
    assert path.is_file(), f"{path} is missing; run `make setup` or set {request.param}"
    return path
