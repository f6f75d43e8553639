r"""CSV and TSV -> rows. A row is a mapping of column names to texts.

A byte order mark shows UTF-16; every other file must be UTF-8. The separator is the comma, semicolon or tab that gives
the header most columns. Cells are quoted as in RFC 4180: "He said ""no"" and left". Columns without a name, such as
the index that pandas writes, are not read.
"""

import codecs
import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from vlm_sft.datasets.conversation import Drop
from vlm_sft.datasets.readers.part import Rows
from vlm_sft.errors import UserError

PART_ROWS = 512
LONGEST_CELL = 1 << 26  # [characters]; csv's own limit of 131,072 is short for a document
SEPARATORS = ",;\t"  # the first of those that give the same number of columns
BOM = "\ufeff"  # also within a file: of each of several files that were joined


def parts(path: Path) -> Iterator[Rows]:
    """Yield the rows in parts; a line that is no row of the table is a Drop.

    Raises:
        UserError: the file is empty, the header has equal names or none, or the file is neither UTF-8 nor CSV.
    """
    csv.field_size_limit(LONGEST_CELL)
    with path.open("rb") as file:
        utf16 = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    with path.open(encoding="utf-16" if utf16 else "utf-8", newline="") as text:
        rows = _rows(path, (line.removeprefix(BOM) for line in text))
        while found := list(islice(rows, PART_ROWS)):
            yield Rows(found)


def _rows(path: Path, lines: Iterator[str]) -> Iterator[object]:
    cells, line = None, 0  # the reader, and the last line before the row that is read
    try:
        cells = _reader(lines)
        names = _names(path, next(cells, []))
        line = cells.line_num
        for row in cells:
            if len(row) != len(names):
                if row:  # not a blank line
                    yield Drop("ragged_row", f"line {line + 1}: {len(row)} cells, the header has {len(names)}")
            elif row[0].strip() == names[0] and [cell.strip() for cell in row] == names:
                yield Drop("header_repeated", f"line {line + 1}")
            else:
                found = dict(zip(names, row, strict=True))
                found.pop("", None)
                yield found
            line = cells.line_num
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: {_undecodable(path, error)}") from None
    except csv.Error as error:
        end = cells.line_num if cells else 1
        place = f"lines {line + 1} to {end}" if end > line + 1 else f"line {line + 1}"
        raise UserError(
            f"{path}: {place}: not CSV ({error}); a quoted cell needs a quote at its end, and two quotes for each "
            'quote inside: "He said ""no"" and left". Correct the file, or save it as JSON lines'
        ) from None


def _reader(lines: Iterator[str]) -> Any:  # noqa: ANN401  csv's reader has no public type
    """Return the reader of all lines. A space after every separator of the header is not part of the cells."""
    first = next((line for line in lines if line.strip()), "")
    separator = max(SEPARATORS, key=lambda one: len(next(csv.reader([first], delimiter=one), [])))
    names = next(csv.reader([first], delimiter=separator), [])
    spaced = len(names) > 1 and all(name.startswith(" ") for name in names[1:])
    return csv.reader(chain([first], lines), delimiter=separator, skipinitialspace=spaced, strict=True)


def _names(path: Path, header: Sequence[str]) -> list[str]:
    """Return the names of the columns, which only a file of texts in a known encoding has."""
    names = [name.strip() for name in header]
    if not any(names):
        raise UserError(f"{path}: no line with the names of the columns; the first line of the file needs them")
    if any("\0" in name for name in names):
        guess = "UTF-16BE" if names[0].startswith("\0") else "UTF-16LE"
        raise UserError(
            f"{path}: line 1: NUL bytes, as in {guess} without a byte order mark; {_converted(path, guess)}"
        )
    if repeated := [name for name, count in Counter(filter(None, names)).items() if count > 1]:
        raise UserError(f"{path}: line 1: several columns are named {', '.join(repeated)}; give each its own name")
    return names


def _undecodable(path: Path, error: UnicodeDecodeError) -> str:
    """Describe the first bytes that are no text."""
    if error.encoding != "utf-8":
        return f"not {error.encoding.upper()}, as its byte order mark says ({error.reason}); save it as UTF-8"
    before = 0  # [bytes]
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as wrong:
                place = f"line {number}: byte {before + wrong.start} (0x{line[wrong.start]:02X}) is not UTF-8"
                return f"{place}; {_converted(path, 'WINDOWS-1252')}, if that is its encoding"
            before += len(line)
    return f"not UTF-8 ({error.reason}); save it as UTF-8"


def _converted(path: Path, encoding: str) -> str:
    return f"convert it: `iconv -f {encoding} -t UTF-8 {path.name} > utf8-{path.name}`"
