"""Predictions on disk: each pod appends to a file of its own, and the last one merges them in the order of the samples.

TASK/IDENTITY/parts/SHARD-of-SHARDS.jsonl    while answers are missing
TASK/IDENTITY/predictions.jsonl              when every sample has its prediction
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from vlm_sft.atomic_file import atomic_write
from vlm_sft.errors import ConfigError
from vlm_sft.evaluate.task import Prediction, Sample

FILE, PARTS = "predictions.jsonl", "parts"
_NEEDED = ("id", "group", "question", "reference", "response")


class Append(Protocol):
    """Writes one prediction, so that it survives the end of the process."""

    def __call__(self, prediction: Prediction) -> None:
        """Append and flush one line."""


def to_line(prediction: Prediction) -> bytes:
    """Return one line of predictions.jsonl, without fields that are empty."""
    row = asdict(prediction)
    row = {key: value for key, value in row.items() if key in _NEEDED or value not in ("", None, {})}
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"


def from_row(row: dict[str, Any]) -> Prediction:
    """Return the prediction of one line.

    Raises:
        ValueError: a field is missing or unknown.
    """
    missing = [key for key in _NEEDED if not isinstance(row.get(key), str)]
    if missing:
        raise ValueError(f"{', '.join(missing)}: missing")
    try:
        return Prediction(**row)
    except TypeError as error:
        raise ValueError(str(error).split(") ", 1)[-1]) from None


def read_all(folder: Path) -> dict[str, Prediction]:
    """Return the newest prediction of each sample, from the merged file and all parts."""
    paths = [folder / FILE, *sorted((folder / PARTS).glob("*.jsonl"))]
    found: dict[str, Prediction] = {}
    for path in paths:
        if path.is_file():
            for prediction in _complete_lines(path):
                if not prediction.error or prediction.id not in found:
                    found[prediction.id] = prediction
    return found


def _complete_lines(path: Path) -> Iterator[Prediction]:
    """Yield the predictions of a part; its last line may be half written."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield from_row(json.loads(line))
            except ValueError as error:
                raise ConfigError(f"{path}:{number}: {error}; it is damaged: delete this line") from None


@contextmanager
def appending(folder: Path, shard: int, shards: int) -> Iterator[Append]:
    """Open this pod's part; a line that a killed pod wrote in half is removed first."""
    (folder / PARTS).mkdir(parents=True, exist_ok=True)
    path = folder / PARTS / f"{shard}-of-{shards}.jsonl"
    with path.open("ab+") as file:
        file.seek(0)
        content = file.read()
        if content and not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)

        def append(prediction: Prediction) -> None:
            file.write(to_line(prediction))
            file.flush()

        yield append
        os.fsync(file.fileno())


def merge(folder: Path, samples: Sequence[Sample]) -> list[Prediction] | None:
    """Write predictions.jsonl in the order of the samples; None as long as one is missing."""
    found = read_all(folder)
    if any(sample.id not in found for sample in samples):
        return None
    ordered = [found[sample.id] for sample in samples]
    with atomic_write(folder / FILE) as file:
        for prediction in ordered:
            file.write(to_line(prediction))
    for part in (folder / PARTS).glob("*.jsonl"):
        part.unlink(missing_ok=True)
    with suppress(OSError):  # another pod has a part there
        (folder / PARTS).rmdir()
    return ordered
