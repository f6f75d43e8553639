"""What values.schema.json forbids, found by `jsonschema`: one Violation per wrong place, with the path of the key."""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from vlm_sft.genvalues.values.chart import Schema
from vlm_sft.genvalues.values.places import Path

if TYPE_CHECKING:
    from jsonschema import Draft7Validator, ValidationError

# jsonschema imports these for `format` where Jupyter has installed them: a second, and no schema here has `format`.
_FORMAT_CHECKERS = ("rfc3987_syntax", "rfc3986_validator", "isoduration", "fqdn", "webcolors", "uri_template")
_LOCK = Lock()


@cache
def validator_class() -> "type[Draft7Validator]":
    """Import jsonschema, which takes 0.2 s, and return its validator; `genvalues` calls it while Helm runs."""
    with _LOCK:
        hidden = [name for name in _FORMAT_CHECKERS if name not in sys.modules]
        sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: cannot be imported
        try:
            from jsonschema import Draft7Validator
        finally:
            for name in hidden:
                del sys.modules[name]
    return Draft7Validator


@dataclass(frozen=True)
class Violation:
    """One keyword that a value breaks. `causes` are those of the branches of anyOf, oneOf."""

    path: Path
    keyword: str
    expected: Any  # the keyword's own value in the schema
    got: Any
    schema: dict[str, Any]
    causes: list[list["Violation"]] = field(default_factory=list)


def violations(schema: Schema, values: Any) -> list[Violation]:  # noqa: ANN401 - a JSON value may be anything
    """Return everything about `values` that `schema` (JSON Schema draft-07) forbids."""
    return [found for error in validator_class()(schema).iter_errors(values) for found in _violations(error, ())]


def resolved(schema: Schema, root: Schema) -> Schema:
    """Return `schema` with its `$ref` (`#/definitions/NAME`) followed."""
    while isinstance(schema, dict) and "$ref" in schema:
        target: Any = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        schema = target
    return schema


def _violations(error: "ValidationError", above: Path) -> Iterator[Violation]:
    """Yield the violations of one error: unknown and missing keys one by one, each with the path of the key itself."""
    path: Path = (*above, *error.path)
    keyword, got = str(error.validator), cast(Any, error.instance)
    found = error.schema if isinstance(error.schema, dict) else {}
    if "propertyNames" in error.schema_path:
        yield Violation((*path, str(got)), "propertyNames", error.validator_value, got, found)
    elif keyword == "additionalProperties":
        for key in _unknown_keys(got, found):
            yield Violation((*path, key), keyword, False, got[key], found)
    elif keyword == "required":
        (missing,) = (key for key in found[keyword] if error.message.startswith(f"{key!r} is"))
        yield Violation((*path, missing), keyword, missing, None, found)
    else:
        branches: dict[int, list[Violation]] = {}
        for cause in error.context or ():
            branches.setdefault(int(cause.schema_path[0]), []).extend(_violations(cause, path))
        yield Violation(path, keyword, error.validator_value, got, found, list(branches.values()))


def _unknown_keys(got: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    patterns = [re.compile(pattern) for pattern in schema.get("patternProperties", {})]
    for key in got:
        if key not in schema.get("properties", {}) and not any(pattern.search(key) for pattern in patterns):
            yield key
