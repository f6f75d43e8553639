r"""FIRE-Bench, fixed dialogues: each answer of a recorded dialogue, given the recorded turns before it. "FIRE-style".

A student's answers are compared with BLEU, ROUGE-L and CIDEr-D. A teacher's turns begin with a score:

    Score: 3.
    Feedback: Look at the ends.

Its error is |predicted - recorded|, and 10 for a response without a score, as in the authors' code (MM-FIRE/FIRE
@4aba1c8). A recorded turn without a score has no score error; the authors' code counts it as -1.
"""

import re
from collections.abc import Sequence

from vlm_sft.evaluate.outcomes import failed
from vlm_sft.evaluate.task import Kind, Prediction, Score, Task
from vlm_sft.evaluate.tasks.text import VALUES, outcome_of, similarities

_SCORE = re.compile(r"[^\n]*?Score:[^\d\n]*(\d+)")
FEEDBACK = "Feedback:"
NO_SCORE_ERROR = 10.0
KINDS: dict[str, Kind] = {
    **{name: kind for name, kind in VALUES.items() if name != "exact_match"},
    "score_error": "mean",
}


def score_of(text: str) -> int | None:
    """Return the first number after "Score:" in the first line; decimals are cut, as in the authors' code."""
    match = _SCORE.match(text)
    return int(match[1]) if match else None


def feedback_of(text: str) -> str:
    """Return the text after "Feedback:"; the whole text without this marker."""
    before, found, after = text.partition(FEEDBACK)
    return after.strip() if found else before.strip()


def score(predictions: Sequence[Prediction]) -> list[Score]:
    """Return the metrics of each turn. Texts of a teacher are compared without their score."""
    rows = [prediction for prediction in predictions if not prediction.error]
    texts = [feedback_of(row.response) if score_of(row.reference) is not None else row.response for row in rows]
    values = iter(similarities(texts, [feedback_of(row.reference) for row in rows]))
    scores = []
    for prediction in predictions:
        if prediction.error:
            scores.append(failed(prediction))
            continue
        own = {name: value for name, value in next(values).items() if name in KINDS}
        expected, given = score_of(prediction.reference), score_of(prediction.response)
        outcome = outcome_of(prediction)
        if expected is not None:
            own["score_error"] = NO_SCORE_ERROR if given is None else float(abs(given - expected))
            outcome = "no_answer" if given is None and outcome == "scored" else outcome
        scores.append(Score(prediction.id, prediction.group, outcome, prediction.response, own))
    return scores


TASK = Task(
    name="fire",
    version=1,
    title="FIRE-style, fixed dialogues by turn; a teacher's response without a score has a score error of 10",
    asked="each",
    values=KINDS,
    score=score,
    max_new_tokens=128,  # as the authors' loader
)
