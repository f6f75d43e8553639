"""The two real Helms that `genvalues` asks, and the chart as each of them renders it."""

import os
from pathlib import Path

import pytest
from vlm_sft.genvalues.values.chart import Chart, load_chart

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session", params=["HELM3", "HELM4"])
def helm(request: pytest.FixtureRequest) -> Path:
    """A Helm binary: $HELM3 or $HELM4, else the one that `make setup` unpacked."""
    path = Path(os.environ.get(request.param) or ROOT / ".tools" / request.param.lower() / "helm")
    assert path.is_file(), f"{path} is missing; run `make setup` or set {request.param}"
    return path


@pytest.fixture(scope="session")
def chart() -> Chart:
    """The chart, rendered by the Helm that a user gets."""
    return load_chart(ROOT / "charts" / "vlm-sft")
