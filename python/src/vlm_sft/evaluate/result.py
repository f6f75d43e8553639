"""Scores -> what is printed and written. A figure is never shown without its interval and its denominator."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vlm_sft.atomic_file import atomic_write
from vlm_sft.errors import ConfigError
from vlm_sft.evaluate.estimate import Estimate, estimate
from vlm_sft.evaluate.task import NOT_OF_THE_MODEL, Prediction, Score, Task

IDENTITY, SCORES, METRICS = "identity.json", "scores.jsonl", "metrics.json"
MAX_FAILED = 0.01  # share of rows lost by a server, teacher or scorer, above which no headline is printed


@dataclass(frozen=True)
class Result:
    """Every figure of an evaluation."""

    task: str
    title: str
    rows: int
    figures: Mapping[str, Estimate]  # the first one is the headline
    outcomes: Mapping[str, int]
    truncated: int  # answers that ended at the token limit, whether or not they are right

    @property
    def failed(self) -> int:
        """Number of rows without a score that is the model's."""
        return sum(self.outcomes.get(outcome, 0) for outcome in NOT_OF_THE_MODEL)

    @property
    def has_headline(self) -> bool:
        """Whether so few rows failed that the figures stand for the data."""
        return bool(self.figures) and self.failed <= MAX_FAILED * self.rows


def result_of(task: Task, predictions: Sequence[Prediction], scores: Sequence[Score]) -> Result:
    """Return the figures of all scores."""
    figures = {}
    for name, kind in task.values.items():
        rows = [score for score in scores if name in score.values]
        if rows:
            values = [score.values[name] for score in rows]
            figures[name] = estimate(kind, values, [s.group for s in rows], [s.weight for s in rows])
    outcomes = Counter(score.outcome for score in scores)
    truncated = sum(prediction.finish_reason == "length" for prediction in predictions)
    return Result(task.name, task.title, len(predictions), figures, dict(sorted(outcomes.items())), truncated)


def text_of(result: Result) -> str:
    """Return the lines for a person.

    accuracy 0.8996 [0.8922, 0.9066], n = 6,676 of 6,676; no answer 12, cut off 3
    """
    if not result.has_headline:
        limit = f"{result.failed:,} of {result.rows:,} rows failed, more than {MAX_FAILED:.0%}"
        return f"{result.task}: no figure: {limit}; {_reasons(result)}; run it again: failed rows are repeated"
    lines = []
    for number, (name, figure) in enumerate(result.figures.items()):
        reasons = _reasons(result) if number == 0 else ""
        lines.append(f"{name} {figure}, n = {figure.n:,} of {result.rows:,}{'; ' if reasons else ''}{reasons}")
    lines.append(result.title)
    return "\n".join(lines)


def _reasons(result: Result) -> str:
    plain = ("correct", "wrong", "scored")
    words = [f"{name.replace('_', ' ')} {count:,}" for name, count in result.outcomes.items() if name not in plain]
    if result.truncated > result.outcomes.get("cut_off", 0):
        words.append(f"ended at the token limit {result.truncated:,}")
    return ", ".join(words)


def write(folder: Path, result: Result, scores: Sequence[Score], facts: Mapping[str, Any]) -> None:
    """Write scores.jsonl, then metrics.json."""
    with atomic_write(folder / SCORES) as file:
        for score in scores:
            file.write(json.dumps(asdict(score), ensure_ascii=False).encode() + b"\n")
    metrics = {
        "task": result.task,
        "title": result.title,
        "headline": next(iter(result.figures), None) if result.has_headline else None,
        "figures": {name: asdict(figure) for name, figure in result.figures.items()},
        "rows": result.rows,
        "outcomes": dict(result.outcomes),
        "truncated": result.truncated,
        **facts,
    }
    with atomic_write(folder / METRICS) as file:
        file.write(json.dumps(metrics, indent=2, ensure_ascii=False).encode() + b"\n")


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object of a result.

    Raises:
        ConfigError: the file is missing or damaged.
    """
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"{path}: {reason}; name the folder of a finished evaluation: evaluation/TASK/IDENTITY"
        ) from None
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: got {type(document).__name__}, need an object; evaluate again")
    return document


def read_scores(folder: Path) -> list[Score]:
    """Return the scores of a finished evaluation."""
    try:
        with (folder / SCORES).open("rb") as lines:
            return [Score(**json.loads(line)) for line in lines]
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{folder / SCORES}: {error}; `vlm-sft evaluate score` writes it anew") from None
