"""A local file as ms-swift's own loader reads it for `swift sft`, and the first line that it does not yield."""

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from vlm_sft.errors import UserError

TYPED_BYTES = 10 << 20  # the first chunk of a JSON file, from which `datasets` takes the types of all columns
WAY_OUT = "ms-swift would train without it; correct this row of the input, or remove it"


def load(path: Path, cache: Path, workers: int = 1) -> Any:  # noqa: ANN401  ms-swift has no types
    """Load a local file with ms-swift's loader in strict mode, its lines in order; its cache is in `cache`."""
    from swift.dataset import load_dataset

    before = os.environ.get("MODELSCOPE_CACHE")
    os.environ["MODELSCOPE_CACHE"] = str(cache)  # ms-swift keeps the cache of local files there
    try:
        return load_dataset(
            [str(path)],
            split_dataset_ratio=0.0,
            shuffle=False,
            num_proc=workers,
            load_from_cache_file=False,
            strict=True,
            use_hf=True,
        )[0]
    finally:
        os.environ.pop("MODELSCOPE_CACHE")
        if before is not None:
            os.environ["MODELSCOPE_CACHE"] = before


def load_all(path: Path, lines: int, cache: Path, workers: int, log: Callable[[str], None]) -> Any:  # noqa: ANN401  ms-swift has no types
    """Load a JSONL file as `load` does.

    Raises:
        UserError: the loader yields another number of rows than `lines`. Names the first line that is lost.
    """
    try:
        dataset = load(path, cache / "whole", workers)
    except Exception as error:  # ms-swift and its libraries raise anything
        reason = reason_of(error)
    else:
        if len(dataset) == lines:
            return dataset
        reason = f"ms-swift's loader yields {len(dataset):,} of {lines:,} rows, without a message"
    shutil.rmtree(cache / "whole", ignore_errors=True)
    with path.open("rb") as file:
        present = sum(1 for _ in file)
    if present != lines:
        raise UserError(
            f"{path}: got {present:,} lines, need {lines:,}; another program has changed it: prepare it again"
        )
    log(f"{path.name}: {reason}; looking for the line")
    raise UserError(f"{path}:{_first_lost(path, lines, cache)}: {reason}; {WAY_OUT}")


def _first_lost(path: Path, lines: int, cache: Path) -> int:
    """Return the first line, from 1, with which ms-swift loads fewer rows than lines, by halving.

    The lines that determine the types of all others are part of every try; other lines before the halved ones are not.
    """
    with path.open("rb") as file:
        head = next((count for count, _ in enumerate(file, 1) if file.tell() >= TYPED_BYTES), lines)

    def loses(good: int, bad: int) -> bool:
        part, written = cache / "part.jsonl", 0
        with path.open("rb") as whole, part.open("wb") as file:
            for number, line in enumerate(islice(whole, bad)):
                if number < head or number >= good:
                    file.write(line)
                    written += 1
        try:
            return len(load(part, cache / "part")) != written
        except Exception:  # ms-swift and its libraries raise anything
            return True
        finally:
            shutil.rmtree(cache / "part", ignore_errors=True)

    good, bad = (0, head) if loses(0, head) else (head, lines)
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (good, middle) if loses(good, middle) else (middle, bad)
    return bad


def reason_of(error: BaseException) -> str:
    """Return the first cause of an error of ms-swift or its libraries, in one line."""
    while error.__cause__ is not None and type(error.__cause__).__name__ != "RemoteTraceback":
        error = error.__cause__
    return f"ms-swift: {type(error).__name__}: {' '.join(str(error).split())[:300]}"


@contextmanager
def quiet() -> Iterator[None]:
    """Silence progress bars and ms-swift's log."""
    from datasets import disable_progress_bars, enable_progress_bars

    logger = logging.getLogger("swift")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()
        logger.setLevel(level)
