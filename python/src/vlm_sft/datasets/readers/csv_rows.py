"""CSV and TSV -> rows. A row is a mapping of column names to texts; a cell that is missing is None."""

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from vlm_sft.datasets.conversation import Drop
from vlm_sft.datasets.readers.part import Rows
from vlm_sft.errors import UserError

PART_ROWS = 512
LONGEST_CELL = 1 << 26  # [characters]; csv's own limit of 131,072 is short for a document


def parts(path: Path) -> Iterator[Rows]:
    """Yield the rows in parts; a row with more cells than the header is a Drop.

    Raises:
        UserError: the file has no header, or is not UTF-8.
    """
    csv.field_size_limit(LONGEST_CELL)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = _rows(csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ","), path)
        while found := list(islice(rows, PART_ROWS)):
            yield Rows(found)


def _rows(reader: "csv.DictReader[str]", path: Path) -> Iterator[object]:
    try:
        if not reader.fieldnames:
            raise UserError(f"{path}: the file is empty; need a line with the names of the columns")
        for row in reader:
            if None in row:
                yield Drop("ragged_row", f"{len(reader.fieldnames) + len(row[None])} cells")
            else:
                yield row
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: line {reader.line_num + 1}: {error}; save the file as UTF-8") from None
