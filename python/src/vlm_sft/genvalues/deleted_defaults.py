"""Defaults that a null deletes although the chart's templates read them: Helm then stops inside some template."""

from collections.abc import Iterator
from typing import Any

from vlm_sft.genvalues.json_schema import Schema, resolved
from vlm_sft.genvalues.node import Node, Path

_OPTIONAL = {"requests", "limits"}  # Kubernetes takes a container without; each of their keys too
MESSAGE = "null deletes the chart's default, which its templates need; remove the line, or give a value"


def deleted_defaults(defaults: Node, user: Node, schema: Schema) -> Iterator[tuple[Path, Node]]:
    """Yield path and place of each null over a default that is needed."""
    yield from _below(defaults, user, schema, schema, ())


def _below(defaults: Node, user: Node, schema: Schema, root: Schema, path: Path) -> Iterator[tuple[Path, Node]]:
    if not isinstance(defaults.value, dict) or not isinstance(user.value, dict):
        return
    closed = resolved(schema, root)
    properties = closed.get("properties", {}) if isinstance(closed, dict) else {}  # none: passed through, each can go
    for key, child in user.value.items():
        default = defaults.value.get(key)
        if default is None or default.value is None or key not in properties or key in _OPTIONAL:
            continue
        if child.value is None:
            yield (*path, key), child
        else:
            yield from _below(default, child, properties[key], root, (*path, key))


def restore(plain: Any, defaults: Node, path: Path) -> None:  # noqa: ANN401 - a JSON value may be anything
    """Put the default back at `path`, so that the chart's rules can be asked."""
    default = defaults.get(path)
    for step in path[:-1]:
        plain = plain.get(step) if isinstance(plain, dict) else None
    if isinstance(plain, dict) and default is not None:
        plain.setdefault(str(path[-1]), default.plain())
