r"""Robo2VLM-1: multiple choice; beside our own rule that of the published evaluation (RLinf), which has a trap.

RLinf compares the whole line "B. Down". It strips dots from the end of the response but not of the reference, so a
right choice whose text ends with a dot or slash never matches. Rule read in RLinf @a3816b5.
"""

import re
from collections.abc import Sequence

from vlm_sft.evaluate.extract import boxes, choice_answer, without_closed_thoughts
from vlm_sft.evaluate.outcomes import failed, judged
from vlm_sft.evaluate.task import Prediction, Score, Task
from vlm_sft.evaluate.tasks.choice import right_choice

_CHAT_TOKEN = re.compile(r"<\|[^|<>]*\|>")
_IS = re.compile(r"(?:final answer is|the answer is)\s*[:\uff1a]?\s*([^\n]*)", re.IGNORECASE)
_COLON = re.compile(r"answer\s*[:\uff1a]\s*([^\n]*)", re.IGNORECASE)


def rlinf_answer(response: str) -> str:
    """Return what RLinf's evaluation extracts: the line of the FIRST marker, the last box in it, else the last line."""
    text = _CHAT_TOKEN.sub(" ", without_closed_thoughts(response))
    match = _IS.search(text)
    if not (match and match[1].strip()):
        match = _COLON.search(text)
    if match and match[1].strip():
        text = match[1]
    text = (boxes(text) or [text])[-1]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines[-1] if lines else "").strip("`").strip().rstrip(".").rstrip("/")


def rlinf_match(response: str, reference: str) -> bool:
    """Return whether letter and text are the reference's, in any case."""
    return _squeezed(rlinf_answer(response)) == _squeezed(reference) != ""


def _squeezed(text: str) -> str:
    return " ".join(text.lower().split())


def score(predictions: Sequence[Prediction]) -> list[Score]:
    """Return accuracy by our rule and by RLinf's for each response."""
    return [_score(prediction) for prediction in predictions]


def _score(prediction: Prediction) -> Score:
    if prediction.error:
        return failed(prediction)
    choices, right = right_choice(prediction)
    published = {"accuracy_rlinf": float(rlinf_match(prediction.response, prediction.reference))}
    return judged(prediction, choice_answer(prediction.response, choices), right, published)


TASK = Task(
    name="robo2vlm",
    version=1,
    title="accuracy: letter or text of the right choice; accuracy_rlinf: the whole line, as the published evaluation, "
    "in which a choice that ends with a dot never matches",
    asked="last",
    values={"accuracy": "share", "accuracy_rlinf": "share"},
    score=score,
    max_new_tokens=128,  # as the published evaluation
)
