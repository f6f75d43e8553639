"""Lines of a split, in pieces -> one JSONL file whose first line has an image if any line has one.

pyarrow, and so ms-swift, takes the type of `images` from the first megabytes of the file: from empty lists alone it is
a list of nothing, and a later line with an image ends the loading.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vlm_sft.atomic_file import atomic_write

COPY_BYTES = 1 << 20


@dataclass
class Piece:
    """A file with some of the lines, and where its first line with an image is: (start, end) in bytes."""

    path: Path
    size: int = 0  # [bytes]
    image_line: tuple[int, int] | None = None

    def add(self, file: BinaryIO, lines: bytes, image_line: tuple[int, int] | None) -> None:
        """Append lines to `file`, which is open for writing at `path`."""
        if self.image_line is None and image_line is not None:
            start, end = image_line
            self.image_line = (self.size + start, self.size + end)
        file.write(lines)
        self.size += len(lines)


def publish(pieces: Sequence[Piece], target: Path) -> None:
    """Write the lines of all pieces in order to `target`, atomically; one line is moved to the front if needed."""
    first = next((number for number, piece in enumerate(pieces) if piece.image_line), 0)
    start, end = pieces[first].image_line or (0, 0)
    if len(pieces) == 1 and start == 0:
        pieces[0].path.replace(target)
        return
    with atomic_write(target) as out:
        _copy(pieces[first].path, out, start, end)
        for number, piece in enumerate(pieces):
            if number == first:
                _copy(piece.path, out, 0, start)
                _copy(piece.path, out, end, piece.size)
            else:
                _copy(piece.path, out, 0, piece.size)


def _copy(path: Path, out: BinaryIO, start: int, end: int) -> None:
    with path.open("rb") as file:
        file.seek(start)
        left = end - start
        while left and (block := file.read(min(left, COPY_BYTES))):
            out.write(block)
            left -= len(block)
        if left:
            raise FileNotFoundError(2, "a part of the preparation has been cut off", str(path))


def discard(pieces: Sequence[Piece]) -> None:
    """Remove the files of the pieces."""
    for piece in pieces:
        piece.path.unlink(missing_ok=True)
