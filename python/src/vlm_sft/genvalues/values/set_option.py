"""`--set`, `--set-string` and `--set-json` as Helm parses them: `train.args.tuner_type=lora,gpu.tolerations[0].key=a`.

A backslash takes the next character as it is, `{a,b}` is a list, a key that is empty sets nothing. `--set` knows true,
false, null and whole numbers; `1e-5` stays a string there, which is what `--set-json` is for.
"""

import json
import re
from typing import Literal, TypeAlias

from vlm_sft.genvalues.values.go_scalar import as_double
from vlm_sft.genvalues.values.node import Node, Origin, Plain

Form: TypeAlias = Literal["--set", "--set-string", "--set-json"]
Entries: TypeAlias = dict[str, Node]

_MAX_INDEX = 65536
_MAX_DEPTH = 30  # dots in one key
_INTEGER = re.compile(r"[-+]?[0-9]+\Z")


class SetError(ValueError):
    """An option that Helm refuses."""


class _End(Exception):  # noqa: N818 - the end of the text is no error
    """Nothing is left to parse."""


def apply_set(root: Node, form: Form, text: str) -> None:
    """Write the settings in `text` into the mapping `root`; raises SetError."""
    if form == "--set-json" and text.strip().startswith("{"):
        raise SetError("Helm 3 needs key=json here; write it as a values file or key by key")
    parser = _Parser(text, form)
    assert isinstance(root.value, dict)  # noqa: S101 - read_values_file returns mappings only
    try:
        while True:
            parser.key(root.value, 0)
    except _End:
        return
    except RecursionError:
        raise SetError("nested too deep") from None


class _Parser:
    def __init__(self, text: str, form: Form) -> None:
        self.text, self.at, self.form = text, 0, form
        self.origin = Origin(f"{form} {text}")

    def key(self, data: Entries, depth: int) -> None:
        """Parse one `key=value` into `data`; raises _End when the text is used up."""
        name, stop = self._until("=[,.")
        if stop == "":
            if name:
                raise SetError(f"key {name!r} has no value; write {name}=value")
            raise _End
        if stop == ",":
            raise SetError(f"key {name!r} has no value; write {name}=value")
        if stop == "[":
            self._indexed(data, name, depth)
        elif stop == ".":
            self._nested(data, name, depth + 1)
        else:
            value, ended = self._value()
            self._store(data, name, value)
            if ended:
                raise _End

    def _indexed(self, data: Entries, name: str, depth: int) -> None:
        index = self._index()
        items: list[Node] = []
        if name in data:
            items = self._list(data[name], name)
        try:
            self._item(items, index, depth)
        finally:
            self._store(data, name, items)

    def _nested(self, data: Entries, name: str, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise SetError(f"more than {_MAX_DEPTH} dots in a key")
        inner: Entries = {}
        if name in data:
            found = data[name].value
            if not isinstance(found, dict):
                raise SetError(f"{name!r} holds {_kind(found)}, so {name}.… cannot be set; unset it first")
            inner = found
        try:
            self.key(inner, depth)
        except _End:
            if inner:
                self._store(data, name, inner)
            raise
        if not inner:
            raise SetError(f"key map {name!r} has no value")
        self._store(data, name, inner)

    def _item(self, items: list[Node], index: int, depth: int) -> None:
        name, stop = self._until("[.=")
        if name:
            raise SetError(f"unexpected {name!r} after an index")
        if stop == "":
            raise _End
        if stop == "=":
            value, _ = self._value()
            self._put(items, index, value)
        elif stop == "[":
            inner_index = self._index()
            inner = self._list(items[index], "") if index < len(items) and items[index].value is not None else []
            self._item(inner, inner_index, depth)
            self._put(items, index, inner)
        else:
            entries: Entries = {}
            if index < len(items):
                found = items[index].value
                if isinstance(found, dict):
                    entries = found
                else:
                    items[index] = Node(entries, self.origin)
            self.key(entries, depth)
            self._put(items, index, entries)

    def _index(self) -> int:
        text, stop = self._until("]")
        if stop == "":
            raise SetError(f"[{text} is not closed; write [{text}]")
        if not _INTEGER.match(text):
            raise SetError(f"[{text}] is no index; write a whole number between brackets")
        index = int(text)
        if index < 0:
            raise SetError(f"index {index} is negative")
        return index

    def _list(self, node: Node, name: str) -> list[Node]:
        if not isinstance(node.value, list):
            raise SetError(f"{name!r} holds {_kind(node.value)}, so {name}[…] cannot be set")
        return node.value

    def _put(self, items: list[Node], index: int, value: "Plain | Entries | list[Node]") -> None:
        if index > _MAX_INDEX:
            raise SetError(f"index {index} is above {_MAX_INDEX}")
        items.extend(Node(None, self.origin) for _ in range(index + 1 - len(items)))
        items[index] = self._node(value)

    def _store(self, data: Entries, name: str, value: "Plain | Entries | list[Node]") -> None:
        if name:
            data[name] = self._node(value)

    def _node(self, value: "Plain | Entries | list[Node]") -> Node:
        if isinstance(value, dict):
            entries = {k: v if isinstance(v, Node) else self._node(v) for k, v in value.items()}
            # The very mapping is kept where it holds nodes already: the parser goes on filling it.
            return Node(value if all(isinstance(v, Node) for v in value.values()) else entries, self.origin)  # type: ignore[arg-type]
        if isinstance(value, list):
            return Node([v if isinstance(v, Node) else self._node(v) for v in value], self.origin)
        return Node(value, self.origin)

    def _value(self) -> tuple[Plain, bool]:
        """Return the value after `=`, and whether the text ended right there."""
        if self.form == "--set-json":
            return self._json(), False
        if self.at >= len(self.text):
            return "", True
        if self.text[self.at] == "{":
            self.at += 1
            return self._braces(), False
        return self._typed(self._until(",")[0]), False

    def _braces(self) -> list[Plain]:
        items: list[Plain] = []
        while True:
            text, stop = self._until(",}")
            if stop == "":
                raise SetError("a list must end with }")
            items.append(self._typed(text))
            if stop == "}":
                if self.text[self.at : self.at + 1] == ",":
                    self.at += 1
                return items

    def _json(self) -> Plain:
        if self._blank():
            return None
        try:
            value, end = _DECODER.raw_decode(self.text, self.at)
        except (ValueError, RecursionError) as error:
            raise SetError(f"is no JSON: {error}") from None
        if isinstance(value, int | float) and self.text[end : end + 1] in (".", "e", "E"):
            raise SetError("is no JSON: a number is cut short")
        self.at = end
        self._blank()
        result: Plain = value
        return result

    def _blank(self) -> bool:
        """Skip blanks and one comma; tell whether there was no value before the comma or the end."""
        while self.at < len(self.text):
            if self.text[self.at] == ",":
                self.at += 1
                return True
            if not self.text[self.at].isspace():
                return False
            self.at += 1
        return True

    def _typed(self, text: str) -> Plain:
        if self.form == "--set-string":
            return text
        folded = text.casefold()
        if folded in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[folded]
        if text == "0":
            return 0
        if _INTEGER.match(text) and text[0] != "0" and -(2**63) <= int(text[:64]) < 2**63:
            return int(text)
        return text

    def _until(self, stops: str) -> tuple[str, str]:
        """Return the text up to one of `stops` (consumed) and that character, "" at the end."""
        characters: list[str] = []
        while self.at < len(self.text):
            character = self.text[self.at]
            self.at += 1
            if character in stops:
                return "".join(characters), character
            if character == "\\":
                if self.at >= len(self.text):
                    break
                character = self.text[self.at]
                self.at += 1
            characters.append(character)
        return "".join(characters), ""


def _json_number(text: str) -> int | float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is too large")
    return as_double(value)


def _refuse(text: str) -> float:
    raise ValueError(f"{text} is no JSON number")


_DECODER = json.JSONDecoder(parse_float=_json_number, parse_int=_json_number, parse_constant=_refuse)


def _kind(value: object) -> str:
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else "null" if value is None else "a single value"
