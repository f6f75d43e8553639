"""Predictions of `swift infer` -> scores.

One row of its result file:

    {"response": "Two bicycles.", "labels": "Two bicycles are there.", "messages": [...], "images": [...]}

`labels` is the last assistant turn of the row: for a whole trajectory, its last answer after all earlier turns.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from vlm_sft.evaluate.metrics import METRICS


@dataclass(frozen=True)
class Scores:
    """Means over the scored rows; `dropped` counts the others by reason."""

    rows: int
    scored: int
    dropped: dict[str, int]
    empty_answers: int  # scored like any other answer, as wrong
    figures: dict[str, float]


def score(lines: Iterable[bytes]) -> Scores:
    """Score a result file of `swift infer`, one JSON object a line."""
    answers: list[str] = []
    references: list[str] = []
    dropped: Counter[str] = Counter()
    rows = 0
    for line in lines:
        rows += 1
        reason, answer, reference = _read(line)
        if reason:
            dropped[reason] += 1
            continue
        answers.append(answer)
        references.append(reference)
    scored = len(answers)
    return Scores(rows, scored, dict(sorted(dropped.items())), answers.count(""), figures(answers, references))


def _read(line: bytes) -> tuple[str, str, str]:
    """Return (reason to drop the row, or an empty text; answer; reference)."""
    try:
        row: Any = json.loads(line)
    except ValueError:
        return "not_json", "", ""
    if not isinstance(row, dict) or not isinstance(row.get("response"), str):
        return "no_response", "", ""
    if not isinstance(row.get("labels"), str) or not row["labels"].strip():
        return "no_label", "", ""
    return "", row["response"].strip(), row["labels"].strip()


def figures(answers: list[str], references: list[str]) -> dict[str, float]:
    """Return the mean of each metric; empty for no rows."""
    means: dict[str, float] = {}
    for name, metric in METRICS.items() if answers else ():
        orders = list(zip(*(v if isinstance(v, list) else [v] for v in metric(answers, references)), strict=True))
        for order, values in enumerate(orders, 1):
            means[f"{name}_{order}" if len(orders) > 1 else name] = sum(values) / len(values)
    return means


def table(scores: Scores) -> str:
    """Return the scores as a table with the number of scored rows."""
    lines = [f"{name:<12}  {value:8.4f}  n = {scores.scored}" for name, value in scores.figures.items()]
    lines.append(f"{'rows':<12}  {scores.rows:8d}  {scores.empty_answers} answered with nothing")
    lines += [f"{'dropped':<12}  {count:8d}  {reason}" for reason, count in scores.dropped.items()]
    return "\n".join(lines)
