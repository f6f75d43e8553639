"""A YAML scalar as Helm understands it: the text `1e-4` is a number, `012` is ten, `yes` is true, `12:30:00` is text.

Helm 3 and 4 read YAML with go-yaml v2 and pass the result through JSON, so every number ends as an IEEE double.
The rules were read off that parser and are held by tests/genvalues/test_helm_parity.py.
"""

import base64
import binascii
import datetime
import math
import re
import struct
from typing import TypeAlias

Scalar: TypeAlias = str | int | float | bool | None

PREFIX = "tag:yaml.org,2002:"
BOOL, NULL, INT, FLOAT, STR = (PREFIX + name for name in ("bool", "null", "int", "float", "str"))
TIMESTAMP, BINARY, MERGE = (PREFIX + name for name in ("timestamp", "binary", "merge"))

_WORDS: dict[str, Scalar] = {
    **{w: True for word in ("yes", "true", "on") for w in (word, word.title(), word.upper())},
    **{w: False for word in ("no", "false", "off") for w in (word, word.title(), word.upper())},
    **dict.fromkeys(("y", "Y"), True),
    **dict.fromkeys(("n", "N"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **{sign + w: math.inf for sign in ("", "+") for w in (".inf", ".Inf", ".INF")},
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}
_MAYBE = frozenset("+-0123456789yYnNtTfFoO~.")  # a text that starts with anything else is a string
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_DOT_FLOAT = re.compile(r"\.[0-9](_?[0-9])*([eE][-+]?[0-9](_?[0-9])*)?\Z")  # Go allows 1_0 here, between digits only
_INT = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[oO]?([0-7]+)|0[bB]([01]+)|(0|[1-9][0-9]*))\Z")
_LATE_BINARY = re.compile(r"0b([-+][01]+)\Z")  # go-yaml tries the digits after 0b once more, sign and all
_DATE = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)"
    r"(?:[Tt](\d\d?):(\d\d?):(\d\d?)(?:[.,]\d+)?(?:Z|[+-]\d\d:\d\d)| (\d\d?):(\d\d?):(\d\d?)(?:[.,]\d+)?)?\Z",
    re.ASCII,
)
_INT64_MIN, _UINT64_MAX = -(2**63), 2**64 - 1


class ScalarError(ValueError):
    """A scalar that go-yaml refuses, such as `!!int two`."""


def resolve(text: str, tag: str | None) -> tuple[str, Scalar]:
    """Return tag and value of a plain scalar (`tag` None), or of one with an explicit tag.

    >>> resolve("1e-4", None)[1], resolve("012", None)[1], resolve("12:30:00", None)[1]
    (0.0001, 10, '12:30:00')
    """
    if tag == BINARY:
        return BINARY, _decode_base64(text)
    if tag is not None and tag not in (STR, BOOL, INT, FLOAT, NULL, TIMESTAMP):
        return tag, text
    if tag == STR:
        return STR, text
    found, value = _resolve_plain(text, tag)
    if tag in (None, found):
        return found, value
    if tag == FLOAT and found == INT and isinstance(value, int) and value < 2**63:
        return FLOAT, float(value)
    if tag == TIMESTAMP and _is_timestamp(text):
        return TIMESTAMP, text
    raise ScalarError(f"cannot read {text!r} as !!{tag.removeprefix(PREFIX)}")


def _resolve_plain(text: str, tag: str | None) -> tuple[str, Scalar]:
    if text and text[0] not in _MAYBE:
        return STR, text
    if text in _WORDS:
        value = _WORDS[text]
        if value is None:
            return NULL, None
        return (BOOL if isinstance(value, bool) else FLOAT), value
    if not text or text[0] in "yYnNtTfFoO~":
        return STR, text
    if text[0] == ".":
        number = _parse_float(text.replace("_", "")) if _DOT_FLOAT.match(text) else None
        return (STR, text) if number is None else (FLOAT, number)
    if tag == TIMESTAMP:
        return STR, text
    digits = text.replace("_", "")
    integer = parse_go_int(digits)
    if integer is not None:
        return INT, integer
    number = _parse_float(digits) if _FLOAT.match(digits) else None
    if number is not None:
        return FLOAT, number
    late = _LATE_BINARY.match(digits)
    return (INT, int(late[1], 2)) if late else (STR, text)


def parse_go_int(digits: str) -> int | None:
    """Return the integer in Go's base-0 syntax when it fits 64 bits, else None: `0x1f`, `0o17`, `017`, `0b11`, `-5`."""
    match = _INT.match(digits)
    if not match:
        return None
    sign, hexadecimal, octal, binary, decimal = match.groups()
    for text, base in ((hexadecimal, 16), (octal, 8), (binary, 2), (decimal, 10)):
        if text is not None:
            if len(text) > 64:
                stripped = text.lstrip("0")
                if len(stripped) > 64:
                    return None
                text = stripped or "0"
            value = -int(text, base) if sign == "-" else int(text, base)
            in_range = _INT64_MIN <= value <= (_UINT64_MAX if not sign else 2**63 - 1)
            return value if in_range else None
    return None


def _parse_float(digits: str) -> float | None:
    value = float(digits)
    return None if math.isinf(value) else value  # Go reports a range error, and the text stays a string


def _decode_base64(text: str) -> str:
    try:
        raw = base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        raise ScalarError("!!binary value contains invalid base64 data") from None
    return raw.decode("utf-8", errors="replace")


def _is_timestamp(text: str) -> bool:
    match = _DATE.match(text)
    if not match:
        return False
    year, month, day, *clock = (int(group or 0) for group in match.groups())
    try:
        datetime.date(max(year, 1), month, day)
    except ValueError:
        return False
    hours, minutes, seconds = (max(a, b) for a, b in zip(clock[:3], clock[3:], strict=True))
    return hours < 24 and minutes < 60 and seconds < 60


def key_text(value: Scalar) -> str:
    """Return the text of a mapping key; raises ScalarError for a null or an integer beyond 64 bits signed."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _key_float(value)
    if value is None or value >= 2**63:
        raise ScalarError(f"a key cannot be {'null' if value is None else value}; quote it")
    return str(value)


def _key_float(value: float) -> str:
    """Shortest digits that give the same 32-bit float back, as Go's FormatFloat(f, 'g', -1, 32)."""
    if math.isnan(value) or math.isinf(value):
        return ".nan" if math.isnan(value) else (".inf" if value > 0 else "-.inf")
    try:
        single = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return ".inf" if value > 0 else "-.inf"
    for precision in range(9):
        text = f"{single:.{precision}e}"
        if struct.pack("f", float(text)) == struct.pack("f", single):
            break
    exponent = int(text.partition("e")[2])
    if not -4 <= exponent < 6:  # Go's threshold for %g with the shortest digits
        return text
    return f"{float(text):.{max(0, precision - exponent)}f}"


def as_double(value: int | float) -> int | float:
    """Return the number as it comes out of JSON: a double, shown as an int where that loses nothing."""
    double = float(value)
    whole = double.is_integer() and abs(double) <= 2**53 and not (double == 0 and math.copysign(1, double) < 0)
    return int(double) if whole else double


def number_text(value: int | float) -> str:
    """Return the number as Helm's toJson prints it: `1000000`, `0.0001`, `1e-7`, `1e+21`."""
    if isinstance(value, int):
        return str(value)
    double = value
    if double == 0:
        return "-0" if math.copysign(1, double) < 0 else "0"
    digits, _, exponent_text = repr(double).partition("e")
    digits = digits.removesuffix(".0")
    if not exponent_text:
        return digits
    exponent = int(exponent_text)
    if 1e-6 <= abs(double) < 1e21:
        return _spread(digits, exponent)
    return f"{digits}e{'+' if exponent > 0 else '-'}{abs(exponent)}"


def _spread(digits: str, exponent: int) -> str:
    """Write `1.5e+16` without its exponent."""
    sign, digits = ("-", digits[1:]) if digits.startswith("-") else ("", digits)
    whole, _, fraction = digits.partition(".")
    if exponent >= 0:
        return sign + (whole + fraction).ljust(len(whole) + exponent, "0")
    return f"{sign}0.{'0' * (-exponent - 1)}{whole}{fraction}"
