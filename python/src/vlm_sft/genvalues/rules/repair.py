"""Values without what the schema refuses, so that the chart's rules can be asked in the same run.

Helm stops at the schema; a person wants to hear of the batch that does not divide together with the misspelt key.
"""

from collections.abc import Sequence

from vlm_sft.genvalues.rules.json_schema import Schema, Violation, valid
from vlm_sft.genvalues.values.node import Node, Path, Plain
from vlm_sft.suggest import closest

_FREE = {("requests",), ("limits",)}  # a quantity is compared with its neighbour, not with the chart's default


def repaired(values: Node, defaults: Node, wrong: Sequence[Violation], schema: Schema) -> Plain:
    """Return the values with what was meant, the chart's default, or nothing, at each wrong place; None if still wrong.

    What was probably meant comes first: a misspelt `gpuPerNode: 4` is four GPUs, `fyre` is fire.
    """
    for guess in (True, False):
        plain = values.plain()
        for violation in wrong:
            if not (guess and _put_guess(plain, violation)):
                _replace(plain, violation.path, defaults.get(violation.path))
        if valid(schema, plain, schema):
            return plain
    return None


def _put_guess(plain: Plain, violation: Violation) -> bool:
    """Put the value under the key, or the choice in place of the value, that it was probably meant to be."""
    parent = _parent(plain, violation.path)
    key = str(violation.path[-1]) if violation.path else ""
    if parent is None or key not in parent:
        return False
    if violation.keyword == "additionalProperties":
        meant = closest(key, violation.schema.get("properties", {}))
        if meant:
            parent[meant] = _over(parent.get(meant), parent.pop(key))
        return bool(meant)
    choices = violation.schema.get("enum", []) if violation.keyword == "enum" else []
    choice = closest(str(parent[key]), [item for item in choices if isinstance(item, str) and item])
    if choice:
        parent[key] = choice
    return bool(choice)


def _over(default: Plain, value: Plain) -> Plain:
    """Return a value over its default, as Helm would merge it under the right key."""
    if not isinstance(default, dict) or not isinstance(value, dict):
        return value
    return {**default, **{key: _over(default.get(key), child) for key, child in value.items()}}


def _replace(plain: Plain, path: Path, default: Node | None) -> None:
    """Put a default in place of one value, or take the value away."""
    parent = _parent(plain, path)
    if parent is None:
        return
    key = str(path[-1])
    if default is not None and path[-2:-1] not in _FREE:
        parent[key] = default.plain()
    else:
        parent.pop(key, None)


def _parent(plain: Plain, path: Path) -> dict[str, Plain] | None:
    """Return the mapping that holds the last step; None where it is gone or inside a list, which no rule looks into."""
    parent = plain
    for step in path[:-1]:
        if not isinstance(parent, dict) or str(step) not in parent:
            return None
        parent = parent[str(step)]
    return parent if path and isinstance(parent, dict) else None


def explained(path: Path, wrong: Sequence[Violation]) -> bool:
    """Tell whether a finding at `path` may come from a repair: its key was wrong, or written as a misspelt one."""
    for violation in wrong:
        place = violation.path
        if violation.keyword == "additionalProperties":
            guess = closest(str(place[-1]), violation.schema.get("properties", {}))
            place = (*place[:-1], guess) if guess else place
        shared = min(len(place), len(path))
        if place[:shared] == path[:shared]:
            return True
    return False
