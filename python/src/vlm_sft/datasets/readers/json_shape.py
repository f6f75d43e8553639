r"""Which JSON a file that begins with an object holds: lines, pretty-printed objects, or one object around the rows.

{"id": 1, ...}\n{"id": 2, ...}\n      one row a line
{\n  "id": 1,\n ...}\n{\n ...}\n      rows over several lines
{"version": "1.0", "data": [{"id": 1, ...}, ...]}
"""

import io
import json

import ijson
import orjson

from vlm_sft.datasets.conversation import Drop

# Keys under which exports put the rows. No dataset has a field of such a name that is a list of objects.
AROUND_ROWS = {
    "annotations",
    "data",
    "dataset",
    "examples",
    "instances",
    "items",
    "records",
    "rows",
    "samples",
    "train",
    "validation",
    "test",
}


def rows_below(head: bytes) -> str | None:
    """Return where ijson finds the rows: "" for objects one after another, "data.item" below a key; None for lines.

    `head` is the start of the file, from its first brace.
    """
    first, _, rest = head.partition(b"\n")
    following = rest.lstrip()[:1]
    whole = _is_json(first)
    if whole and following == b"{":
        return None
    if below := _key_around_rows(head):
        return below
    # A damaged line in a file of lines hardly ends like this, and the next line is a row.
    ending = first.rstrip()[-1:]
    goes_on = ending == b"[" or (ending in (b"{", b",", b":") and following not in (b"{", b""))
    return "" if goes_on and not whole else None


def _is_json(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


def _key_around_rows(head: bytes) -> str | None:
    try:
        for place, event, _ in ijson.parse(io.BytesIO(head), multiple_values=True):
            if event == "start_map" and place.endswith(".item") and place.removesuffix(".item") in AROUND_ROWS:
                return str(place)
    except (ijson.JSONError, UnicodeDecodeError):  # the head ends within a value
        pass
    return None


def parsed_rows(array: bytes) -> list[object] | None:
    r"""Parse a JSON array; None if it is none. A row with half a surrogate pair, such as "\ud83d", is a Drop.

    orjson refuses such a text, and ijson writes a question mark for it.
    """
    try:
        rows: list[object] = orjson.loads(array)
    except orjson.JSONDecodeError:
        if rb"\ud" not in array.lower():
            return None
    else:
        return rows
    try:
        rows = json.loads(array, parse_constant=_refuse)
        return [Drop("invalid_unicode") if _has_half_pair(row) else row for row in rows]
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _has_half_pair(row: object) -> bool:
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False
