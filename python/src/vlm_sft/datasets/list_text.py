"""A list in the cell of a table, which holds texts only."""

import ast
import warnings

import orjson


def list_of(text: str) -> list[object] | None:
    """Read a list that was written as JSON, or by Python, as pandas writes a list into a CSV; None if it is none."""
    if not text.lstrip().startswith("["):
        return None
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            with warnings.catch_warnings(action="ignore"):  # of Python about escapes
                found = ast.literal_eval(text.strip())
            orjson.dumps(found, default=repr)  # refuses half surrogate pairs, which JSON refuses too
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return None
    return found if isinstance(found, list) else None
