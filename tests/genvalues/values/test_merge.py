"""Merging keeps where each value was written; the values themselves are held by the parity tests."""

from vlm_sft.genvalues.values.helm_yaml import ValuesFile, parse_values
from vlm_sft.genvalues.values.merge import merge_defaults, merge_files
from vlm_sft.genvalues.values.node import Node, dotted


def read(text: str, name: str) -> Node:
    parsed = parse_values(text.encode(), name)
    assert isinstance(parsed, ValuesFile)
    return parsed.root


def places(root: Node) -> dict[str, str]:
    return {dotted(path): str(node.origin) for path, node in root.leaves()}


def test_each_leaf_knows_its_file_and_line() -> None:
    merged = merge_files(read("a: 1\nb:\n  c: 2\n  d: 3\n", "one"), read("b:\n  c: 4\ne: [5, {f: 6}]\n", "two"))
    assert places(merged) == {"a": "one:1", "b.c": "two:2", "b.d": "one:4", "e[0]": "two:3", "e[1].f": "two:3"}


def test_null_deletes_a_default_and_lists_replace() -> None:
    merged, warnings = merge_defaults(
        read("a: {b: 1, c: 2}\nl: [1, 2]\nk: 1\n", "d"), read("a: {b: null}\nl: [3]\nx: ~\n", "u")
    )
    assert merged.plain() == {"a": {"c": 2}, "l": [3], "k": 1, "x": None}
    assert warnings == []


def test_a_default_keeps_its_place_in_the_chart() -> None:
    merged, _ = merge_defaults(read("a: {b: 1, c: 2}\n", "values.yaml"), read("\na: {b: 3}\n", "mine"))
    assert places(merged) == {"a.b": "mine:2", "a.c": "values.yaml:1"}
    assert str(merged.nearest(("a", "x", "y")).origin) == "mine:2"


def test_an_alias_points_at_the_line_that_uses_it() -> None:
    assert places(read("a: &x\n  b: 1\nc: *x\n", "f")) == {"a.b": "f:2", "c.b": "f:2"}
    assert str(read("a: &x\n  b: 1\nc: *x\n", "f").nearest(("c",)).origin) == "f:3"


def test_a_changed_shape_is_a_warning_at_its_line() -> None:
    _, (down, up) = merge_defaults(read("a: {b: 1}\nc: 2\n", "d"), read("a: 3\nc: {e: 1}\n", "u"))
    assert (down.place, down.text) == ("u:1", "a: replaces a mapping of the chart's defaults by a single value")
    assert (up.place, up.text) == ("u:2", "c: replaces a single value of the chart's defaults by a mapping")
    assert {down.severity, up.severity} == {"warning"}
