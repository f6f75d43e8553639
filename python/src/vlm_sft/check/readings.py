"""Read a file once more, for what needs the rows and not the findings."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vlm_sft.check.json_lines import LineProblem, Range, lines, parse
from vlm_sft.check.swift_reader import Plan, Reading, RowProblem, read
from vlm_sft.datasets.readers.source import file_rows


def readings(path: Path, plan: Plan, part: Range | None, step: int = 1) -> Iterator[tuple[int, Reading]]:
    """Yield every `step`-th row that ms-swift reads with its line in `part`; in an array (None), with its number."""
    for number, row in _rows(path, part, step):
        if isinstance(row, dict):
            try:
                yield number, read(plan, row)
            except RowProblem:  # already a finding
                continue


def _rows(path: Path, part: Range | None, step: int) -> Iterator[tuple[int, Any]]:
    if part is None:
        yield from ((number, row) for number, row in enumerate(file_rows(path), 1) if number % step == 0)
        return
    for number, line in enumerate(lines(part), 1):
        if number % step == 0:
            try:
                yield number, parse(line)[0]
            except LineProblem:  # already a finding
                continue
