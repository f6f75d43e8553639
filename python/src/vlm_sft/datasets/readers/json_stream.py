r"""The bytes of a JSON file for ijson, which alone is not safe with them.

- For half a surrogate pair, such as "\ud83d", ijson writes a question mark, or ends the file with an error. Such an
  escape is replaced by HALF_PAIR, so that the caller finds the row.
- Its memory grows with the square of the depth: 10 GB for a row nested 100,000 deep. More than MAX_DEPTH is an error.
"""

import re
from itertools import accumulate
from typing import BinaryIO

MAX_DEPTH = 10_000  # 200 MB; the caller drops a row of more than 1000
HALF_PAIR = "\uffff\ufffe\uffff"  # no characters, by the Unicode standard
HALF = re.compile(rb"\\u[dD][89a-fA-F]")
ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
# An escape, or the first half of a pair, that may go on after the end of a block.
OPEN_ESCAPE = re.compile(
    rb"(?<!\\)(?:\\\\)*+(\\(?:u(?:[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u[0-9a-fA-F]{0,4})?)?|[0-9a-fA-F]{0,4}))?)\Z"
)
LONGEST_ESCAPE = len(rb"\ud83d\ude00")
STRUCTURE = b'[]{}"'
NO_STRUCTURE = bytes(set(range(256)) - set(STRUCTURE))
QUOTED = re.compile(rb'"[^"]*+(?:"|$)')
STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


class TooDeep(Exception):  # noqa: N818  the caller names the file
    """The file is nested deeper than MAX_DEPTH."""


class JsonStream:
    """A file of which some bytes have been read already: `read` returns these first."""

    def __init__(self, start: bytes, file: BinaryIO) -> None:
        self._unread, self._file = start, file
        self._depth, self._is_in_text = 0, False

    def read(self, size: int) -> bytes:
        """Read about `size` bytes, whole escapes only. ijson reads 0 bytes to find out whether the file is binary.

        Raises:
            TooDeep: see the class.
        """
        if not size:
            return b""
        block, self._unread = self._unread + self._file.read(size), b""
        may_be_open = len(block) >= size and b"\\" in block[-LONGEST_ESCAPE:]
        if may_be_open and (rest := OPEN_ESCAPE.search(block)):
            block, self._unread = block[: rest.start(1)], rest[1]
        self._measure(block.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, NO_STRUCTURE))
        if HALF.search(block):
            block = ESCAPE.sub(_replaced, block)
        return block

    def tell(self) -> int:
        """Return the number of bytes read so far."""
        return self._file.tell()

    def _measure(self, structure: bytes) -> None:
        """Follow the depth through brackets and quotes."""
        if self._is_in_text:
            structure = b'"' + structure
        self._is_in_text = structure.count(b'"') % 2 == 1
        brackets = QUOTED.sub(b"", structure)
        opened = brackets.count(b"[") + brackets.count(b"{")
        may_be_too_deep = self._depth + opened > MAX_DEPTH
        if may_be_too_deep and max(accumulate(map(STEP.__getitem__, brackets), initial=self._depth)) > MAX_DEPTH:
            raise TooDeep
        self._depth += 2 * opened - len(brackets)


def _replaced(escape: re.Match[bytes]) -> bytes:
    return HALF_PAIR.encode() if escape[1] else escape[0]
