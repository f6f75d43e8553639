"""An argument of ms-swift as its own command line reads it: text, typed by what is expected."""

# ruff: noqa: ANN401 - ms-swift's arguments are of every type

from collections.abc import Mapping
from typing import Any

from vlm_sft.errors import UserError

MOST = 1e15  # no run has as many of anything; beyond it the estimates leave what a float holds


def argument(values: Mapping[str, Any], key: str, default: Any) -> Any:
    """Return an argument of train.args as the default's type, the default where it is not given or null.

    Raises:
        UserError: a number is needed, and it is none.
    """
    value = (values["train"].get("args") or {}).get(key)
    return default if value is None else _like(key, value, default)


def _like(key: str, value: Any, default: Any) -> Any:
    """Return the value as the default's type: on ms-swift's command line "8192" is 8192, "true" is true.

    Raises:
        UserError: a number is needed, and it is none that a run can have.
    """
    if isinstance(default, bool):
        return value if isinstance(value, bool) else str(value).casefold() in ("true", "1", "yes")
    if isinstance(default, str):
        return str(value)
    if not isinstance(default, int | float):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise UserError(f"train.args.{key}: got {value!r}, need a number") from None
    if not abs(number) < MOST:  # nan too
        raise UserError(f"train.args.{key}: got {value!r}, need a number below {MOST:g}")
    return type(default)(number)
