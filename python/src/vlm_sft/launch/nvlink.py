"""NVLink between the GPUs of this node, and what follows for NCCL.

Without NVLink, NCCL's NVLink SHARP (NVLS) cannot work, but on some hosts NCCL tries it and hangs or fails, so it is
switched off. With NVLink, NCCL's default stays: it uses NVLS where the NVSwitches support it, and 1 would demand it.
"""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

NVLS = "NCCL_NVLS_ENABLE"
CONNECTION = re.compile(r"^\W*GPU\d+\b.*\sNV\d+\b", re.MULTILINE)  # NV12: 12 links; the header of the table is no match


@dataclass(frozen=True)
class NvLink:
    """Whether NVLink connects GPUs of this node; None: one GPU, or unknown. `variables` are added for NCCL."""

    present: bool | None
    variables: Mapping[str, str]
    line: str  # for the log; empty when there is nothing to report


def detect_nvlink(gpus: int, env: Mapping[str, str]) -> NvLink:
    """Ask the driver about `gpus` GPUs; a value of NCCL_NVLS_ENABLE in `env` stays."""
    present = _connected() if gpus > 1 else None
    if present is None:
        return NvLink(None, {}, "")
    between = f"NVLink: {'connects' if present else 'does not connect'} the GPUs of this node"
    if NVLS in env:
        return NvLink(present, {}, f"{between}; {NVLS} is {env[NVLS]}, as set by the user")
    return NvLink(present, {}, between) if present else NvLink(present, {NVLS: "0"}, f"{between}; {NVLS} is set to 0")


def _connected() -> bool | None:
    """Return whether any two GPUs have an NVLink in the driver's table; None without a driver."""
    try:
        command = ["nvidia-smi", "topo", "-m"]
        table = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    table = re.sub(r"\x1b\[[0-9;]*m", "", table)  # the header is underlined
    return bool(CONNECTION.search(table)) if "GPU0" in table else None
