"""The keys of the chart, from its schema and its values.yaml."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[2] / "charts" / "vlm-sft"
DEFAULTS: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))

Key = tuple[str, ...]


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with its definition merged in: `{"allOf": [{"$ref": ...}], "description": ...}`."""
    for part in schema.get("allOf", []):
        schema = {**SCHEMA["definitions"][part["$ref"].rpartition("/")[2]], **schema}
    return schema


def schema_keys(schema: dict[str, Any], path: Key = ()) -> Iterator[tuple[Key, dict[str, Any]]]:
    """Yield every key in a schema, with its own schema."""
    for name, part in resolved(schema).get("properties", {}).items():
        yield (*path, name), resolved(part)
        yield from schema_keys(part, (*path, name))


KEYS = dict(schema_keys(SCHEMA))
PASSED_THROUGH = {key for key, part in KEYS.items() if part.get("type") == "object" and "properties" not in part}
LEAVES = [key for key, part in KEYS.items() if "properties" not in part and key != ("global",)]


def value_keys(values: dict[str, Any], path: Key = ()) -> Iterator[Key]:
    """Yield every key in values, except keys below a passed-through mapping."""
    for name, value in values.items():
        yield (*path, name)
        if isinstance(value, dict) and (*path, name) not in PASSED_THROUGH:
            yield from value_keys(value, (*path, name))


def value_at(values: Any, key: Key) -> Any:
    for name in key:
        values = values[name]
    return values


def nested(key: Key, value: Any) -> dict[str, Any]:
    """Return values that set one key."""
    for name in reversed(key):
        value = {name: value}
    result: dict[str, Any] = value
    return result


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Return `below` overridden by `above`; mappings are merged."""
    result = copy.deepcopy(below)
    for name, value in above.items():
        both = isinstance(value, dict) and isinstance(result.get(name), dict)
        result[name] = merged(result[name], value) if both else value
    return result


_KEY_LINE = re.compile(r"^( *)([\w-]+):(?: +(.*))?$")


def comments() -> Iterator[tuple[Key, str]]:
    """Yield every key with its own line in values.yaml, and the comment above it."""
    path: list[str] = []
    comment: list[str] = []
    for line in (CHART / "values.yaml").read_text(encoding="utf-8").splitlines():
        found = _KEY_LINE.match(line)
        if found:
            path[len(found[1]) // 2 :] = [found[2]]
            yield tuple(path), " ".join(comment)
            comment = []
        elif line.lstrip().startswith("# "):
            comment.append(line.strip()[2:])
        else:
            comment = []
