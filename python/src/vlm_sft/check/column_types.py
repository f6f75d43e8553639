"""Types of the columns, as `datasets` 4.8 infers them from the first 10 MB of JSON lines and expects them afterwards.

Within the first 10 MB types may vary: such a field becomes JSON. Later rows are cast to the first types; a cast that
fails ends the loading of the file.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

CHUNK_BYTES = 10 << 20  # JsonConfig.chunksize of `datasets`
MAX_DEPTH = 62  # nested lists and objects that pyarrow reads in a row
MAX_INT = 2**63 - 1
DATE = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d(:\d\d(:\d\d)?)?Z?)?")

Name = Literal["null", "bool", "int", "float", "date", "text", "list", "object", "json"]


@dataclass(slots=True)
class Type:
    """The type of one field: of a column, of the elements of a list, or of a key of an object."""

    name: Name = "null"
    element: "Type | None" = None  # of a list
    keys: dict[str, "Type"] = field(default_factory=dict)  # of an object


def learn(known: Type, value: Any, *, is_row: bool = False) -> None:  # noqa: ANN401  any JSON value
    """Widen `known` so that it includes `value`, a value of the first 10 MB."""
    if value is None or known.name == "json":
        return
    name = _name(value)
    if known.name == "null":
        known.name = name
        known.element = Type() if name == "list" else None
        known.keys = {key: Type() for key in value} if name == "object" else {}
    elif known.name != name and not _widened(known, name):
        known.name = "json"
        return
    if name == "list":
        for item in value:
            learn(known.element or known, item)
    elif name == "object":
        if is_row:
            known.keys |= {key: Type() for key in value if key not in known.keys}
        elif value.keys() != known.keys.keys() or not value:
            known.name = "json"
            return
        for key, item in value.items():
            learn(known.keys[key], item)


def conflicts(known: Type, value: Any, path: str = "") -> Iterator[tuple[str, str, str]]:  # noqa: ANN401
    """Yield (kind, field, detail) for each part of a later row that does not fit the first 10 MB."""
    if value is None or known.name == "json":
        return
    name = _name(value)
    if known.name == "object" and name == "object":
        for key, item in value.items():
            inner = f"{path}.{key}" if path else key
            if key in known.keys:
                yield from conflicts(known.keys[key], item, inner)
            else:
                yield ("late_key" if path else "late_column", inner, _shown(item))
    elif known.name == "list" and name == "list" and known.element:
        for item in value:
            yield from conflicts(known.element, item, f"{path}[]")
    elif known.name == "null":
        yield ("null_first", path, f"{name} {_shown(value)}")
    elif known.name == "text" and name not in ("text", "date"):
        yield ("number_among_texts", path, f"{name} {_shown(value)}")
    elif not _fits(known.name, name, value):
        yield ("type_changes", path, f"{known.name} in the first 10 MB, here {name} {_shown(value)}")


def depth(value: Any) -> int:  # noqa: ANN401  any JSON value
    """Return how deep lists and objects are nested in `value`, up to a little over MAX_DEPTH."""
    level, deepest = [value], 0
    while level and deepest <= MAX_DEPTH + 1:
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner += item.values()
            elif isinstance(item, list):
                inner += item
        deepest += any(isinstance(item, dict | list) for item in level)
        level = [item for item in inner if isinstance(item, dict | list)]
    return deepest


def dates_only(row: Type) -> Iterator[str]:
    """Yield each column, and each key of a message, whose texts in the first 10 MB are all dates."""
    for column, known in row.keys.items():
        inner: Mapping[str, Type] = known.element.keys if known.element else {}
        yield from (f"{column}[].{key}" for key, of_key in inner.items() if of_key.name == "date")
        if known.name == "date":
            yield column


def _name(value: object) -> Name:
    match value:
        case str():
            return "date" if value[4:5] == "-" and DATE.fullmatch(value) else "text"
        case bool():
            return "bool"
        case int():
            return "int" if -MAX_INT - 1 <= value <= MAX_INT else "float"
        case float():
            return "float"
        case list():
            return "list"
    return "object"


def _widened(known: Type, name: Name) -> bool:
    """Widen int to float and date to text; False if the two types have nothing in common."""
    for narrow, wide in (("int", "float"), ("date", "text")):
        if {known.name, name} == {narrow, wide}:
            known.name = wide  # type: ignore[assignment]
            return True
    return False


def _fits(known: Name, name: Name, value: Any) -> bool:  # noqa: ANN401  any JSON value
    numbers = known == "float" and name == "int"
    whole = known == "int" and name == "float" and abs(value) <= MAX_INT and value == int(value)
    return (
        known == name or numbers or whole or (known == "text" and name == "date") or (known == "bool" and name == "int")
    )


def _shown(value: object) -> str:
    text = repr(value[:3] if isinstance(value, list) else value[:40] if isinstance(value, str) else value)
    return text if len(text) <= 40 else f"{text[:37]}..."
