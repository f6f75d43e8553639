"""The GPUs that this container sees."""

import subprocess


def visible_gpus() -> list[str]:
    """Return the name of each visible GPU; empty without a driver."""
    try:
        command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        output = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in output.splitlines() if line.strip()]
