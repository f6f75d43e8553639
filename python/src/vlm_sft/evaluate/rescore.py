"""An existing prediction file -> predictions: one of `vlm-sft evaluate run`, or a result file of `swift infer`.

A row of `swift infer`: {"response": "A cup.", "labels": "A cup.", "messages": [...], "images": [...]}
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vlm_sft.errors import ConfigError
from vlm_sft.evaluate.predictions import FILE, from_row
from vlm_sft.evaluate.result import IDENTITY
from vlm_sft.evaluate.task import Prediction


def task_of(path: Path) -> str:
    """Return the task that the identity beside a prediction file names; empty if there is none."""
    try:
        document = json.loads((path.parent / IDENTITY).read_bytes())
    except (OSError, ValueError):
        return ""
    return str(document.get("task", "")) if isinstance(document, dict) else ""


def prediction_file(path: Path) -> Path:
    """Return the file, or the one in a result's folder."""
    return path / FILE if path.is_dir() else path


def read_predictions(path: Path) -> list[Prediction]:
    """Read a prediction file.

    Raises:
        ConfigError: the file is missing or empty, or a line is no prediction.
    """
    try:
        predictions = list(_lines(path))
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}; name predictions.jsonl, or a result file of swift infer"
        ) from None
    if not predictions:
        raise ConfigError(f"{path}: got no line, need at least one prediction; run `vlm-sft evaluate run` first")
    return predictions


def _lines(path: Path) -> Iterator[Prediction]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError(f"got {type(row).__name__}, need an object")
                yield _of_swift(row, number) if "labels" in row else from_row(row)
            except ValueError as error:
                need = "need a line of `vlm-sft evaluate run` or of `swift infer`"
                raise ConfigError(f"{path}:{number}: {error}; {need}") from None


def _of_swift(row: dict[str, Any], number: int) -> Prediction:
    """Return the prediction of a row of `swift infer`.

    Raises:
        ValueError: a field is missing.
    """
    reference, response, messages = row["labels"], row.get("response"), row.get("messages")
    if not isinstance(reference, str) or not reference.strip():
        raise ValueError(f"labels: got {reference!r}, need the reference answer")
    if not isinstance(response, str):
        raise ValueError(f"response: got {response!r}, need a text")
    asked = (
        [m for m in messages if isinstance(m, dict) and m.get("role") == "user"] if isinstance(messages, list) else []
    )
    question = str(asked[-1].get("content", "")) if asked else ""
    return Prediction(str(number), str(number), question, reference.strip(), response.strip())
