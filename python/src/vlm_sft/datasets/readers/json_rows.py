"""Rows of a JSON array or of JSON lines, in parts of about a megabyte. Memory does not grow with the file."""

import pickle
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import ijson
import orjson

from vlm_sft.datasets.conversation import Drop
from vlm_sft.datasets.readers.json_shape import parsed_rows, rows_below
from vlm_sft.datasets.readers.json_stream import HALF_PAIR, JsonStream, TooDeep
from vlm_sft.datasets.readers.part import Part, Rows, WrongCut
from vlm_sft.errors import UserError

PART_BYTES = 1 << 20  # about 500 rows of FIRE
MAX_PART_BYTES = 1 << 22  # an array whose next row begins later is streamed by ijson
BLOCK_BYTES = 1 << 16  # read at a time
STREAMED_ROWS = 512  # in a part
SNIFF_BYTES = 4096
UTF8_BOM = b"\xef\xbb\xbf"
TOO_DEEP = Drop("invalid_json", "nested too deep")
INVALID_UNICODE = Drop("invalid_unicode")
OPENING = re.compile(rb'\s*(\{\s*"(?:[^"\\]|\\.)*")')  # a row's brace and first key: {"id"


def parts(path: Path, part_bytes: int = PART_BYTES) -> Iterator[Part]:
    """Yield the parts of a JSON array or of JSON lines. They depend on the file alone.

    The first non-blank byte decides: `[` opens a JSON array, `{` the first of many JSON lines, unless the objects take
    several lines or one object is around all rows. An array is cut before a
    row that opens with the same key as the first row. A wrong cut, inside a row, is always noticed, because the part
    before it is then not JSON.

    Raises:
        UserError: the file is neither.
    """
    with path.open("rb") as file:
        head = file.read(SNIFF_BYTES)
        blank = len(UTF8_BOM) if head.startswith(UTF8_BOM) else 0
        start = len(head) - len(head[blank:].lstrip())
        size = path.stat().st_size
        match head[start : start + 1]:
            case b"[":
                file.seek(start + 1)
                opening = OPENING.match(file.read(BLOCK_BYTES))
                before = start + 1
                separator = re.compile(rb",\s*(?=%b)" % re.escape(opening[1])) if opening else None
            case b"{":
                below = rows_below(head[start:])
                if below is not None:
                    file.seek(start)
                    yield from _batches(_streamed(JsonStream(b"", file), 0, path, below))
                    return
                before, separator = start, None
            case _:
                raise UserError(f"{path}: {_description(head[start:])}")
        lines = head[start : start + 1] == b"{"
        while before < size:
            cut = size
            if lines or separator:
                cut = _next_cut(file, min(before + part_bytes, size), separator or NEWLINE) or size
            yield LinesPart(path, before, cut) if lines else ArrayPart(path, before, cut, last=cut == size)
            before = cut


NEWLINE = re.compile(rb"\n")


def _next_cut(file: BinaryIO, start: int, separator: re.Pattern[bytes]) -> int | None:
    """Return where the first row after `start` begins; None if there is none in MAX_PART_BYTES."""
    file.seek(start)
    window = b""
    for _ in range(MAX_PART_BYTES // BLOCK_BYTES):
        block = file.read(BLOCK_BYTES)
        window = window[-SNIFF_BYTES:] + block  # a separator is shorter than SNIFF_BYTES
        if match := separator.search(window):
            return file.tell() - len(window) + match.end()
        if not block:
            break
    return None


@dataclass(frozen=True)
class LinesPart:
    """Whole JSON lines: the bytes from `start` up to, but not including, `end`."""

    path: Path
    start: int
    end: int

    def rows(self) -> Iterator[object]:
        """Yield each line's value; a line that is not JSON is a Drop."""
        for line in _bytes(self.path, self.start, self.end).split(b"\n"):
            line = line.removeprefix(UTF8_BOM)
            if not line or line.isspace():
                continue
            try:
                yield orjson.loads(line)
            except orjson.JSONDecodeError as error:
                rows = parsed_rows(b"[" + line + b"]") or []
                yield rows[0] if len(rows) == 1 else Drop("invalid_json", f"{error}: {line[:60]!r}")


@dataclass(frozen=True)
class ArrayPart:
    """Whole rows of a JSON array: the bytes from `start` up to, but not including, `end`."""

    path: Path
    start: int
    end: int
    last: bool  # the part has the array's closing bracket

    def rows(self) -> Iterator[object]:
        """Yield the rows, which orjson parses three times as fast as a streaming parser.

        Raises:
            WrongCut: the bytes are not whole rows, or too many.
        """
        if self.end - self.start > MAX_PART_BYTES:
            _refuse_deep_nesting(self.path, _bytes(self.path, self.start, self.start + BLOCK_BYTES))
            raise WrongCut
        content = _bytes(self.path, self.start, self.end).rstrip()
        if not self.last:
            content = content.removesuffix(b",") + b"]"
        rows = parsed_rows(b"[" + content)
        if rows is None:
            _refuse_deep_nesting(self.path, content[:BLOCK_BYTES])
            raise WrongCut
        return iter(rows)

    def streamed(self, rows_before: int) -> Iterator[Rows]:
        """Stream this part and all after it; `rows_before` rows of the file come before them.

        Raises:
            UserError: the array is truncated or malformed; names the row and byte.
        """
        with self.path.open("rb") as file:
            file.seek(self.start)
            yield from _batches(_streamed(JsonStream(b"[", file), rows_before, self.path))


def _batches(rows: Iterator[object]) -> Iterator[Rows]:
    while found := list(islice(rows, STREAMED_ROWS)):
        yield Rows([_problem_of(row) or row for row in found] if _problem_of(found) else found)


def _problem_of(value: object) -> Drop | None:
    """Return why a row, or one of several, cannot be used.

    For another process it must be pickled, which about 1000 levels prevent, as in orjson.
    """
    try:
        packed = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except RecursionError:
        return TOO_DEEP
    return INVALID_UNICODE if HALF_PAIR.encode() in packed else None


def _refuse_deep_nesting(path: Path, content: bytes) -> None:
    """Raise a UserError beyond orjson's limit of some thousand levels; ijson takes minutes for a hundred times that."""
    try:
        orjson.loads(b"[" + content)
    except orjson.JSONDecodeError as error:
        if "depth limit" in str(error):
            raise _too_deep(path) from None


def _too_deep(path: Path) -> UserError:
    return UserError(f"{path}: brackets nested more than a thousand deep, which no row has")


def _bytes(path: Path, start: int, end: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(end - start)


def _streamed(file: JsonStream, rows: int, path: Path, below: str = "item") -> Iterator[object]:
    """Stream the rest of an array of which `rows` rows were read before; or the rows `below` another place."""
    sys.set_int_max_str_digits(0)  # ijson 3.4 crashes the process when int() refuses a long integer
    try:
        for row in ijson.items(file, below, buf_size=BLOCK_BYTES, multiple_values=not below):
            rows += 1
            yield row
    except TooDeep:
        raise _too_deep(path) from None
    except (ijson.JSONError, UnicodeDecodeError) as error:
        complaint = str(error.args[0] if error.args else error).strip("b'\" ").partition("\\n")[0].splitlines()[0]
        end = file.tell()
        if "premature EOF" in complaint:
            value = "the JSON array" if below else "the last JSON object"
            raise UserError(
                f"{path}: {value} is truncated in row {rows + 1}, at byte {end}, the end of the file; "
                "the download is incomplete, download it again"
            ) from None
        raise UserError(
            f"{path}: row {rows + 1} or one soon after it is not JSON ({complaint}), "
            f"between byte {max(0, end - 2 * BLOCK_BYTES)} and byte {end}; fix the file or download it again"
        ) from None


def _description(start: bytes) -> str:
    if not start:
        return "the file is empty; need a JSON array or JSON lines"
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the data itself; download it with `git lfs pull` or `hf download`"
    return f"starts with {start[:20]!r}; need a JSON array ([) or JSON lines ({{)"
