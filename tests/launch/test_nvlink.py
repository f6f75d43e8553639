"""NVLink is read from the driver's table; a stand-in of `nvidia-smi` prints tables of real machines."""

from collections.abc import Callable
from pathlib import Path

import pytest
from vlm_sft.launch.nvlink import NvLink, detect_nvlink

UNDERLINED = "\x1b[4m\tGPU0\tGPU1\tNIC0\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID\x1b[0m\n"
LEGEND = """
Legend:

  X    = Self
  SYS  = Connection traversing PCIe as well as the SMP interconnect between NUMA nodes (e.g., QPI/UPI)
  PIX  = Connection traversing at most a single PCIe bridge
  NV#  = Connection traversing a bonded set of # NVLinks

NIC Legend:

  NIC0: mlx5_0
"""
NVLINK = f"{UNDERLINED}GPU0\t X \tNV18\tPIX\t0-47\t0\t\tN/A\nGPU1\tNV18\t X \tSYS\t0-47\t0\t\tN/A\nNIC0\tPIX\tSYS\t X\n"
PCIE = f"{UNDERLINED}GPU0\t X \tSYS\tPIX\t0-47\t0\t\tN/A\nGPU1\tSYS\t X \tSYS\t0-47\t0\t\tN/A\nNIC0\tPIX\tSYS\t X\n"

Driver = Callable[..., None]


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Driver:
    """Return a function that puts an `nvidia-smi` first on the PATH: it prints a table for `topo -m`, or fails."""

    def install(table: str, status: int = 0) -> None:
        (tmp_path / "table").write_text(table)
        program = tmp_path / "nvidia-smi"
        program.write_text(f'#!/bin/sh\n[ "$*" = "topo -m" ] || exit 9\ncat {tmp_path}/table\nexit {status}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return install


def test_without_nvlink_its_reductions_are_switched_off(driver: Driver) -> None:
    driver(PCIE + LEGEND)
    line = "NVLink: does not connect the GPUs of this node; NCCL_NVLS_ENABLE is set to 0"
    assert detect_nvlink(2, {}) == NvLink(False, {"NCCL_NVLS_ENABLE": "0"}, line)


def test_with_nvlink_the_default_of_nccl_stays(driver: Driver) -> None:
    driver(NVLINK + LEGEND)
    assert detect_nvlink(2, {}) == NvLink(True, {}, "NVLink: connects the GPUs of this node")


@pytest.mark.parametrize("value", ["0", "1"])
def test_a_value_of_the_user_stays(driver: Driver, value: str) -> None:
    driver(PCIE + LEGEND)
    line = f"NVLink: does not connect the GPUs of this node; NCCL_NVLS_ENABLE is {value}, as set by the user"
    assert detect_nvlink(2, {"NCCL_NVLS_ENABLE": value}) == NvLink(False, {}, line)


def test_a_single_gpu_has_no_peer(driver: Driver) -> None:
    driver(NVLINK + LEGEND)
    assert detect_nvlink(1, {}) == NvLink(None, {}, "")


@pytest.mark.parametrize(("table", "status"), [(PCIE, 1), ("No devices were found\n", 0), ("", 0)])
def test_nothing_is_set_where_the_driver_does_not_answer(driver: Driver, table: str, status: int) -> None:
    driver(table, status)
    assert detect_nvlink(2, {}) == NvLink(None, {}, "")


def test_nothing_is_set_without_a_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert detect_nvlink(8, {}) == NvLink(None, {}, "")
