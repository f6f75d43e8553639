"""A part of a split's input: what one process converts at a time. Parts follow each other in the order of the rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol


class WrongCut(Exception):  # noqa: N818  named after the cause
    """A part does not begin or end between two rows, or one of its rows is not JSON."""


class Part(Protocol):
    """Rows that can be read on their own, in any process."""

    def rows(self) -> Iterator[object]:
        """Yield the rows; a row that cannot be read is a Drop.

        Raises:
            WrongCut: before the first row; `Cut.streamed` then reads this part and all after it.
            UserError: the file is broken.
        """


class Cut(Part, Protocol):
    """A part that may have been cut at a wrong place."""

    def streamed(self, rows_before: int) -> Iterator[Part]:
        """Read this part and all after it in the same file in order; `rows_before`, in the file, is for messages.

        Raises:
            UserError: the file is broken.
        """


@dataclass(frozen=True)
class Rows:
    """Rows that were read already, from a source that can be read only in order."""

    found: Sequence[object]

    def rows(self) -> Iterator[object]:
        """Yield the rows."""
        return iter(self.found)
