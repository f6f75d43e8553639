"""Raw YAML nodes -> values, treating aliases, merge keys, repeated keys and keys that are no text as go-yaml does."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from vlm_sft.genvalues.values.go_scalar import MERGE, Scalar, ScalarError, as_double, key_text, resolve
from vlm_sft.genvalues.values.node import Node, Origin
from vlm_sft.genvalues.values.yaml_tree import ALIAS, MAPPING, MAX_DEPTH, SCALAR, SEQUENCE, RawNode, YamlError

# go-yaml's guard against aliases that multiply: of few values 99 % may come from aliases, of many only 10 %.
_FEW_DECODES, _MANY_DECODES = 400_000, 4_000_000
_SHARE_OF_FEW, _SHARE_OF_MANY = 0.99, 0.10


@dataclass(frozen=True)
class RepeatedKey:
    """A key written twice in one mapping: Helm takes the last and says nothing."""

    key: str
    first_line: int
    line: int
    column: int


@dataclass
class Decoder:
    """Decodes one document; `repeated` collects what Helm accepts in silence."""

    source: str
    line_offset: int = 0
    repeated: list[RepeatedKey] = field(default_factory=list)
    _suspects: list[tuple[Node, YamlError]] = field(default_factory=list)  # wrong only if no later key replaces them
    _decoded: int = 0
    _from_aliases: int = 0
    _alias_depth: int = 0
    _depth: int = 0
    _open_aliases: set[int] = field(default_factory=set)

    def document(self, raw: RawNode) -> Node:
        """Return the value of a document's root; raises YamlError."""
        root = self.decode(raw)
        if self._suspects:
            kept = {id(node) for node in _walk(root)}
            for node, error in self._suspects:
                if id(node) in kept:
                    raise error
        return root

    def decode(self, raw: RawNode, origin: Origin | None = None) -> Node:
        """Return the value of `raw`; its place is `origin` (the key's) where given; raises YamlError."""
        self._count(raw)
        place = origin or Origin(self.source, raw.line + self.line_offset, raw.column)
        if raw.kind == SCALAR:
            node = Node(self._scalar(raw), place)
            if isinstance(node.value, int | float) and not isinstance(node.value, bool):
                self._to_double(node, raw)
            return node
        if raw.kind == ALIAS:
            return self._alias(raw, place)
        self._enter(raw)
        result: dict[str, Node] | list[Node]
        if raw.kind == SEQUENCE:
            result = [self.decode(child) for child in raw.children or ()]
        else:
            entries: dict[Scalar, tuple[Node, str]] = {}
            self._mapping(raw, entries)
            result = self._by_text(entries, raw)
        self._depth -= 1
        return Node(result, place)

    def _enter(self, raw: RawNode) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(f"nested deeper than {MAX_DEPTH} levels", raw)

    def _count(self, raw: RawNode) -> None:
        self._decoded += 1
        if self._alias_depth:
            self._from_aliases += 1
            if self._from_aliases > 100 and self._decoded > 1000:
                done = (self._decoded - _FEW_DECODES) / (_MANY_DECODES - _FEW_DECODES)
                allowed = _SHARE_OF_FEW - (_SHARE_OF_FEW - _SHARE_OF_MANY) * min(1.0, max(0.0, done))
                if self._from_aliases / self._decoded > allowed:
                    raise self._error("aliases (*name) repeat too much; write the values out", raw)

    def _alias(self, raw: RawNode, place: Origin) -> Node:
        target = self._enter_alias(raw)
        node = self.decode(target, place)
        self._leave_alias(raw)
        return node

    def _enter_alias(self, raw: RawNode) -> RawNode:
        if id(raw) in self._open_aliases or raw.target is None:
            raise self._error(f"anchor {raw.text!r} contains itself", raw)
        self._open_aliases.add(id(raw))
        self._alias_depth += 1
        return raw.target

    def _leave_alias(self, raw: RawNode) -> None:
        self._alias_depth -= 1
        self._open_aliases.discard(id(raw))

    def _scalar(self, raw: RawNode) -> Scalar:
        if raw.tag is None and not raw.plain:
            return raw.text
        try:
            return resolve(raw.text, raw.tag)[1]
        except ScalarError as error:
            raise self._error(str(error), raw) from None

    def _to_double(self, node: Node, raw: RawNode) -> None:
        if isinstance(node.value, float) and not math.isfinite(node.value):
            error = self._error(f"{raw.text} is no number that JSON can hold, so Helm refuses it", raw)
            self._suspects.append((node, error))
        elif isinstance(node.value, int | float):
            node.value = as_double(node.value)

    def _mapping(self, raw: RawNode, entries: dict[Scalar, tuple[Node, str]]) -> None:
        """Add the entries of `raw` in the order written: a merge key overrides what stands above it."""
        children = raw.children or []
        seen: dict[object, int] = {}
        for key, value in zip(children[::2], children[1::2], strict=True):
            if key.kind == SCALAR and key.text == "<<" and (key.plain or key.tag == MERGE):
                self._merge(value, entries)
                continue
            value_of_key = self._key(key)
            identity = _identity(value_of_key)
            if identity in seen:
                line = key.line + self.line_offset
                self.repeated.append(RepeatedKey(key.text, seen[identity], line, key.column))
            seen[identity] = key.line + self.line_offset
            node = self.decode(value, Origin(self.source, key.line + self.line_offset, key.column))
            entries.pop(identity, None)
            entries[identity] = (node, self._name(value_of_key, node, key))

    def _key(self, key: RawNode) -> Scalar:
        self._count(key)
        scalar = key
        if key.kind == ALIAS:
            scalar = self._enter_alias(key)
            self._count(scalar)
            self._leave_alias(key)
        if scalar.kind != SCALAR:
            raise self._error("a mapping or a list cannot be a key", key)
        return self._scalar(scalar)

    def _name(self, key: Scalar, node: Node, raw: RawNode) -> str:
        try:
            return key_text(key)
        except ScalarError as error:
            self._suspects.append((node, self._error(str(error), raw)))
            return raw.text

    def _merge(self, raw: RawNode, entries: dict[Scalar, tuple[Node, str]]) -> None:
        parts = list(reversed(raw.children or [])) if raw.kind == SEQUENCE else [raw]
        for part in parts:
            target = part.target if part.kind == ALIAS and part.target else part
            if target.kind != MAPPING:
                raise self._error("<< needs a mapping or a list of mappings", raw)
            self._count(part)
            if part.kind == ALIAS:
                self._enter_alias(part)
                self._count(target)
            self._enter(target)
            self._mapping(target, entries)
            self._depth -= 1
            if part.kind == ALIAS:
                self._leave_alias(part)

    def _by_text(self, entries: dict[Scalar, tuple[Node, str]], raw: RawNode) -> dict[str, Node]:
        result: dict[str, Node] = {}
        for node, name in entries.values():
            if name in result:
                message = f"two keys read as {name!r}, and Helm takes either; quote or drop one"
                self._suspects.append((node, self._error(message, raw)))
            result[name] = node
        return result

    def _error(self, message: str, raw: RawNode) -> YamlError:
        return YamlError(message, raw.line + self.line_offset, raw.column)


def _identity(value: Scalar) -> Scalar:
    """Return what tells two keys apart in Go: 1, 1.0, true and "1" are four keys."""
    return value if isinstance(value, str) else f"\0{type(value).__name__}\0{value!r}"


def _walk(node: Node) -> Iterator[Node]:
    yield node
    if isinstance(node.value, dict | list):
        for child in node.value.values() if isinstance(node.value, dict) else node.value:
            yield from _walk(child)
