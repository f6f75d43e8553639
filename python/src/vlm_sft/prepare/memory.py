"""Peak resident memory of this process. Unit: MiB."""

import resource
from pathlib import Path


def peak_memory_mib() -> float:
    """Return the peak since this program started.

    On Linux it is read from /proc, because ru_maxrss includes the program that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024  # kB in /proc means KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS, the other place without /proc
