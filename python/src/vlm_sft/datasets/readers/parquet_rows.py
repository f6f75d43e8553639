"""Parquet -> rows, one row group at a time. A row is a mapping of column names to Python values."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm_sft.datasets.conversation import Drop
from vlm_sft.datasets.row_form import reader_of
from vlm_sft.errors import UserError

BATCH_BYTES = 2 << 20  # of rows in memory at a time; a page, which a writer may fill with 1,024 values, is read whole
MAX_BATCH_ROWS = 1024
READ_BYTES = 1 << 20  # at a time, of each column
SHOWN_COLUMNS = 20  # in a message
MAGIC = b"PAR1"  # first and last bytes of a Parquet file
LFS_POINTER = b"version https://git-lfs"


@dataclass(frozen=True)
class RowGroup:
    """One row group of a file."""

    path: Path
    number: int

    def rows(self) -> Iterator[object]:
        """Yield the rows; one with a value that Python cannot hold is a Drop.

        Raises:
            UserError: the file is damaged.
        """
        from pyarrow import lib  # late, as below

        with _opened(self.path) as file:
            group = file.metadata.row_group(self.number)
            row_bytes = group.total_byte_size // max(1, group.num_rows)
            batch_rows = max(1, min(MAX_BATCH_ROWS, BATCH_BYTES // max(1, row_bytes)))
            batches = file.iter_batches(batch_rows, row_groups=[self.number], use_threads=False)
            while True:
                try:
                    batch = next(batches, None)
                except (lib.ArrowException, OSError) as error:
                    place = f"{self.path}: row group {self.number} of {file.num_row_groups}"
                    raise UserError(f"{place}: {_reason(error)}; the file is damaged, download it again") from None
                if batch is None:
                    return
                yield from _values(batch)


def parts(path: Path) -> Iterator[RowGroup]:
    """Yield the row groups in order.

    Raises:
        UserError: the file is not Parquet, or cut off.
    """
    with _opened(path) as file:
        groups = file.num_row_groups
    for number in range(groups):
        yield RowGroup(path, number)


def problem_of(path: Path, columns: Sequence[str]) -> str:
    """Return why a file cannot be read, such as missing `columns`; empty if its metadata is complete."""
    try:
        with _opened(path) as file:
            names = file.schema_arrow.names
    except UserError as error:
        return error.message
    if missing := [column for column in columns if column not in names]:
        reader = reader_of(names)
        way_out = f"use `vlm-sft prepare {reader}`" if reader else "give this dataset's own files, or rename columns"
        got, need = ", ".join(names[:SHOWN_COLUMNS]), ", ".join(columns)
        return f"{path}: no column {', '.join(missing)}: got {got}, need {need}; {way_out}"
    if twice := sorted({name for name in names if names.count(name) > 1}):
        return f"{path}: several columns are called {', '.join(twice)}; rename them"
    return ""


def _values(batch: Any) -> Iterator[object]:  # noqa: ANN401  pyarrow has no types
    """Yield the rows of a batch. Text that is not UTF-8, or a date beyond the year 9999, makes its row a Drop."""
    try:
        yield from batch.to_pylist()
    except (ValueError, OverflowError) as error:
        if batch.num_rows == 1:
            yield Drop("row_unreadable", _reason(error)[:120])
            return
        for number in range(batch.num_rows):
            yield from _values(batch.slice(number, 1))


def _opened(path: Path) -> Any:  # noqa: ANN401  pyarrow has no types
    try:
        from pyarrow import lib, parquet  # late: 0.2 s and 60 MiB that other formats do not need
    except ImportError as error:
        raise UserError("reading Parquet needs pyarrow; install vlm-sft[train]") from error
    try:
        # By default, pyarrow reads all columns of a row group at once, which may be 400 MB of images.
        return parquet.ParquetFile(path, buffer_size=READ_BYTES, pre_buffer=False)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (lib.ArrowException, OSError) as error:
        raise UserError(f"{path}: {_description(path, error)}") from None


def _description(path: Path, error: Exception) -> str:
    """Describe why a file cannot be opened."""
    with path.open("rb") as file:
        start = file.read(len(LFS_POINTER))
    if not start:
        return "the file is empty; need a Parquet file"
    if start == LFS_POINTER:
        return "a Git LFS pointer, not the data itself; download it with `git lfs pull` or `hf download`"
    if not start.startswith(MAGIC):
        return f"starts with {start[:20]!r}; need a Parquet file ({MAGIC!r})"
    return f"the Parquet file is cut off or damaged ({_reason(error)}); download it again"


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")[:200]
