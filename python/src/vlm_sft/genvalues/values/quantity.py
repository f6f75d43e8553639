"""Kubernetes quantities as numbers: `64Gi`, `500m`, 8. Unit: bytes, or cores."""

import re

_UNITS = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_UNITS |= {f"{letter}i": 1024.0**power for power, letter in enumerate("KMGTP", start=1)}
_QUANTITY = re.compile(r"([0-9.]+)([A-Za-z]*)\Z")


def quantity(value: str | float) -> float:
    """Return a quantity as a number; 0 for what is none."""
    match = _QUANTITY.match(str(value))
    return float(match[1]) * _UNITS.get(match[2], 0.0) if match else 0.0


def number_text(value: float) -> str:
    """Return a number without a fraction of zero: 38.4, 16."""
    return str(int(value)) if value == int(value) else repr(value)
