"""Prediction and extracted answer -> score; the same for every task with right and wrong answers."""

from collections.abc import Mapping

from vlm_sft.evaluate.task import Outcome, Prediction, Score


def unanswered(prediction: Prediction) -> Outcome:
    """Return why a response has no answer."""
    if not prediction.response:
        return "empty"
    return "cut_off" if prediction.finish_reason == "length" else "no_answer"


def failed(prediction: Prediction) -> Score:
    """Return the score of a row that a server failed to answer, which is not the model's fault."""
    return Score(prediction.id, prediction.group, "generation_error", "", {})


def judged(prediction: Prediction, answers: set[str], right: str, more: Mapping[str, float] | None = None) -> Score:
    """Return the score of an answer out of a few: none, one, or several at once.

    Args:
        prediction: what was generated.
        answers: extracted answers.
        right: the one that is correct.
        more: other values of the row.
    """
    outcome: Outcome
    if not answers:
        outcome = unanswered(prediction)
    elif len(answers) > 1:
        outcome = "ambiguous"
    else:
        outcome = "correct" if answers == {right} else "wrong"
    values = {"accuracy": float(outcome == "correct"), **(more or {})}
    return Score(prediction.id, prediction.group, outcome, " or ".join(sorted(answers)), values)
