"""Check files: each is cut into byte ranges, which processes check; the results are merged in order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from vlm_sft.check.column_types import CHUNK_BYTES, MAX_DEPTH, Type, dates_only, learn
from vlm_sft.check.finding import Findings, Place
from vlm_sft.check.json_lines import UTF8_BOM, Line, LineProblem, Range, lines, parse, ranges
from vlm_sft.check.pictures import Pictures
from vlm_sft.check.repeated import RepeatedRows
from vlm_sft.check.row_check import TextRules
from vlm_sft.check.swift_reader import plan_of
from vlm_sft.check.tally import FileFacts, RowChecker, Tally
from vlm_sft.datasets.readers.source import file_rows
from vlm_sft.prepare.workers import in_order

POOL_BYTES = 8 << 20  # smaller inputs are checked faster by one process


@dataclass(frozen=True)
class Options:
    """What is checked, and how."""

    rules: TextRules
    image_root: str  # where relative paths start
    skip_images: bool
    places_kept: int
    workers: int


class CheckedPart(NamedTuple):
    """A part of a file, for what reads it again."""

    lines: Range | None  # None: a whole array
    lines_before: int


@dataclass
class CheckedFile:
    """One file and what was found in it."""

    path: Path
    size_bytes: int
    is_array: bool
    facts: FileFacts
    tally: Tally
    parts: list[CheckedPart] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Return the path as given."""
        return str(self.path)


@dataclass(frozen=True)
class _Job:
    """What one process checks at a time: a range of lines, or a whole array."""

    file: int  # its number
    path: Path
    lines: Range | None  # None: an array
    facts: FileFacts


def check_files(paths: Sequence[Path], options: Options) -> list[CheckedFile]:
    """Check every row of every file, and compare the files.

    Raises:
        UserError: an array is truncated or malformed.
    """
    checked: list[CheckedFile] = []
    repeated = RepeatedRows()
    workers = options.workers if sum(path.stat().st_size for path in paths) > POOL_BYTES else 1
    for job, part in in_order(partial(_check, options), _jobs(paths), workers):
        if job.file == len(checked):
            checked.append(_begun(job, options))
        tally = checked[job.file].tally
        checked[job.file].parts.append(CheckedPart(job.lines, tally.lines))
        repeated.add(job.file, part.hashes, tally.lines)
        tally.extend(part)
    repeated.report([(file.name, file.tally.findings) for file in checked])
    return checked


def _jobs(paths: Sequence[Path]) -> Iterator[_Job]:
    for number, path in enumerate(paths):
        if _head(path).lstrip(UTF8_BOM + b" \t\r\n").startswith(b"["):
            yield _Job(number, path, None, _facts_of_array(path))
            continue
        size = path.stat().st_size
        facts = _facts_of_lines(path, size)
        yield from (_Job(number, path, part, facts) for part in ranges(path, size))


def _begun(job: _Job, options: Options) -> CheckedFile:
    tally = Tally(Findings(options.places_kept))
    is_array = job.lines is None
    for kind, name, detail in _of_the_file(job.path, is_array, job.facts):
        tally.findings.add(kind, Place(0, name, detail))
    return CheckedFile(job.path, job.path.stat().st_size, is_array, job.facts, tally)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4096)


def _of_the_file(path: Path, is_array: bool, facts: FileFacts) -> Iterator[tuple[str, str, str]]:
    head = _head(path)
    if path.suffix not in (".json", ".jsonl"):
        yield "wrong_suffix", "", f"{path.suffix or 'no suffix'}"
    if is_array and not head.startswith(b"["):
        yield "before_array", "", repr(head[:10])
    elif head.startswith(UTF8_BOM):
        yield "byte_order_mark", "", ""
    used = {*facts.plan.columns.values(), "instruction", "input"}
    for name in dates_only(facts.types):
        if name.split("[")[0] in used:
            yield "dates_only", name, ""


def _facts_of_lines(path: Path, size: int) -> FileFacts:
    """Learn the columns and types of the first 10 MB and the line that ends there, as `datasets` does."""
    types, end = Type(), 0
    for line in lines(Range(path, 0, min(CHUNK_BYTES, size))):
        end = line.start + line.size_bytes
        try:
            row, _ = parse(line)
        except LineProblem:
            continue
        if isinstance(row, dict):
            learn(types, row, is_row=True)
    return FileFacts(plan_of(types.keys), types, end)


def _facts_of_array(path: Path) -> FileFacts:
    """Learn the columns of all rows: `datasets` reads an array as a whole, so no row is late."""
    types = Type()
    for row in file_rows(path):
        if isinstance(row, dict):
            for key in row.keys() - types.keys.keys():
                types.keys[key] = Type("json")
    return FileFacts(plan_of(types.keys), types, 0)


def _check(options: Options, job: _Job) -> Tally:
    pictures = None if options.skip_images else _pictures.setdefault(options.image_root, Pictures(options.image_root))
    checker = RowChecker(job.facts, options.rules, pictures, options.places_kept)
    if job.lines:
        for number, line in enumerate(lines(job.lines), 1):
            _check_line(checker, number, line, job.facts.chunk_end)
            checker.tally.lines = number
    else:
        for number, row in enumerate(file_rows(job.path), 1):
            checker.add(number, row, is_late=False, brackets=MAX_DEPTH + 1)
            checker.tally.lines = number
    return checker.tally


_pictures: dict[str, Pictures] = {}  # of this process: an image is decoded once for all ranges


def _check_line(checker: RowChecker, number: int, line: Line, chunk_end: int) -> None:
    tally = checker.tally
    tally.crlf_lines += line.ends_with_crlf
    if not line.text.strip() and line.size_bytes < 1 << 20:
        tally.blank_lines += 1
        return
    try:
        row, kind = parse(line)
    except LineProblem as problem:
        tally.rows += 1
        tally.findings.add(problem.kind, Place(number, "", problem.detail))
        return
    if kind:
        tally.findings.add(kind, Place(number, "", ""))
    brackets = line.text.count(b"[") + line.text.count(b"{")
    checker.add(number, row, is_late=line.start >= chunk_end, brackets=brackets)
