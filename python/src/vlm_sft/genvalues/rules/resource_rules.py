"""Kubernetes quantities: requests that exceed limits, and shared memory that exceeds the memory it counts against."""

import re
from collections.abc import Iterator
from typing import Any

from vlm_sft.genvalues.values.go_scalar import number_text

_UNITS = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_UNITS |= {f"{letter}i": 1024.0**power for power, letter in enumerate("KMGTP", start=1)}
_QUANTITY = re.compile(r"([0-9.]+)([A-Za-z]*)\Z")


def quantity(value: str | int | float) -> float:
    """Return a quantity in bytes or cores: `64Gi`, `500m`, 8; 0 for what is none."""
    match = _QUANTITY.match(value if isinstance(value, str) else number_text(value))
    return float(match[1]) * _UNITS.get(match[2], 0.0) if match else 0.0


def resources(values: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield path and message of each request above its limit, and of each shmSize above the memory limit."""
    for workload in ("prepare", "train", "evaluate", "jupyter", "ddpCheck", "export", "serve", "tensorboard", "sync"):
        settings = values[workload]
        if not settings["enabled"]:
            continue
        limits = settings["resources"].get("limits") or {}
        for name, request in (settings["resources"].get("requests") or {}).items():
            if name in limits and quantity(request) > quantity(limits[name]):
                message = f"{_shown(request)} is more than the limit of {_shown(limits[name])}"
                yield (workload, "resources", "requests", name), f"{message}; raise the limit, or ask for less"
        if "shmSize" in settings and "memory" in limits and quantity(settings["shmSize"]) > quantity(limits["memory"]):
            message = f"{_shown(settings['shmSize'])} is more than the memory limit of {_shown(limits['memory'])}"
            yield (workload, "shmSize"), f"{message}, which it counts against; make it smaller, or raise the limit"


def _shown(value: str | int | float) -> str:
    """Return the value as Go's %v prints it: a number from 1e6 on, or below 1e-4, has an exponent."""
    if isinstance(value, str) or value == 0 or 1e-4 <= abs(value) < 1e6:
        return value if isinstance(value, str) else number_text(value)
    digits, _, exponent = f"{value:.17e}".partition("e")
    for precision in range(17):
        text = f"{value:.{precision}e}"
        if float(text) == value:
            return text
    return f"{digits}e{exponent}"
