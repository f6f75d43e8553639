r"""Geometry3K: the last \boxed{} of a response against the reference, as mathematical expressions (math-verify)."""

import os
from collections.abc import Sequence

from vlm_sft.errors import ConfigError
from vlm_sft.evaluate.extract import math_answer
from vlm_sft.evaluate.math_equal import compare
from vlm_sft.evaluate.outcomes import failed, unanswered
from vlm_sft.evaluate.task import NOT_OF_THE_MODEL, Outcome, Prediction, Score, Task

OUTCOMES: dict[str, Outcome] = {"equal": "correct", "unequal": "wrong", "timeout": "scorer_timeout"}


def score(predictions: Sequence[Prediction]) -> list[Score]:
    """Return 1 for each response whose answer equals the reference."""
    found: list[tuple[Outcome | None, str]] = []
    pairs, names = [], []
    for prediction in predictions:
        gold = _gold(prediction)
        answer, two = ("", False) if prediction.error else math_answer(prediction.response)
        outcome: Outcome | None = None
        if prediction.error:
            outcome = "generation_error"
        elif two:
            outcome = "ambiguous"
        elif not answer:
            outcome = unanswered(prediction)
        found.append((outcome, answer))
        # a row without an answer is compared too: its reference must be readable
        pairs.append((gold, answer or gold))
        names.append(prediction.id)
    verdicts = compare(pairs, len(os.sched_getaffinity(0)), names)
    scores = []
    for prediction, (outcome, answer), verdict in zip(predictions, found, verdicts, strict=True):
        if prediction.error:
            scores.append(failed(prediction))
            continue
        final = outcome or OUTCOMES[verdict]
        values = {} if final in NOT_OF_THE_MODEL else {"accuracy": float(final == "correct")}
        scores.append(Score(prediction.id, prediction.group, final, answer, values))
    return scores


def _gold(prediction: Prediction) -> str:
    r"""Return the expression of a reference: `Answer: \boxed{4 \sqrt { 3 }}`, or the plain expression."""
    gold = math_answer(prediction.reference)[0] or prediction.reference.strip()
    if not gold:
        raise ConfigError(f"{prediction.id}: reference: empty, need a mathematical expression; prepare the data again")
    return gold


TASK = Task(
    name="geo3k",
    version=1,
    title=r"share of responses whose last \boxed{} equals the reference by math-verify",
    asked="last",
    values={"accuracy": "share"},
    score=score,
    max_new_tokens=4096,
)
