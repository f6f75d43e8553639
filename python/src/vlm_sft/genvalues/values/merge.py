"""Values files and chart defaults put together as Helm does it, each value keeping the place it came from.

Between values files a mapping merges into a mapping and anything else replaces (null too, which stays to delete a
default later). Over the chart's defaults a null deletes the key, a list replaces, and a mapping written over a scalar,
or a scalar over a mapping, wins with a warning.
"""

from vlm_sft.genvalues.rules.problem import Problem
from vlm_sft.genvalues.values.node import Node, Path, dotted


def merge_files(below: Node, above: Node) -> Node:
    """Return `above` merged over `below`; both hold mappings, neither is changed."""
    if not isinstance(below.value, dict) or not isinstance(above.value, dict):
        return above
    merged = dict(below.value)
    for key, child in above.value.items():
        under = merged.get(key)
        both_map = under is not None and isinstance(under.value, dict) and isinstance(child.value, dict)
        merged[key] = merge_files(under, child) if under is not None and both_map else child
    return Node(merged, above.origin)


def merge_defaults(defaults: Node, user: Node) -> tuple[Node, list[Problem]]:
    """Return the user's values over the chart's defaults, and a warning where shapes differ."""
    warnings: list[Problem] = []
    return _over(defaults, user, (), warnings), warnings


def _over(defaults: Node, user: Node, path: Path, warnings: list[Problem]) -> Node:
    default_map, user_map = defaults.value, user.value
    if not isinstance(default_map, dict) or not isinstance(user_map, dict):
        return user
    merged: dict[str, Node] = {}
    for key, default in default_map.items():
        child = user_map.get(key)
        if child is None:
            merged[key] = default
        elif child.value is None:
            continue  # null deletes the default
        elif isinstance(default.value, dict) and isinstance(child.value, dict):
            merged[key] = _over(default, child, (*path, key), warnings)
        else:
            _warn_of_shape(default, child, (*path, key), warnings)
            merged[key] = child
    merged.update((key, child) for key, child in user_map.items() if key not in default_map)
    return Node(merged, user.origin)


def _warn_of_shape(default: Node, child: Node, path: Path, warnings: list[Problem]) -> None:
    if default.value is None or isinstance(default.value, dict) == isinstance(child.value, dict):
        return
    was, now = ("a mapping", "a single value") if isinstance(default.value, dict) else ("a single value", "a mapping")
    message = f"replaces {was} of the chart's defaults by {now}"
    place = child.origin
    warnings.append(Problem(place.source, place.line, place.column, dotted(path), message, "warning", "shape"))
