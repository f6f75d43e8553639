"""Stream the rows of a JSON array or of JSON lines. Memory does not grow with the file."""

import re
import sys
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

import ijson
import orjson

from vlm_sft.datasets.conversation import Drop
from vlm_sft.datasets.readers.json_shape import parsed_rows, rows_below
from vlm_sft.errors import UserError

BLOCK_BYTES = 1 << 16  # about 30 rows of FIRE; smaller and larger blocks are slower
MAX_ROW_BYTES = 1 << 20  # an array with longer rows is streamed by ijson
SNIFF_BYTES = 4096
UTF8_BOM = b"\xef\xbb\xbf"
OPENING = re.compile(rb'\s*(\{\s*"(?:[^"\\]|\\.)*")')  # a row's brace and first key: {"id"


def read_rows(path: Path) -> Iterator[object]:
    """Yield each row of `path` as its JSON value; a line that is not JSON is yielded as a Drop.

    The first non-blank byte decides: `[` opens a JSON array, `{` the first of many JSON lines, unless the objects take
    several lines or one object is around all rows.

    Raises:
        UserError: the file is neither, or an array is truncated or malformed; names the row and byte.
    """
    with path.open("rb") as file:
        head = file.read(SNIFF_BYTES)
        blank = len(UTF8_BOM) if head.startswith(UTF8_BOM) else 0
        start = len(head) - len(head[blank:].lstrip())
        file.seek(start)
        match head[start : start + 1]:
            case b"[":
                yield from _array(file, path)
            case b"{":
                below = rows_below(head[start:])
                yield from _lines(file) if below is None else _streamed(_Rest(b"", file), 0, path, below)
            case _:
                raise UserError(f"{path}: {_description(head[start:])}")


def _array(file: BufferedReader, path: Path) -> Iterator[object]:
    """Read an array in blocks of whole rows, which orjson parses three times as fast as a streaming parser.

    A block is cut before a row that opens with the same key as the first row. A wrong cut, inside a row, is always
    noticed: the part before it is then not a JSON array. ijson streams the rest from there.
    """
    file.read(1)
    rest = file.read(BLOCK_BYTES)
    rows = 0
    opening = OPENING.match(rest)
    while opening and len(rest) < MAX_ROW_BYTES and (block := file.read(BLOCK_BYTES)):
        rest += block
        cut = rest.rfind(opening[1])
        if whole := rest[:cut].rstrip():
            batch = parsed_rows(b"[" + whole[:-1] + b"]") if whole.endswith(b",") else None
            if batch is None:
                break
            rows += len(batch)
            rest = rest[cut:]
            yield from batch
    if not file.peek(1) and (batch := parsed_rows(b"[" + rest)) is not None:
        yield from batch
    else:
        yield from _streamed(_Rest(b"[" + rest, file), rows, path)


class _Rest:
    """A file of which some bytes have been read already: `read` returns these first."""

    def __init__(self, start: bytes, file: BinaryIO) -> None:
        self._start, self._file = start, file

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes. ijson reads 0 bytes to find out whether the file is binary."""
        if not self._start:
            return self._file.read(size)
        start, self._start = self._start[:size], self._start[size:]
        return start

    def tell(self) -> int:
        """Return the number of bytes read so far."""
        return self._file.tell()


def _streamed(file: _Rest, rows: int, path: Path, below: str = "item") -> Iterator[object]:
    """Stream the rest of an array of which `rows` rows were read before; or the rows `below` another place."""
    sys.set_int_max_str_digits(0)  # ijson 3.4 crashes the process when int() refuses a long integer
    try:
        for row in ijson.items(file, below, buf_size=BLOCK_BYTES, multiple_values=not below):
            rows += 1
            yield row
    except (ijson.JSONError, UnicodeDecodeError) as error:
        complaint = str(error.args[0] if error.args else error).strip("b'\" ").partition("\\n")[0].splitlines()[0]
        end = file.tell()
        if "premature EOF" in complaint:
            raise UserError(
                f"{path}: the JSON array is truncated in row {rows + 1}, at byte {end}, the end of the file; "
                "the download is incomplete, download it again"
            ) from None
        raise UserError(
            f"{path}: row {rows + 1} or one soon after it is not JSON ({complaint}), "
            f"between byte {max(0, end - 2 * BLOCK_BYTES)} and byte {end}; fix the file or download it again"
        ) from None


def _lines(file: BinaryIO) -> Iterator[object]:
    for line in file:
        line = line.removeprefix(UTF8_BOM)  # of a file that was joined to the one before
        if line.isspace():
            continue
        try:
            yield orjson.loads(line)
        except orjson.JSONDecodeError as error:
            rows = parsed_rows(b"[" + line + b"]") or []
            yield rows[0] if len(rows) == 1 else Drop("invalid_json", f"{error}: {line[:60]!r}")


def _description(start: bytes) -> str:
    if not start:
        return "the file is empty; need a JSON array or JSON lines"
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the data itself; download it with `git lfs pull` or `hf download`"
    return f"starts with {start[:20]!r}; need a JSON array ([) or JSON lines ({{)"
