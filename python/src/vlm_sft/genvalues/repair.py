"""Values without what the schema refuses, so that the chart's rules can be asked in the same run.

Helm stops at the schema; a person wants to hear of the batch that does not divide together with the misspelt key.
"""

from collections.abc import Sequence

from vlm_sft.genvalues.json_schema import Schema, Violation, valid
from vlm_sft.genvalues.node import Node, Path, Plain
from vlm_sft.genvalues.suggest import closest


def repaired(values: Node, defaults: Node, wrong: Sequence[Violation], schema: Schema) -> Plain:
    """Return the values with the chart's default, or nothing, at each wrong place; None when that is not enough."""
    plain = values.plain()
    for violation in wrong:
        _replace(plain, violation.path, defaults.get(violation.path))
    return plain if valid(schema, plain, schema) else None


def _replace(plain: Plain, path: Path, default: Node | None) -> None:
    """Put a default in place of one value, or take the value away."""
    parent = plain
    for step in path[:-1]:
        if not isinstance(parent, dict) or str(step) not in parent:
            return  # taken away already, or inside a list, which no rule looks into
        parent = parent[str(step)]
    if not path or not isinstance(parent, dict):
        return
    key = str(path[-1])
    if default is not None:
        parent[key] = default.plain()
    else:
        parent.pop(key, None)


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
