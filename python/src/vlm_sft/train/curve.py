"""What the accuracy curve of a training asks for, and its points on disk."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vlm_sft.evaluate.predictions import FILE as PREDICTIONS
from vlm_sft.evaluate.predictions import to_line
from vlm_sft.evaluate.result import IDENTITY, METRICS
from vlm_sft.evaluate.samples import read_samples
from vlm_sft.evaluate.task import Prediction, Sample
from vlm_sft.evaluate.tasks import TASKS

FILE = "curve.jsonl"
VARIABLE = "VLM_SFT_CURVE"  # of the ranks: a Curve as JSON
CURVE_TASKS = [name for name, task in TASKS.items() if task.asked in ("last", "each")]
KEPT = ("value", "low", "high", "n")


@dataclass(frozen=True)
class Curve:
    """A task, how often it is asked, and on how many samples."""

    task: str
    every_steps: int
    samples: int
    max_new_tokens: int
    data: tuple[str, ...]  # paths of the validation data

    def variables(self) -> dict[str, str]:
        """Return the variable from which the ranks read this."""
        return {VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def of_environment(cls) -> "Curve":
        """Return, in a rank, what is asked for."""
        found = json.loads(os.environ[VARIABLE])
        return cls(**{**found, "data": tuple(found["data"])})


def subset(curve: Curve) -> list[Sample]:
    """Return samples that are evenly spread over the data, the same ones every time."""
    samples = read_samples(curve.data, TASKS[curve.task].asked)
    count = min(curve.samples, len(samples))
    return [samples[number * len(samples) // count] for number in range(count)]


def check(curve: Curve) -> None:
    """Raise a ConfigError if the data lacks what the task needs: a reference is scored against itself."""
    samples = subset(curve)
    TASKS[curve.task].score(
        [Prediction(s.id, s.group, str(s.messages[-1]["content"]), s.reference, s.reference) for s in samples]
    )


def scored(task: str, predictions: Sequence[Prediction]) -> dict[str, dict[str, Any]]:
    """Return the figures of a task, scored by `vlm-sft evaluate score` in a process of its own.

    A rank must not start math-verify's worker processes: they would import what the rank has imported.
    """
    with tempfile.TemporaryDirectory(prefix="vlm-sft-curve-") as name:
        folder = Path(name)
        (folder / IDENTITY).write_text(json.dumps({"task": task}))
        (folder / PREDICTIONS).write_bytes(b"".join(to_line(prediction) for prediction in predictions))
        command = [sys.executable, "-m", "vlm_sft", "evaluate", "score", name]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if not (folder / METRICS).is_file():
            raise RuntimeError(f"vlm-sft evaluate score: exit code {ended.returncode}: {ended.stderr.strip()[-500:]}")
        figures = json.loads((folder / METRICS).read_bytes())["figures"]
    return {figure: {key: values[key] for key in KEPT} for figure, values in figures.items()}


def points_until(text: str, step: int) -> str:
    """Return the lines of curve.jsonl up to a step; a line that was written in half is left out."""
    kept = []
    for line in text.splitlines(keepends=True):
        try:
            is_kept = line.endswith("\n") and json.loads(line)["step"] <= step
        except (ValueError, KeyError, TypeError):
            is_kept = False
        if is_kept:
            kept.append(line)
    return "".join(kept)
