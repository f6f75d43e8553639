"""Samples -> predictions by `swift infer`, for machines where no server can run. Cut-off answers are not known as such.

`swift infer` writes no ids: a prediction belongs to the sample at the same place, so the number of lines is checked.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vlm_sft.errors import UserError
from vlm_sft.evaluate.client import Answer
from vlm_sft.evaluate.generate import to_prediction
from vlm_sft.evaluate.predictions import Append
from vlm_sft.evaluate.task import Sample
from vlm_sft.launch.swift_command import run_swift

WRITE_EACH = 64  # [rows] between two writes; ms-swift's own default is 1,000, and a killed process loses them


def infer(samples: Sequence[Sample], args: Mapping[str, Any], env: Mapping[str, str], folder: Path, name: str,
          append: Append, log: Callable[[str], None]) -> None:  # fmt: skip
    """Run `swift infer` on all samples and append its answers.

    Raises:
        UserError: it failed, or wrote another number of lines; complete lines are kept.
    """
    rows, results = folder / f"{name}.rows.jsonl", folder / f"{name}.results.jsonl"
    results.unlink(missing_ok=True)  # ms-swift appends to an existing file
    with rows.open("w", encoding="utf-8") as file:
        for sample in samples:
            file.write(json.dumps(_row(sample), ensure_ascii=False) + "\n")
    own = {"val_dataset": [str(rows)], "result_path": str(results), "stream": False}
    try:
        run_swift("infer", {"write_batch_size": WRITE_EACH, **args, **own}, {**env, **os.environ}, log)
    finally:
        number = _append(results, samples, append)
        rows.unlink(missing_ok=True)
        results.unlink(missing_ok=True)
    if number != len(samples):
        raise UserError(f"swift infer: {number} answers for {len(samples)} rows; its log above names rows it left out")


def _row(sample: Sample) -> dict[str, Any]:
    answer = {"role": "assistant", "content": sample.reference or " "}
    return {"messages": [*sample.messages, answer], "images": list(sample.images)}


def _append(results: Path, samples: Sequence[Sample], append: Append) -> int:
    """Append the complete lines of a result file whose labels are those of the samples; return their number."""
    if not results.is_file():
        return 0
    number = 0
    with results.open("rb") as lines:
        for sample, line in zip(samples, lines, strict=False):
            if not line.endswith(b"\n"):
                break
            row = json.loads(line)
            if str(row.get("labels") or "").strip() != sample.reference:
                raise UserError(f"swift infer: answer {number + 1} is of another row; it left out a row before it")
            append(to_prediction(sample, Answer(str(row.get("response") or ""))))
            number += 1
    return number
