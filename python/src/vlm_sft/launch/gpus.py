"""The GPUs that this container sees."""

import subprocess

from vlm_sft.errors import UserError


def visible_gpus() -> list[str]:
    """Return the name of each visible GPU; empty without a driver."""
    try:
        command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        output = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in output.splitlines() if line.strip()]


def need_gpus(count: int) -> None:
    """Raise a UserError when fewer than `count` GPUs are visible."""
    visible = len(visible_gpus()) if count else 0
    if visible < count:
        raise UserError(f"GPUs: {visible} visible, need {count}; look at `kubectl describe pod`")
