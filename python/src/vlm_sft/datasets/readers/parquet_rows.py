"""Parquet -> rows, one row group at a time. A row is a mapping of column names to Python values."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm_sft.errors import UserError

BATCH_ROWS = 64  # rows in memory at a time: 13 MB of images of 200 kB


@dataclass(frozen=True)
class RowGroup:
    """One row group of a file."""

    path: Path
    number: int

    def rows(self) -> Iterator[object]:
        """Yield the rows.

        Raises:
            UserError: the file is damaged.
        """
        with _opened(self.path) as file:
            try:
                for batch in file.iter_batches(BATCH_ROWS, row_groups=[self.number], use_threads=False):
                    yield from batch.to_pylist()
            except OSError as error:
                raise UserError(f"{self.path}: row group {self.number}: {_reason(error)}; download it again") from None


def parts(path: Path) -> Iterator[RowGroup]:
    """Yield the row groups in order.

    Raises:
        UserError: the file is not Parquet, or cut off.
    """
    with _opened(path) as file:
        groups = file.num_row_groups
    for number in range(groups):
        yield RowGroup(path, number)


def _opened(path: Path) -> Any:  # noqa: ANN401  pyarrow has no types
    try:
        from pyarrow import lib, parquet  # late: 0.2 s and 60 MiB that other formats do not need
    except ImportError as error:
        raise UserError(f"{path}: reading Parquet needs pyarrow; install vlm-sft[train]") from error
    try:
        return parquet.ParquetFile(path)
    except (lib.ArrowException, OSError) as error:
        raise UserError(
            f"{path}: not a complete Parquet file ({_reason(error)}); the download is incomplete, download it again"
        ) from None


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".")
