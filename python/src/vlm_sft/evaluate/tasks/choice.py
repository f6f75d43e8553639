"""Multiple choice: a question with lettered choices, and a reference that names one of them."""

from collections.abc import Mapping, Sequence

from vlm_sft.errors import ConfigError
from vlm_sft.evaluate.extract import choice_answer, choices_of, letters_of
from vlm_sft.evaluate.outcomes import failed, judged
from vlm_sft.evaluate.task import Prediction, Score, Task


def right_choice(prediction: Prediction) -> tuple[Mapping[str, str], str]:
    """Return letter -> choice of a question, and the letter of the right one.

    Raises:
        ConfigError: the question has no choices, or the reference is none of them.
    """
    choices = choices_of(prediction.question)
    if len(choices) < 2:
        need = 'need lines such as "A. Up" and "B. Down"'
        way_out = "prepare the data with the choices in the question, or choose another task"
        raise ConfigError(f"{prediction.id}: question: got {prediction.question[-60:]!r}, {need}; {way_out}")
    right = letters_of(prediction.reference, choices)
    if len(right) != 1:
        need = f'need one of the choices {", ".join(choices)}, such as "B" or "B. {choices["B"]}"'
        way_out = "correct the row, or choose another task"
        raise ConfigError(f"{prediction.id}: reference: got {prediction.reference[:60]!r}, {need}; {way_out}")
    return choices, right.pop()


def score(predictions: Sequence[Prediction]) -> list[Score]:
    """Return 1 for each response whose final answer is the right letter or text."""
    return [_score(prediction) for prediction in predictions]


def _score(prediction: Prediction) -> Score:
    if prediction.error:
        return failed(prediction)
    choices, right = right_choice(prediction)
    return judged(prediction, choice_answer(prediction.response, choices), right)


TASK = Task(
    name="choice",
    version=1,
    title="share of questions whose final answer names the right choice, by letter or text",
    asked="last",
    values={"accuracy": "share"},
    score=score,
    max_new_tokens=512,
)
