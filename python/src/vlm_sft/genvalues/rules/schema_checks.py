"""The JSON Schema keywords that look at one value and at nothing inside it: types, ranges, lengths, patterns."""

# ruff: noqa: ANN401 - a JSON value may be anything

import re
from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

_Check: TypeAlias = Callable[[Any, Any], bool]


class SchemaError(ValueError):
    """The schema itself is wrong: a keyword or type nobody knows, or a `$ref` to nowhere."""


def is_type(name: str, value: Any) -> bool:
    """Tell whether `value` has the JSON type `name`; 2.0 is an integer, true is no number."""
    if name == "integer":
        return _is_number(value) and (isinstance(value, int) or value.is_integer())
    if name == "number":
        return _is_number(value)
    if name not in _TYPES:
        raise SchemaError(f"unknown type {name!r} in the schema")
    return isinstance(value, _TYPES[name])


_TYPES: dict[str, type] = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def equal(one: Any, other: Any) -> bool:
    """Compare as JSON does: 1 equals 1.0 and differs from true, at any depth."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


@cache
def compiled_pattern(pattern: str) -> re.Pattern[str]:
    """Return the pattern as Go's regexp reads it, which Helm uses."""
    return re.compile(re.sub(r"(?<!\\)\$(?=$|\||\))", r"\\Z", pattern))  # Go's $ does not match before a last newline


def _multiple_of(expected: Any, value: Any) -> bool:
    from fractions import Fraction  # rarely needed, and slow to import

    return not _is_number(value) or (Fraction(repr(value)) / Fraction(repr(expected))).denominator == 1


def _unique(expected: Any, value: Any) -> bool:
    if not expected or not isinstance(value, list):
        return True
    return not any(equal(a, b) for i, a in enumerate(value) for b in value[i + 1 :])


def _types(expected: Any, value: Any) -> bool:
    return any(is_type(name, value) for name in ([expected] if isinstance(expected, str) else expected))


CHECKS: dict[str, _Check] = {
    "type": _types,
    "enum": lambda e, v: any(equal(item, v) for item in e),
    "const": lambda e, v: equal(e, v),
    "minimum": lambda e, v: not _is_number(v) or v >= e,
    "maximum": lambda e, v: not _is_number(v) or v <= e,
    "exclusiveMinimum": lambda e, v: not _is_number(v) or v > e,
    "exclusiveMaximum": lambda e, v: not _is_number(v) or v < e,
    "multipleOf": _multiple_of,
    "minLength": lambda e, v: not isinstance(v, str) or len(v) >= e,
    "maxLength": lambda e, v: not isinstance(v, str) or len(v) <= e,
    "pattern": lambda e, v: not isinstance(v, str) or compiled_pattern(e).search(v) is not None,
    "minItems": lambda e, v: not isinstance(v, list) or len(v) >= e,
    "maxItems": lambda e, v: not isinstance(v, list) or len(v) <= e,
    "uniqueItems": _unique,
    "minProperties": lambda e, v: not isinstance(v, dict) or len(v) >= e,
    "maxProperties": lambda e, v: not isinstance(v, dict) or len(v) <= e,
}
