"""Byte ranges of JSON lines, each checked by one process, and the lines in them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

RANGE_BYTES = 16 << 20
MAX_LINE_BYTES = 64 << 20  # a longer line is not parsed: it would take half a GiB in each process
SKIP_BYTES = 1 << 20
UTF8_BOM = b"\xef\xbb\xbf"
SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Range:
    """The lines that start in [start, end) of a file."""

    path: Path
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end. `text` is empty if the line is longer than MAX_LINE_BYTES."""

    start: int  # byte
    text: bytes
    size_bytes: int
    ends_with_crlf: bool


class LineProblem(Exception):  # noqa: N818  a finding, not an error of this program
    """A line without a row: the kind of finding, and what it holds."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(kind)
        self.kind, self.detail = kind, detail


def ranges(path: Path, size_bytes: int) -> list[Range]:
    """Cut a file into ranges of RANGE_BYTES."""
    return [Range(path, start, min(start + RANGE_BYTES, size_bytes)) for start in range(0, size_bytes, RANGE_BYTES)]


def lines(part: Range) -> Iterator[Line]:
    """Yield the lines that start in a range. The memory is bounded by MAX_LINE_BYTES."""
    with part.path.open("rb") as file:
        if part.start:
            file.seek(part.start - 1)
            _skip_line(file)
        position = file.tell()
        while position < part.end and (text := file.readline(MAX_LINE_BYTES)):
            size = len(text)
            if not text.endswith(b"\n") and size == MAX_LINE_BYTES:
                size, text = size + _skip_line(file), b""
            yield Line(position, text.rstrip(b"\r\n"), size, text.endswith(b"\r\n"))
            position += size


def _skip_line(file: BinaryIO) -> int:
    """Read up to the next line; return the number of bytes."""
    skipped = 0
    while piece := file.readline(SKIP_BYTES):
        skipped += len(piece)
        if piece.endswith(b"\n"):
            break
    return skipped


def parse(line: Line) -> tuple[Any, str]:
    """Return the value of a line, and the kind of finding that it is all the same ("": none).

    Raises:
        LineProblem: the line is too long or not JSON.
    """
    if not line.text:
        raise LineProblem("too_long", f"{line.size_bytes >> 20} MiB")
    text = line.text.removeprefix(UTF8_BOM)
    if text != line.text and line.start:
        raise LineProblem("bom_inside", _shown(line.text))
    try:
        return orjson.loads(text), ""
    except orjson.JSONDecodeError as error:
        reason = str(error)
    return _as_python_reads(text, reason)


def _as_python_reads(text: bytes, reason: str) -> tuple[Any, str]:
    """Parse what orjson refuses: NaN and half of a surrogate pair, each of which pyarrow treats in its own way."""
    try:
        value = json.loads(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise LineProblem("not_utf8", f"byte {error.start + 1} of the line is {text[error.start]:#04x}") from None
    except RecursionError:
        raise LineProblem("too_deep", _shown(text)) from None
    except ValueError as error:
        if "Extra data" in str(error):
            raise LineProblem("not_json", f"text after the object: {_shown(text[error.pos :])}") from None  # type: ignore[attr-defined]
        raise LineProblem("not_json", f"{reason.split(':')[0]}: {_shown(text)}") from None
    if SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        raise LineProblem("lone_surrogate", _shown(text))
    return value, "not_a_number"


def _shown(text: bytes) -> str:
    return repr(text[:60].decode("utf-8", "replace"))
