"""Check files: each is cut into byte ranges, which processes check; the results are merged in order."""

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from vlm_sft.check.column_types import CHUNK_BYTES, Type, dates_only, learn
from vlm_sft.check.finding import Findings, Place
from vlm_sft.check.json_lines import Line, LineProblem, Range, lines, parse, ranges
from vlm_sft.check.pictures import Pictures
from vlm_sft.check.repeated import RepeatedRows
from vlm_sft.check.row_check import TextRules
from vlm_sft.check.swift_reader import plan_of
from vlm_sft.check.tally import FileFacts, RowChecker, Tally
from vlm_sft.datasets.conversation import Drop
from vlm_sft.datasets.readers.json_rows import read_rows

POOL_BYTES = 8 << 20  # smaller inputs are checked faster by one process


@dataclass(frozen=True)
class Options:
    """What is checked, and how."""

    rules: TextRules
    image_root: str  # where relative paths start
    skip_images: bool
    places_kept: int
    workers: int


@dataclass
class CheckedFile:
    """One file and what was found in it."""

    path: Path
    size_bytes: int
    is_array: bool
    facts: FileFacts
    tally: Tally = field(repr=False)

    @property
    def name(self) -> str:
        """Return the path as given."""
        return str(self.path)


def check_files(paths: Iterable[Path], options: Options) -> list[CheckedFile]:
    """Check every row of every file, and compare the files.

    Raises:
        UserError: an array is truncated or malformed.
    """
    sizes = {path: path.stat().st_size for path in paths}
    repeated = RepeatedRows()
    with _pool(options.workers if sum(sizes.values()) > POOL_BYTES else 1) as pool:
        checked = [
            _check(number, path, size, options, repeated, pool) for number, (path, size) in enumerate(sizes.items())
        ]
    repeated.report([(file.name, file.tally.findings) for file in checked])
    return checked


def _check(
    number: int, path: Path, size: int, options: Options, repeated: RepeatedRows, pool: Executor | None
) -> CheckedFile:
    whole = Tally(Findings(options.places_kept))
    with path.open("rb") as file:
        head = file.read(4096)
    is_array = head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
    facts = _facts_of_array(path) if is_array else _facts_of_lines(path, size)
    if is_array:
        parts: Iterable[Tally] = [_check_array(path, facts, options)]
    else:
        cut = [(part, facts, options) for part in ranges(path, size)]
        parts = pool.map(_check_range, cut) if pool else map(_check_range, cut)
    for part in parts:
        repeated.add(number, part.hashes, whole.lines)
        whole.extend(part)
    for kind, name, detail in _of_the_file(path, head, is_array, facts):
        whole.findings.add(kind, Place(0, name, detail))
    return CheckedFile(path, size, is_array, facts, whole)


def _of_the_file(path: Path, head: bytes, is_array: bool, facts: FileFacts) -> Iterator[tuple[str, str, str]]:
    if path.suffix not in (".json", ".jsonl"):
        yield "wrong_suffix", "", f"{path.suffix or 'no suffix'}"
    if is_array and not head.startswith(b"["):
        yield "before_array", "", repr(head[:10])
    elif head.startswith(b"\xef\xbb\xbf"):
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
    for row in read_rows(path):
        if isinstance(row, dict):
            for key in row.keys() - types.keys.keys():
                types.keys[key] = Type("json")
    return FileFacts(plan_of(types.keys), types, 0)


def _check_array(path: Path, facts: FileFacts, options: Options) -> Tally:
    checker = _checker(facts, options)
    for number, row in enumerate(read_rows(path), 1):
        if not isinstance(row, Drop):
            checker.add(number, row, is_late=False, brackets=1 << 10)
        checker.tally.lines = number
    return checker.tally


def _check_range(job: tuple[Range, FileFacts, Options]) -> Tally:
    part, facts, options = job
    checker = _checker(facts, options)
    for number, line in enumerate(lines(part), 1):
        _check_line(checker, number, line, facts.chunk_end)
        checker.tally.lines = number
    return checker.tally


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


_pictures: dict[str, Pictures] = {}  # of this process: an image is decoded once for all ranges


def _checker(facts: FileFacts, options: Options) -> RowChecker:
    pictures = None if options.skip_images else _pictures.setdefault(options.image_root, Pictures(options.image_root))
    return RowChecker(facts, options.rules, pictures, options.places_kept)


@contextmanager
def _pool(workers: int) -> Iterator[Executor | None]:
    if workers < 2:
        yield None
        return
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:  # fork is unsafe after a tokenizer is loaded
        yield pool
