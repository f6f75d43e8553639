"""A YAML stream's first document as a tree of raw nodes with their places, before any scalar is understood.

libyaml scans and parses; this module only stacks its events, as go-yaml does: anchors may be redefined, and an alias
refers to the newest anchor above it.
"""

# ruff: noqa: ANN401 - libyaml's events are untyped

import re
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.cyaml import CParser  # type: ignore[attr-defined]  # libyaml; PyYAML's wheels carry it

MAX_DEPTH = 100  # levels; Helm takes 10,000, but no values file has 20, and Python's stack holds 1,000 calls
_TAG = re.compile(r"(?:&\S+\s+)?(!\S*)")
SCALAR, MAPPING, SEQUENCE, ALIAS = "scalar", "mapping", "sequence", "alias"


class YamlError(ValueError):
    """A text that is no YAML; `line` and `column` count from 1."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.line, self.column = line, column


@dataclass(slots=True, eq=False)
class RawNode:
    """One YAML node: `children` alternates keys and values for a mapping; `target` is what an alias stands for."""

    kind: str
    line: int
    column: int
    text: str = ""
    tag: str | None = None
    plain: bool = False
    children: "list[RawNode] | None" = None
    target: "RawNode | None" = None


def first_document(text: bytes) -> RawNode | None:
    """Return the root of the first document of `text`, None for an empty stream; raises YamlError."""
    try:
        return _compose(CParser(text), text)
    except yaml.reader.ReaderError as error:
        line = text[: max(0, int(error.position))].count(b"\n") + 1
        raise YamlError(f"not YAML text: {error.reason}", line) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = ", ".join(part for part in (error.context, error.problem) if part)
        line_text = b"".join(text.split(b"\n")[mark.line : mark.line + 1]) if mark else b""
        if mark and line_text[mark.column : mark.column + 1] == b"\t":
            message = "a tab cannot indent; use blanks"
        raise YamlError(message, mark.line + 1 if mark else 1, mark.column + 1 if mark else 1) from None
    except yaml.YAMLError as error:
        raise YamlError(" ".join(str(error).split())) from None


def _compose(parser: Any, text: bytes) -> RawNode | None:
    root: RawNode | None = None
    stack: list[RawNode] = []
    anchors: dict[str, RawNode] = {}
    get_event = parser.get_event
    while True:
        event: Any = get_event()
        kind = type(event)
        if kind in (yaml.MappingEndEvent, yaml.SequenceEndEvent):
            stack.pop()
            continue
        if kind in (yaml.DocumentEndEvent, yaml.StreamEndEvent):
            return root
        if kind in (yaml.StreamStartEvent, yaml.DocumentStartEvent):
            continue
        node = _node(event, anchors)
        if node.tag is not None:
            _check_tag(event.start_mark, text)
        if stack:
            siblings = stack[-1].children
            assert siblings is not None  # noqa: S101 - only collections are stacked
            siblings.append(node)
        else:
            root = node
        if node.children is not None:
            stack.append(node)
            if len(stack) > MAX_DEPTH:
                raise YamlError(f"nested deeper than {MAX_DEPTH} levels", node.line, node.column)


def _node(event: Any, anchors: dict[str, RawNode]) -> RawNode:
    mark = event.start_mark
    place = (mark.line + 1, mark.column + 1)
    kind = type(event)
    if kind is yaml.ScalarEvent:
        node = RawNode(SCALAR, *place, event.value, event.tag, event.implicit[0])
    elif kind is yaml.AliasEvent:
        name: str = event.anchor
        target = anchors.get(name)
        if target is None:
            raise YamlError(f"unknown anchor {event.anchor!r} referenced", *place)
        return RawNode(ALIAS, *place, name, target=target)
    else:
        node = RawNode(MAPPING if kind is yaml.MappingStartEvent else SEQUENCE, *place, tag=event.tag, children=[])
    if event.anchor is not None:
        anchors[event.anchor] = node
    return node


def _check_tag(mark: Any, text: bytes) -> None:
    """Refuse `[!!str, a]`: libyaml ends the tag at the comma, go-yaml takes it for a part of the tag."""
    match = _TAG.match(text.decode("utf-8-sig", errors="replace"), mark.index)
    if match and re.search(r"[,\[\]{}]", match[1]):
        raise YamlError(f"put a blank after the tag in {match[1]!r}", mark.line + 1, mark.column + 1)
