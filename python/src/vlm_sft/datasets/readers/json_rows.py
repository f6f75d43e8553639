"""Rows of a JSON array or of JSON lines, streamed: memory stays the same whatever the size of the file."""

import re
import sys
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

import ijson
import orjson

from vlm_sft.datasets.conversation import Drop
from vlm_sft.errors import UserError

BLOCK_BYTES = 1 << 16  # some 30 rows of FIRE; smaller and larger blocks are slower
LONGEST_ROW_BYTES = 1 << 20  # of an array that is still read block by block
SNIFF_BYTES = 4096
UTF8_BOM = b"\xef\xbb\xbf"
OPENING = re.compile(rb'\s*(\{\s*"(?:[^"\\]|\\.)*")')  # a row's brace and first key: {"id"


def read_rows(path: Path) -> Iterator[object]:
    """Yield each row of `path` as the JSON value it is; a line that is not JSON is yielded as a Drop.

    The first byte that is not blank decides: `[` opens a JSON array, `{` the first of many JSON lines.

    Raises:
        UserError: the file is neither, or an array breaks off or is malformed; says at which row and byte.
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
                yield from _lines(file)
            case _:
                raise UserError(f"{path}: {_what_it_is(head[start:])}")


def _array(file: BufferedReader, path: Path) -> Iterator[object]:
    """Read an array by blocks of whole rows, which orjson parses at thrice the speed of a streaming parser.

    A block is cut before a row that opens with the same key as the first row. A cut in the wrong place, inside a row,
    cannot go unnoticed: what lies before it is then no JSON array. From there on ijson streams the rest.
    """
    file.read(1)
    rest = file.read(BLOCK_BYTES)
    rows = 0
    opening = OPENING.match(rest)
    while opening and len(rest) < LONGEST_ROW_BYTES and (block := file.read(BLOCK_BYTES)):
        rest += block
        cut = rest.rfind(opening[1])
        if whole := rest[:cut].rstrip():
            batch = _parsed(b"[" + whole[:-1] + b"]") if whole.endswith(b",") else None
            if batch is None:
                break
            rows += len(batch)
            rest = rest[cut:]
            yield from batch
    if not file.peek(1) and (batch := _parsed(b"[" + rest)) is not None:
        yield from batch
    else:
        yield from _streamed(_Rest(b"[" + rest, file), rows, path)


def _parsed(array: bytes) -> list[object] | None:
    try:
        rows: list[object] = orjson.loads(array)
    except orjson.JSONDecodeError:
        return None
    return rows


class _Rest:
    """A file of which some bytes have been read already: they come first."""

    def __init__(self, start: bytes, file: BinaryIO) -> None:
        self._start, self._file = start, file

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes; ijson asks for 0 of them to learn whether they are bytes."""
        if not self._start:
            return self._file.read(size)
        start, self._start = self._start[:size], self._start[size:]
        return start

    def tell(self) -> int:
        """Bytes of the file read so far."""
        return self._file.tell()


def _streamed(file: _Rest, rows: int, path: Path) -> Iterator[object]:
    """Stream the rest of an array of which `rows` rows have been read."""
    sys.set_int_max_str_digits(0)  # ijson 3.4 crashes the process where int() refuses an integer for its length
    try:
        for row in ijson.items(file, "item", buf_size=BLOCK_BYTES):
            rows += 1
            yield row
    except ijson.JSONError as error:
        complaint = str(error.args[0] if error.args else error).strip("b'\" ").partition("\\n")[0].splitlines()[0]
        end = file.tell()
        if "premature EOF" in complaint:
            raise UserError(
                f"{path}: the JSON array breaks off in row {rows + 1}, at byte {end}, the end of the file; "
                "the download is not whole, fetch it again"
            ) from None
        raise UserError(
            f"{path}: row {rows + 1} or one soon after it is not JSON ({complaint}), "
            f"between byte {max(0, end - 2 * BLOCK_BYTES)} and byte {end}; mend or fetch the file"
        ) from None


def _lines(file: BinaryIO) -> Iterator[object]:
    for line in file:
        if line.isspace():
            continue
        try:
            yield orjson.loads(line)
        except orjson.JSONDecodeError as error:
            yield Drop("invalid_json", f"{error}: {line[:60]!r}")


def _what_it_is(start: bytes) -> str:
    if not start:
        return "the file is empty; need a JSON array or JSON lines"
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the data itself; fetch it with `git lfs pull` or `hf download`"
    return f"starts with {start[:20]!r}; need a JSON array ([) or JSON lines ({{)"
