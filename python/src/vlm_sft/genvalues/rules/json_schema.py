"""JSON Schema draft-07, as far as values.schema.json uses it: every violation with its path, none dropped.

The `jsonschema` package takes 0.12 s to import, more than half of what a whole run of `genvalues validate` may take,
so it checks this module in the tests instead of running in it. An unknown keyword is an error here: JSON Schema ignores
a misspelt one in silence. `format` is not known on purpose, since Helm 3 and Helm 4 disagree about it.
"""

# ruff: noqa: ANN401 - a JSON value may be anything

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from vlm_sft.genvalues.rules.schema_checks import CHECKS, SchemaError, compiled_pattern
from vlm_sft.genvalues.values.node import Path, Plain

Schema: TypeAlias = dict[str, Any] | bool

ANNOTATIONS = frozenset(
    (
        "$schema",
        "$id",
        "$comment",
        "title",
        "description",
        "default",
        "examples",
        "definitions",
        "readOnly",
        "writeOnly",
    )
)


@dataclass(frozen=True)
class Violation:
    """One keyword that a value breaks. `causes` are those of the branches of anyOf, oneOf."""

    path: Path
    keyword: str
    expected: Any  # the keyword's own value in the schema
    got: Plain
    schema: dict[str, Any]
    causes: list[list["Violation"]] = field(default_factory=list)


def violations(schema: Schema, value: Plain, root: Schema | None = None, path: Path = ()) -> Iterator[Violation]:
    """Yield everything about `value` that `schema` forbids; `root` holds the `definitions` that `$ref` points into."""
    root = schema if root is None else root
    if isinstance(schema, bool):
        if not schema:
            yield Violation(path, "false", False, value, {})
        return
    if "$ref" in schema:  # draft-07: everything beside a $ref is ignored
        yield from violations(_deref(schema["$ref"], root), value, root, path)
        return
    for keyword, expected in schema.items():
        if keyword in CHECKS:
            if not CHECKS[keyword](expected, value):
                yield Violation(path, keyword, expected, value, schema)
        elif keyword in _APPLICATORS:
            yield from _APPLICATORS[keyword](expected, value, schema, root, path)
        elif keyword not in ANNOTATIONS and keyword not in ("then", "else"):
            raise SchemaError(f"unknown keyword {keyword!r} in the schema")


def resolved(schema: Schema, root: Schema) -> Schema:
    """Return `schema` with its `$ref` followed."""
    while isinstance(schema, dict) and "$ref" in schema:
        schema = _deref(schema["$ref"], root)
    return schema


def _deref(reference: str, root: Schema) -> Schema:
    target: Any = root
    if not reference.startswith("#"):
        raise SchemaError(f"$ref {reference!r} leaves the file")
    for part in reference.removeprefix("#").split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(target, dict) or part not in target:
            raise SchemaError(f"$ref {reference!r} points nowhere")
        target = target[part]
    result: Schema = target
    return result


def valid(schema: Schema, value: Plain, root: Schema) -> bool:
    """Tell whether `schema` allows `value`."""
    return next(violations(schema, value, root), None) is None


# Applicators: the keywords that hand (a part of) the value on to other schemas. One signature for all of them.


def _properties(expected: Any, value: Any, schema: dict[str, Any], root: Schema, path: Path) -> Iterator[Violation]:
    if isinstance(value, dict):
        for key, child in value.items():
            if key in expected:
                yield from violations(expected[key], child, root, (*path, key))


def _pattern_properties(expected: Any, value: Any, schema: Any, root: Schema, path: Path) -> Iterator[Violation]:
    if isinstance(value, dict):
        for key, child in value.items():
            for pattern, sub in expected.items():
                if compiled_pattern(pattern).search(key):
                    yield from violations(sub, child, root, (*path, key))


def _additional(expected: Any, value: Any, schema: dict[str, Any], root: Schema, path: Path) -> Iterator[Violation]:
    if not isinstance(value, dict):
        return
    patterns = [compiled_pattern(pattern) for pattern in schema.get("patternProperties", {})]
    for key, child in value.items():
        if key in schema.get("properties", {}) or any(pattern.search(key) for pattern in patterns):
            continue
        if expected is False:
            yield Violation((*path, key), "additionalProperties", False, child, schema)
        else:
            yield from violations(expected, child, root, (*path, key))


def _required(expected: Any, value: Any, schema: dict[str, Any], root: Schema, path: Path) -> Iterator[Violation]:
    if isinstance(value, dict):
        for key in expected:
            if key not in value:
                yield Violation((*path, key), "required", key, None, schema)


def _property_names(expected: Any, value: Any, schema: Any, root: Schema, path: Path) -> Iterator[Violation]:
    for key in value if isinstance(value, dict) else ():
        if not valid(expected, key, root):
            yield Violation((*path, key), "propertyNames", expected, key, schema)


def _items(expected: Any, value: Any, schema: dict[str, Any], root: Schema, path: Path) -> Iterator[Violation]:
    if isinstance(value, list):
        for index, child in enumerate(value):
            if isinstance(expected, list):
                sub = expected[index] if index < len(expected) else schema.get("additionalItems", True)
            else:
                sub = expected
            yield from violations(sub, child, root, (*path, index))


def _contains(expected: Any, value: Any, schema: dict[str, Any], root: Schema, path: Path) -> Iterator[Violation]:
    if isinstance(value, list) and not any(valid(expected, child, root) for child in value):
        yield Violation(path, "contains", expected, value, schema)


def _dependencies(expected: Any, value: Any, schema: dict[str, Any], root: Schema, path: Path) -> Iterator[Violation]:
    for key in expected if isinstance(value, dict) else ():
        if key in value:
            needs = expected[key]
            sub = {"required": needs} if isinstance(needs, list) else needs
            yield from violations(sub, value, root, path)


def _all_of(expected: Any, value: Any, schema: dict[str, Any], root: Schema, path: Path) -> Iterator[Violation]:
    for sub in expected:
        yield from violations(sub, value, root, path)


def _any_of(expected: Any, value: Any, schema: dict[str, Any], root: Schema, path: Path) -> Iterator[Violation]:
    causes = [list(violations(sub, value, root, path)) for sub in expected]
    if all(causes):
        yield Violation(path, "anyOf", expected, value, schema, causes)


def _one_of(expected: Any, value: Any, schema: dict[str, Any], root: Schema, path: Path) -> Iterator[Violation]:
    causes = [list(violations(sub, value, root, path)) for sub in expected]
    if sum(not cause for cause in causes) != 1:
        yield Violation(path, "oneOf", expected, value, schema, causes)


def _not(expected: Any, value: Any, schema: dict[str, Any], root: Schema, path: Path) -> Iterator[Violation]:
    if valid(expected, value, root):
        yield Violation(path, "not", expected, value, schema)


def _if(expected: Any, value: Any, schema: dict[str, Any], root: Schema, path: Path) -> Iterator[Violation]:
    branch = "then" if valid(expected, value, root) else "else"
    if branch in schema:
        yield from violations(schema[branch], value, root, path)


_APPLICATORS: dict[str, Callable[[Any, Any, dict[str, Any], Schema, Path], Iterator[Violation]]] = {
    "properties": _properties,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional,
    "required": _required,
    "propertyNames": _property_names,
    "items": _items,
    "additionalItems": lambda *_: iter(()),  # read by _items
    "contains": _contains,
    "dependencies": _dependencies,
    "allOf": _all_of,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "not": _not,
    "if": _if,
}
KEYWORDS = frozenset(CHECKS) | frozenset(_APPLICATORS) | ANNOTATIONS | {"$ref", "then", "else"}
