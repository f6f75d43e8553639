"""Proof that ms-swift trains on every written row: loads each file as `swift sft` does, and encodes each row.

The trainer hides losses: its loader leaves out a row without messages even in strict mode, and a row that its template
cannot encode is replaced by another one.
"""

import shutil
import sys
import tempfile
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from vlm_sft.errors import ConfigError, UserError
from vlm_sft.prepare.swift_load import WAY_OUT, load_all, quiet, reason_of
from vlm_sft.prepare.swift_template import load_template
from vlm_sft.prepare.workers import cores

CHUNK_ROWS = 64  # encoded by one task of a worker: 3 s with images of 640 x 480
REPORTED_ROWS = 5  # bad rows of one file in the error
PROGRESS_S = 10.0
KEPT_SHARE = 0.95  # of the rows, for the suggested max_length
CACHE_PREFIX = ".verify-"

Log = Callable[[str], None]
_state: dict[str, Any] = {}  # dataset and template of the file that is encoded: forked workers share it without copies


@dataclass(frozen=True)
class Verified:
    """One file of which ms-swift trains on every row. Unit: tokens of one row, image tokens included."""

    rows: int
    tokens: int  # of all rows
    trained_tokens: int  # of all rows; the others are read without a loss
    median: int
    p95: int
    maximum: int
    max_length: int  # of one row
    over_max_length: int  # rows, which ms-swift leaves out or cuts, by its truncation_strategy
    seconds: float


@dataclass(frozen=True)
class _Chunk:
    """Some consecutive rows after encoding."""

    lengths: list[int]
    trained: int
    problems: list[tuple[int, str]]  # line from 1, reason


def verify(
    files: Mapping[Path, int], model: str, *, max_length: int = 0, workers: int = 0, log: Log = lambda _: None
) -> dict[Path, Verified]:
    """Load and encode each of `files`, JSONL -> number of lines, with the processor of `model`; change nothing.

    `max_length` [tokens]: longer rows are logged; 0: the model's own limit. `workers`: processes; 0: all cores.

    Raises:
        ConfigError: ms-swift is missing, or yields another number of rows, or a row has no trained token; or all rows
            are longer than `max_length`. Names file, line and reason.
    """
    template = load_template(model, "--verify")
    max_length = max_length or template.max_length or sys.maxsize
    template.max_length = None  # longer rows are encoded too, and counted
    workers = workers or cores()
    verified, problems = {}, []
    for path, lines in files.items():
        try:
            verified[path] = _verified(path, lines, template, max_length, workers, log)
        except UserError as error:
            problems.append(error.message)
    if problems:
        raise ConfigError("\n".join(problems))
    return verified


def _verified(
    path: Path,
    lines: int,
    template: Any,  # noqa: ANN401  ms-swift has no types
    max_length: int,
    workers: int,
    log: Log,
) -> Verified:
    """Load and encode one file."""
    started = time.monotonic()
    with _empty_cache(path.parent) as cache, quiet():
        log(f"{path.name}: ms-swift loads {lines:,} rows")
        rows = _encode(path, load_all(path, lines, cache, workers, log), template, workers, log)
    if rows.problems:
        raise UserError("\n".join(f"{path}:{line}: {reason}; {WAY_OUT}" for line, reason in rows.problems))
    figures = _figures(rows, max_length, time.monotonic() - started)
    over, keeps = figures.over_max_length, f"max_length {figures.p95} keeps {KEPT_SHARE:.0%}"
    if over == figures.rows:
        raise UserError(f"{path}: all {over:,} rows are longer than max_length {max_length}; {keeps}")
    if over:
        share = f"{over:,} of {figures.rows:,} rows ({over / figures.rows:.1%})"
        log(f"{path.name}: {share} are longer than max_length {max_length}, and ms-swift leaves them out; {keeps}")
    return figures


def _encode(path: Path, dataset: Any, template: Any, workers: int, log: Log) -> _Chunk:  # noqa: ANN401  ms-swift has no types
    """Encode every row in forked processes; stop after a few bad rows."""
    _state.update(dataset=dataset, template=template)
    lengths: list[int] = []
    trained, problems = 0, []
    started = reported = time.monotonic()
    pool = ProcessPoolExecutor(workers, get_context("fork"), initializer=_use_one_thread)
    try:
        for chunk in pool.map(_encode_chunk, range(0, len(dataset), CHUNK_ROWS)):
            lengths += chunk.lengths
            trained += chunk.trained
            problems += chunk.problems
            if len(problems) >= REPORTED_ROWS:
                break
            if (now := time.monotonic()) - reported >= PROGRESS_S:
                reported = now
                rate = len(lengths) / (now - started)
                log(f"{path.name}: {len(lengths):,} of {len(dataset):,} rows encoded, {rate:,.0f} rows/s")
    except BrokenProcessPool as error:
        raise UserError(
            f"{path}: the system ended a process that encodes rows, near line {len(lengths) + 1:,}; "
            "it may need more memory: use fewer --workers, or raise the memory limit"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
        _state.clear()
    return _Chunk(lengths, trained, problems[:REPORTED_ROWS])


def _use_one_thread() -> None:
    """Give each worker one core."""
    import torch

    torch.set_num_threads(1)


def _encode_chunk(first: int) -> _Chunk:
    """Encode the rows from index `first` on, in a worker."""
    dataset, template = _state["dataset"], _state["template"]
    lengths, trained, problems = [], 0, []
    for index in range(first, min(first + CHUNK_ROWS, len(dataset))):
        row = dataset[index]
        has_answer = any(_is_trained(message) for message in row["messages"])  # before encode changes the messages
        try:
            encoded = template.encode(row, return_length=True)
        except Exception as error:  # ms-swift and its libraries raise anything
            problems.append((index + 1, reason_of(error) + _missing(dataset[index])))
            continue
        lengths.append(len(encoded["input_ids"]))
        tokens = len(encoded["labels"]) - encoded["labels"].count(-100)
        trained += tokens
        if not (has_answer and tokens):
            problems.append((index + 1, "no trained token: every answer is empty or has loss false"))
    return _Chunk(lengths, trained, problems)


def _missing(row: Mapping[str, Any]) -> str:
    """Name the first picture that does not exist: ms-swift takes a path without a file for base64."""
    paths = (image["path"] for image in row.get("images") or [] if image["path"])
    missing = [path for path in paths if not path.startswith(("http", "data:")) and not Path(path).exists()]
    return f"; {missing[0]} does not exist" if missing else ""


def _is_trained(message: Mapping[str, Any]) -> bool:
    """Return whether a message has text with a loss. Without one, ms-swift still trains on the end of the turn."""
    is_answer = message["role"] in {"assistant", "tool_call"}
    return is_answer and bool(message["content"]) and message.get("loss") is not False


def _figures(chunk: _Chunk, max_length: int, seconds: float) -> Verified:
    lengths = sorted(chunk.lengths)
    return Verified(
        rows=len(lengths),
        tokens=sum(lengths),
        trained_tokens=chunk.trained,
        median=_quantile(lengths, 0.5),
        p95=_quantile(lengths, KEPT_SHARE),
        maximum=lengths[-1],
        max_length=max_length,
        over_max_length=len(lengths) - bisect_right(lengths, max_length),
        seconds=round(seconds, 1),
    )


def _quantile(ordered: list[int], share: float) -> int:
    """Return the smallest length that at least `share` of the rows do not exceed."""
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


@contextmanager
def _empty_cache(folder: Path) -> Iterator[Path]:
    """Yield a new folder beside the data, where there is room for copies of it; remove it and those of killed runs."""
    for left in folder.glob(f"{CACHE_PREFIX}*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=CACHE_PREFIX, dir=folder, ignore_cleanup_errors=True) as cache:
        yield Path(cache)
